"""The proof of the contract suite: it catches every mutant and flags no variant.

A mutant is judged by the checks of its own clause, which is quick; what they let through is judged
by all checks before it counts as a survivor, by the costly ones last. Variants are judged by all;
those that are a mutant's other reading of an open point in groups, and one by one if their group
is flagged.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from mockhub.mutants.house import House
from mockhub.mutants.registry import Mutant, Variant, find, mutants, variants
from mockhub.mutants.running import running, together

WORKERS = 6  # most wait: for tasks that never end, and for refunds that never come

_BROKEN = "broken"
_SLOW = ("LIM-1",)  # clauses whose checks take seconds, and are asked for their own mutants only
_LIGHT = "not REQ-9"  # whose uploads of 50 MB are half of what judging by all checks costs
_GROUPS = 8  # neighbours, which are alike, are judged in different ones
_POLL_SECONDS, _VARIANT_SECONDS = 1.0, 3.0  # for a task to end; some variants are slow
_FAILING = "[[fail]] A ship in a storm"
_PARTIAL = "[[deliver=3]] A ship in a storm"


class Judged(NamedTuple):
    """What the suite found of one mutant or variant."""

    name: str
    checks: tuple[str, ...]  # that found it broken
    clauses: tuple[str, ...]  # that it breaks
    unsure: tuple[str, ...]  # checks that could not tell
    message: str
    credits: int
    requests: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a self-test has found; *idle* are the checks that never caught anything."""

    mutants: tuple[Judged, ...]
    variants: tuple[Judged, ...]
    idle: tuple[str, ...]
    seconds: float

    @property
    def survivors(self) -> list[Judged]:
        """The mutants that no check caught."""
        return [one for one in self.mutants if not one.checks]

    @property
    def flagged(self) -> list[Judged]:
        """The variants that a check found broken."""
        return [one for one in self.variants if one.checks]

    @property
    def caught(self) -> float:
        """The share of the mutants that was caught, from 0 to 1."""
        return 1 - len(self.survivors) / len(self.mutants) if self.mutants else 1.0

    @property
    def ok(self) -> bool:
        """Whether nothing survived, nothing was flagged, and no check was idle."""
        return not (self.survivors or self.flagged or self.idle)


def run(
    *,
    names: Sequence[str] = (),
    workers: int = WORKERS,
    progress: Callable[[Judged], None] = lambda judged: None,
) -> Outcome:
    """Judge the mutants and variants of *names*, or all of them, in processes of their own.

    Args:
        names: of mutants and variants; with any given no check counts as idle.
        workers: how many are judged at the same time.
        progress: told of each as it is done.

    Raises:
        MockhubError: if a name is not known.
    """
    begun = time.perf_counter()
    wrong, conforming = _chosen(names)
    found: list[Judged] = []
    unflagged: list[Judged] = []
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        futures = {
            pool.submit(judged, group, is_variant): unflagged if is_variant else found
            for group, is_variant in _jobs(wrong, conforming)
        }
        for future in as_completed(futures):
            for one in future.result():
                futures[future].append(one)
                progress(one)
    return Outcome(
        mutants=_in_order(found, wrong),
        variants=_in_order(unflagged, conforming),
        idle=() if names else tuple(idle(found)),
        seconds=time.perf_counter() - begun,
    )


def size() -> int:
    """How many mutants and variants there are to judge."""
    return len(mutants()) + len(variants())


def _jobs(
    wrong: Sequence[Mutant], conforming: Sequence[Variant]
) -> Iterator[tuple[list[str], bool]]:
    """Names that are judged together, and whether they are variants; the slow ones first."""
    tolerable = [one.name for one in conforming if one.name in mutants()]
    yield from (([one.name], True) for one in conforming if one.name not in mutants())
    yield from ((tolerable[at::_GROUPS], True) for at in range(min(_GROUPS, len(tolerable))))
    yield from (([one.name], False) for one in wrong)


def _in_order(found: Sequence[Judged], asked: Sequence[Mutant | Variant]) -> tuple[Judged, ...]:
    by_name = {one.name: one for one in found}
    return tuple(by_name[one.name] for one in asked)


def _chosen(names: Sequence[str]) -> tuple[list[Mutant], list[Variant]]:
    if not names:
        return list(mutants().values()), list(variants().values())
    found = [find(name) for name in names]
    wrong = [one for one in found if isinstance(one, Mutant)]
    return wrong, [variants()[name] for name in names if name in variants()]


def judged(names: Sequence[str], conforming: bool) -> list[Judged]:
    """Serve one mutant, or some variants as one server, and judge it."""
    logging.disable(logging.CRITICAL)  # a mutant fails on purpose
    if conforming:
        return _judge_variants([variants()[name] for name in names])
    one = mutants()[names[0]]
    for only in (one.clause, _LIGHT):
        if (found := _judge(one, only=only)).checks:
            return [found]
    return [_judge(one)]


def _judge_variants(group: Sequence[Variant]) -> list[Judged]:
    whole = replace(group[0], change=together([one.change for one in group]))
    found = _judge(whole)
    if found.checks and len(group) > 1:
        return [_judge(one) for one in group]
    return [found._replace(name=one.name) for one in group]


def _judge(one: Mutant | Variant, only: str | None = None) -> Judged:
    with running(one.change, patient=only in _SLOW) as house:
        told = profile(house, _POLL_SECONDS if isinstance(one, Mutant) else _VARIANT_SECONDS)
        report = suite("runner").judge(told, level=one.level, quick=True, only=only)
    broken = [clause for clause in report.clauses if clause.verdict == _BROKEN]
    checks = {check.name: check for clause in report.clauses for check in clause.checks}
    found = [check for check in checks.values() if check.verdict == _BROKEN]
    return Judged(
        one.name,
        tuple(check.name for check in found),
        tuple(clause.id for clause in broken),
        tuple(check.name for check in checks.values() if check.verdict == "inconclusive"),
        found[0].message if found else "",
        report.credits_spent,
        report.requests,
        report.seconds,
    )


def profile(house: House, poll_timeout: float) -> Any:
    """What the suite is told of a house: all that can be told; *poll_timeout* in seconds."""
    module, keys = suite("profile"), house.keys
    return module.Profile(
        base_url=house.url,
        keys={
            "valid": keys["rich"],
            "other": keys["other"],
            "broke": keys["poor"],
            "low": keys["low"],
            "expired": keys["expired"],
            "revoked": keys["revoked"],
        },
        provider_failure=_FAILING,
        partial=module.Partial(_PARTIAL, n=4, delivered=3),
        poll_timeout=poll_timeout,
        provision=Path(__file__).with_name("provision.py"),
    )


def idle(found: Sequence[Judged]) -> Iterator[str]:
    """The checks of the suite that caught none of the mutants."""
    busy = {check for one in found for check in one.checks}
    for check in suite("runner").selected("inferred"):
        if check.name not in busy:
            yield check.name


@cache
def suite(module: str) -> Any:
    """A module of the contract suite, which a wheel carries inside the package."""
    package = "mockhub.contract_tests" if find_spec("mockhub.contract_tests") else "contract_tests"
    return import_module(f"{package}.{module}")
