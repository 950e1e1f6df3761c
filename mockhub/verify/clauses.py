"""The clauses: every statement of the documentation that can be checked."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

from mockhub._resources import resource_path
from mockhub.spec.config_file import load_yaml

Level = Literal["documented", "inferred"]
DOCUMENTED: Level = "documented"
INFERRED: Level = "inferred"
LEVELS = (DOCUMENTED, INFERRED)


class Clause(NamedTuple):
    """A statement that is documented, or inferred where the documentation leaves it open."""

    id: str
    level: Level
    statement: str


@cache
def clauses() -> dict[str, Clause]:
    """Return all clauses by id, in the order of clauses.yaml."""
    groups = load_yaml(resource_path("contract_tests") / "clauses.yaml")
    return {
        clause_id: Clause(clause_id, entry["level"], entry["statement"])
        for group in groups.values()
        for clause_id, entry in group.items()
    }
