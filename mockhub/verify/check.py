"""What a check is, and how it is registered."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from mockhub.verify.clauses import DOCUMENTED, INFERRED, clauses
from mockhub.verify.context import CheckContext

CheckFunction = Callable[[CheckContext], None]


class Check(NamedTuple):
    """One question to the implementation, and the clauses that its answer decides."""

    name: str
    clauses: tuple[str, ...]
    level: str
    requires: tuple[str, ...]  # roles and triggers that the profile must offer
    fixtures: tuple[str, ...]  # recipes of generations that it looks at
    cost: int  # worst case in credits, beside those generations
    description: str
    run: CheckFunction


CHECKS: list[Check] = []


def check(
    *clause_ids: str,
    level: str | None = None,
    requires: tuple[str, ...] = (),
    fixtures: tuple[str, ...] = (),
    cost: int = 0,
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function that returns if the clauses hold and raises a verdict if not.

    Its level is that of its clauses, unless it reads a documented one more strictly.
    """
    inferred = any(clauses()[name].level == INFERRED for name in clause_ids)

    def register(function: CheckFunction) -> CheckFunction:
        description = (function.__doc__ or "").strip().split("\n")[0].rstrip(".")
        check_level = level or (INFERRED if inferred else DOCUMENTED)
        CHECKS.append(
            Check(
                function.__name__,
                clause_ids,
                check_level,
                requires,
                fixtures,
                cost,
                description,
                function,
            )
        )
        return function

    return register


@cache
def all_checks() -> tuple[Check, ...]:
    """All checks in the order in which they run.

    A wheel carries `contract_tests` inside the package, a checkout beside it.
    """
    packaged = find_spec("mockhub.contract_tests") is not None
    import_module(f"{'mockhub.' if packaged else ''}contract_tests.checks")
    return tuple(CHECKS)
