"""Checks: their registration, and the order in which they run."""

from __future__ import annotations

import runpy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from mockhub._text import suggest
from mockhub.exceptions import MockhubError
from mockhub.verify.clauses import DOCUMENTED, INFERRED, clauses
from mockhub.verify.context import CheckContext
from mockhub.verify.outcomes import describe_exception

CheckFunction = Callable[[CheckContext], None]


class Check(NamedTuple):
    """A test of the implementation, and the clauses that it decides.

    Attributes:
        requires: The roles and triggers that the profile must offer.
        fixtures: The names of the generations that it inspects.
        cost: The worst case in credits, without those generations.
        after: The names of the checks whose results it needs.
        last: Whether it runs after all others, generated requests included.
        pays_nothing: Whether a conforming server charges nothing, even for a moment, except to an
            account that no other such check reads, so that the check may run beside others like it.
        account: The account whose balance it reads or changes, or "": checks of different accounts
            may run side by side. It is `valid` for those that concern `other`, too.
        needs_success: Whether it runs only if no check has failed before.
    """

    name: str
    clauses: tuple[str, ...]
    level: str
    requires: tuple[str, ...]
    fixtures: tuple[str, ...]
    cost: int
    description: str
    run: CheckFunction
    after: tuple[str, ...] = ()
    last: bool = False
    pays_nothing: bool = False
    account: str = ""
    needs_success: bool = False

    def at_level(self, level: str) -> Check:
        """Return the check of those of its clauses that belong to *level*."""
        ids = [id for id in self.clauses if clauses()[id].level in (DOCUMENTED, level)]
        return self._replace(clauses=tuple(ids))


CHECKS: list[Check] = []


def check(
    *clause_ids: str,
    level: str | None = None,
    requires: tuple[str, ...] = (),
    fixtures: tuple[str, ...] = (),
    cost: int = 0,
    after: tuple[str, ...] = (),
    last: bool = False,
    pays_nothing: bool = False,
    account: str = "",
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function that returns if the clauses hold and raises a `CheckOutcome` if not.

    Its level is that of its clauses, unless it reads a documented one more strictly. It runs
    after the checks named in *after*, and only if each of them has run; *last* puts it at the end.
    """
    for name in clause_ids:
        if name not in clauses():
            raise ValueError(f"{name!r} is not a clause{suggest(name, clauses())}")
    inferred = any(clauses()[name].level == INFERRED for name in clause_ids)

    def register(function: CheckFunction) -> CheckFunction:
        description = (function.__doc__ or "").strip().split("\n")[0].rstrip(".")
        check_level = level or (INFERRED if inferred else DOCUMENTED)
        CHECKS.append(
            Check(
                function.__name__, clause_ids, check_level, requires, fixtures, cost, description,
                function, after, last, pays_nothing, account,
            )
        )  # fmt: skip
        return function

    return register


def contract_module(name: str) -> ModuleType:
    """Import a module of `contract_tests`, which a wheel has inside the package."""
    packaged = find_spec("mockhub.contract_tests") is not None
    return import_module(f"{'mockhub.' if packaged else ''}contract_tests.{name}")


@cache
def all_checks() -> tuple[Check, ...]:
    """Return all checks in the order in which they run."""
    contract_module("checks")
    return tuple(sort_by_dependency(CHECKS))


@contextmanager
def additional_checks(file: Path | None) -> Iterator[None]:
    """Register the checks of a Python file for the time of the block, after all others.

    Raises:
        MockhubError: if the file cannot be run, or has no checks.
    """
    if file is None:
        yield
        return
    all_checks()  # so that those of the file are the last
    own = len(CHECKS)
    try:
        _run_file(file)
        if len(CHECKS) == own:
            raise MockhubError(f"{file}: has no function with @check(...)")
        _reject_repeated_names(file)
        all_checks.cache_clear()
        yield
    finally:
        del CHECKS[own:]
        all_checks.cache_clear()


def _run_file(file: Path) -> None:
    try:
        runpy.run_path(str(file))
    except Exception as error:
        raise MockhubError(f"{file}: {describe_exception(error, str(file))}") from error


def _reject_repeated_names(file: Path) -> None:
    names = Counter(check.name for check in CHECKS)
    for name, count in names.items():
        if count > 1:
            raise MockhubError(f"{file}: there is already a check {name}; expected another name")


def sort_by_dependency(checks: Iterable[Check]) -> list[Check]:
    """Move each check behind those that it names in `after`; keep the order otherwise.

    Raises:
        ValueError: if a name is unknown, or checks depend on each other in a circle.
    """
    by_name = {check.name: check for check in checks}
    ordered: dict[str, Check] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name not in by_name:
            raise ValueError(f"{path[-1]}: after={name!r} is not a check{suggest(name, by_name)}")
        if name in path:
            raise ValueError(f"circular dependency: {' -> '.join((*path, name))}")
        for dependency in by_name[name].after:
            add(dependency, (*path, name))
        ordered.setdefault(name, by_name[name])

    for name in by_name:
        add(name, ())
    return list(ordered.values())
