"""The clauses: every statement that an implementation can be held to."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

DOCUMENTED, INFERRED = "documented", "inferred"
LEVELS = (DOCUMENTED, INFERRED)


class Clause(NamedTuple):
    """One statement of the page, and whether the page says it or leaves it open."""

    id: str
    level: str
    says: str


@cache
def clauses() -> dict[str, Clause]:
    """All clauses by id, in the order of the page."""
    groups = yaml.safe_load(Path(__file__).with_name("clauses.yaml").read_text("utf-8"))
    return {
        name: Clause(name, entry["level"], entry["says"])
        for group in groups.values()
        for name, entry in group.items()
    }
