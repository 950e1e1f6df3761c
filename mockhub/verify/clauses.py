"""The clauses: every statement of the documentation that can be checked."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import yaml

from mockhub._resources import resource_path

DOCUMENTED, INFERRED = "documented", "inferred"
LEVELS = (DOCUMENTED, INFERRED)


class Clause(NamedTuple):
    """A statement that is documented, or inferred where the documentation leaves it open."""

    id: str
    level: str
    statement: str


@cache
def clauses() -> dict[str, Clause]:
    """Return all clauses by id, in the order of clauses.yaml."""
    groups = yaml.safe_load((resource_path("contract_tests") / "clauses.yaml").read_text("utf-8"))
    return {
        clause_id: Clause(clause_id, entry["level"], entry["statement"])
        for group in groups.values()
        for clause_id, entry in group.items()
    }
