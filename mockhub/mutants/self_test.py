"""Test the contract suite: it has to kill every mutant and must not flag a variant.

A mutant is tested by the checks of its own clause first, which is quick. If it survives these, it
is tested by all other checks, the slow ones last. Variants are tested by all checks. Mutants that
are conforming variants at level documented are tested in groups, and one by one if a group is
flagged.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mockhub.mutants.catalog import find, mutants, variants
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Mutant, Variant
from mockhub.mutants.serving import combine, running
from mockhub.verify.profile import Profile
from mockhub.verify.runner import run as run_checks
from mockhub.verify.runner import select_checks

WORKERS = 6  # most of them wait: for tasks that never end, for refunds that never come

_FAILED = "failed"
_SLOW_CLAUSES = ("LIM-1",)  # their checks take seconds and run for their own mutants only
_WITHOUT_LARGE_UPLOADS = "not REQ-9"  # its uploads of 50 MB take half the time of all checks
_VARIANT_GROUPS = 8  # neighbours are similar and go to different groups
_POLL_SECONDS, _VARIANT_SECONDS = 1.0, 3.0  # timeouts of a task; some variants are slow


class MutantResult(NamedTuple):
    """The result of the suite on one mutant or variant."""

    name: str
    checks: tuple[str, ...]  # that failed
    clauses: tuple[str, ...]  # that failed
    inconclusive_checks: tuple[str, ...]  # that were inconclusive
    message: str
    credits: int
    requests: int
    seconds: float


@dataclass(frozen=True)
class SelfTestResult:
    """The result of a self-test; an ineffective check has killed no mutant."""

    mutants: tuple[MutantResult, ...]
    variants: tuple[MutantResult, ...]
    ineffective_checks: tuple[str, ...]
    seconds: float

    @property
    def survivors(self) -> list[MutantResult]:
        """The mutants that no check killed."""
        return [one for one in self.mutants if not one.checks]

    @property
    def flagged(self) -> list[MutantResult]:
        """The variants that failed a check."""
        return [one for one in self.variants if one.checks]

    @property
    def mutation_score(self) -> float:
        """The share of the mutants that were killed, from 0 to 1."""
        return 1 - len(self.survivors) / len(self.mutants) if self.mutants else 1.0

    @property
    def ok(self) -> bool:
        """Whether nothing survived, nothing was flagged, and no check was ineffective."""
        return not (self.survivors or self.flagged or self.ineffective_checks)


def run(
    *,
    names: Sequence[str] = (),
    workers: int = WORKERS,
    progress: Callable[[MutantResult], None] = lambda result: None,
) -> SelfTestResult:
    """Test the mutants and variants of *names*, or all of them, in separate processes.

    Args:
        names: With any names no check is reported as ineffective.
        workers: The number of processes.
        progress: Called with each result.

    Raises:
        MockhubError: if a name is unknown.
    """
    started = time.perf_counter()
    selected_mutants, selected_variants = _select(names)
    mutant_results: list[MutantResult] = []
    variant_results: list[MutantResult] = []
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        futures = {
            pool.submit(evaluate, group, is_variant): variant_results
            if is_variant
            else mutant_results
            for group, is_variant in _jobs(selected_mutants, selected_variants)
        }
        for future in as_completed(futures):
            for one in future.result():
                futures[future].append(one)
                progress(one)
    return SelfTestResult(
        mutants=_in_order(mutant_results, selected_mutants),
        variants=_in_order(variant_results, selected_variants),
        ineffective_checks=() if names else tuple(ineffective_checks(mutant_results)),
        seconds=time.perf_counter() - started,
    )


def size() -> int:
    """Return the number of mutants and variants."""
    return len(mutants()) + len(variants())


def _jobs(
    selected_mutants: Sequence[Mutant], selected_variants: Sequence[Variant]
) -> Iterator[tuple[list[str], bool]]:
    """Yield names that are tested together and whether they are variants, the slow ones first."""
    conforming_mutants = [one.name for one in selected_variants if one.name in mutants()]
    yield from (([one.name], True) for one in selected_variants if one.name not in mutants())
    yield from (
        (conforming_mutants[at::_VARIANT_GROUPS], True)
        for at in range(min(_VARIANT_GROUPS, len(conforming_mutants)))
    )
    yield from (([one.name], False) for one in selected_mutants)


def _in_order(
    found: Sequence[MutantResult], selected: Sequence[Mutant | Variant]
) -> tuple[MutantResult, ...]:
    by_name = {one.name: one for one in found}
    return tuple(by_name[one.name] for one in selected)


def _select(names: Sequence[str]) -> tuple[list[Mutant], list[Variant]]:
    if not names:
        return list(mutants().values()), list(variants().values())
    found = [find(name) for name in names]
    selected_mutants = [one for one in found if isinstance(one, Mutant)]
    return selected_mutants, [variants()[name] for name in names if name in variants()]


def evaluate(names: Sequence[str], conforming: bool) -> list[MutantResult]:
    """Test one mutant, or some variants combined in one server."""
    logging.disable(logging.CRITICAL)  # a mutant fails on purpose
    if conforming:
        return _run_variants([variants()[name] for name in names])
    one = mutants()[names[0]]
    for only in (one.clause, _WITHOUT_LARGE_UPLOADS):
        if (found := _run_checks(one, only=only)).checks:
            return [found]
    return [_run_checks(one)]


def _run_variants(group: Sequence[Variant]) -> list[MutantResult]:
    combined = replace(group[0], change=combine([one.change for one in group]))
    found = _run_checks(combined)
    if found.checks and len(group) > 1:
        return [_run_checks(one) for one in group]
    return [found._replace(name=one.name) for one in group]


def _run_checks(one: Mutant | Variant, only: str | None = None) -> MutantResult:
    with running(one.change, allow_slow=only in _SLOW_CLAUSES) as server:
        target_profile = build_profile(
            server, _POLL_SECONDS if isinstance(one, Mutant) else _VARIANT_SECONDS
        )
        report = run_checks(target_profile, level=one.level, no_fuzz=True, keyword=only)
    failed = [clause for clause in report.clauses if clause.outcome == _FAILED]
    checks = {check.name: check for clause in report.clauses for check in clause.checks}
    failed_checks = [check for check in checks.values() if check.outcome == _FAILED]
    return MutantResult(
        one.name,
        tuple(check.name for check in failed_checks),
        tuple(clause.id for clause in failed),
        tuple(check.name for check in checks.values() if check.outcome == "inconclusive"),
        failed_checks[0].message if failed_checks else "",
        report.credits_spent,
        report.requests,
        report.seconds,
    )


def build_profile(server: PatchedServer, poll_timeout: float) -> Profile:
    """Build a complete profile of a server; *poll_timeout* is in seconds."""
    return replace(
        Profile.for_mock(server.url, server.keys),
        poll_timeout=poll_timeout,
        state_handlers=Path(__file__).with_name("state_handlers.py"),
    )


def ineffective_checks(found: Sequence[MutantResult]) -> Iterator[str]:
    """Yield the checks that killed none of the mutants."""
    effective = {check for one in found for check in one.checks}
    for check in select_checks("inferred"):
        if check.name not in effective:
            yield check.name
