"""Evidence files: for each finding the requests, as scripts that can be run, and the responses."""

from __future__ import annotations

import re
from pathlib import Path

from mockhub.exceptions import MockhubError
from mockhub.verify.exchange import Exchange
from mockhub.verify.findings import Finding
from mockhub.verify.report import Report

_MAX_RESPONSE = 5_000_000  # bytes; a longer response is cut
_LARGE_PNG = 1_000_000  # bytes; the suite makes these pictures itself, and no key is in them
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def write_evidence(report: Report, folder: Path) -> dict[str, str]:
    """Write the exchanges of all findings below *folder*; return the folder of each check.

    The curl commands read the files beside them, and the keys from the environment.

    Raises:
        MockhubError: if a file cannot be written.
    """
    folders = {}
    try:
        for finding in (*report.findings, *report.known_findings):
            target = folder / f"{finding.clause.id}-{finding.result.name}"
            target.mkdir(parents=True, exist_ok=True)
            for number, exchange in enumerate(finding.result.evidence, 1):
                _write_exchange(report, target, number, exchange)
            (target / "finding.txt").write_bytes(_encode(report, _describe(finding)))
            folders[finding.result.name] = str(target)
    except OSError as error:
        raise MockhubError(f"{folder}: cannot be written: {error.strerror}") from None
    return folders


def _describe(finding: Finding) -> str:
    result = finding.result
    lines = [
        f"{finding.clause.id} ({finding.level}): {result.message}",
        finding.reading,
        f"expected: {result.expected}",
        *finding.other_lines(),
        *(f"sent at the same time: {label}" for label in result.concurrent),
    ]
    return "\n".join(lines) + "\n"


def _write_exchange(report: Report, folder: Path, number: int, exchange: Exchange) -> None:
    script = f'#!/bin/sh\ncd "$(dirname "$0")"\n{exchange.curl()}\n'
    (folder / f"{number}-request.sh").write_bytes(_encode(report, script))
    for name, content in exchange.request.files.items():
        (folder / _UNSAFE.sub("_", name)).write_bytes(_redact(report, content))
    headers = "".join(f"{name}: {value}\n" for name, value in exchange.headers.items())
    status = f"HTTP {exchange.status}\n" if exchange.status else exchange.describe() + "\n"
    (folder / f"{number}-response-headers.txt").write_bytes(_encode(report, status + headers))
    body = _redact(report, exchange.content[:_MAX_RESPONSE])
    if (size := len(exchange.content)) > _MAX_RESPONSE:
        body += f"\n[cut, {size} bytes in all]".encode()
    (folder / f"{number}-response-body").write_bytes(body)


def _encode(report: Report, text: str) -> bytes:
    return report.secrets.redact(text).encode("utf-8", "backslashreplace")


def _redact(report: Report, content: bytes) -> bytes:
    """Return *content* without keys; bytes that are not UTF-8 stay as they are."""
    if len(content) > _LARGE_PNG and content.startswith(b"\x89PNG"):
        return content
    text = content.decode("utf-8", "surrogateescape")
    return report.secrets.redact(text).encode("utf-8", "surrogateescape")
