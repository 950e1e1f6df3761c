"""Drift: what has changed between two reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mockhub.spec.errors import MockhubError

from .report import Report


def read_report(path: Path) -> dict[str, Any]:
    """Read a report that `--report-json` has written.

    Raises:
        MockhubError: if the file is no such report.
    """
    try:
        report = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise MockhubError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise MockhubError(f"{path}: not JSON: {error}") from None
    if not isinstance(report, dict) or not isinstance(report.get("clauses"), list):
        raise MockhubError(f"{path}: not a report of mockhub verify --report-json")
    return report


def drift(old: Mapping[str, Any], new: Report) -> Iterator[str]:
    """Each clause whose verdict changed, and what newly appears in answers or has vanished."""
    if old.get("level") != new.level:
        yield f"level: {old.get('level')} -> {new.level}"
    before = {clause["id"]: clause.get("verdict") for clause in old["clauses"]}
    for clause in new.clauses:
        was = before.get(clause.id, "not_asked")
        if was != clause.verdict:
            yield f"{clause.id}: {was} -> {clause.verdict}" + (
                f": {clause.why}" if clause.why else ""
            )
    seen = old.get("seen") or {}
    for what, now in new.seen.items():
        then = set(seen.get(what, ()))
        for value in sorted(set(now) - then):
            yield f"{what}: {value} appears"
        for value in sorted(then - set(now)):
            yield f"{what}: {value} vanished"
