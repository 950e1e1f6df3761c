"""What a check is, and how it is registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .clauses import DOCUMENTED, INFERRED, clauses
from .stage import Stage

Run = Callable[[Stage], None]


class Check(NamedTuple):
    """One question to the implementation, and the clauses that its answer decides."""

    name: str
    clauses: tuple[str, ...]
    level: str
    needs: tuple[str, ...]  # roles and triggers that the profile must offer
    uses: tuple[str, ...]  # recipes of generations that it looks at
    cost: int  # worst case in credits, beside those generations
    says: str
    run: Run


DECK: list[Check] = []


def check(
    *names: str,
    level: str | None = None,
    needs: tuple[str, ...] = (),
    uses: tuple[str, ...] = (),
    cost: int = 0,
) -> Callable[[Run], Run]:
    """Register a function that returns if the clauses hold and raises a verdict if not.

    Its level is that of its clauses, unless it reads a documented one more strictly.
    """
    inferred = any(clauses()[name].level == INFERRED for name in names)

    def register(run: Run) -> Run:
        says = (run.__doc__ or "").strip().split("\n")[0].rstrip(".")
        at = level or (INFERRED if inferred else DOCUMENTED)
        DECK.append(Check(run.__name__, names, at, needs, uses, cost, says, run))
        return run

    return register
