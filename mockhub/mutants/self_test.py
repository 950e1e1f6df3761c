"""Test the contract suite: it has to kill every mutant and must not flag a variant.

A mutant is tested by the checks of its own clause first, which is quick. If it survives these, it
is tested by those of the same group, such as ERR, and then by all, until one of them fails.
Variants are tested by all checks: several at once in one server, and one by one if that server is
flagged, or if their names were given.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mockhub.mutants.catalog import find, mutants, variants
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Mutant, Variant
from mockhub.mutants.serving import combine, running
from mockhub.verify.clauses import INFERRED, LEVELS
from mockhub.verify.context import DEFAULT_EXAMPLES
from mockhub.verify.fuzz import FUZZ_CHECKS
from mockhub.verify.profile import Profile
from mockhub.verify.results import CheckResult
from mockhub.verify.run_check import UNINTERPRETED
from mockhub.verify.runner import run as run_checks
from mockhub.verify.runner import select_checks

WORKERS = 6  # most of them wait: for tasks that never end, for refunds that never come

_FAILED = "failed"
_SLOW_CLAUSES = ("LIM-1",)  # their checks take seconds and run for their own mutants only
_QUICK = "not REQ-9"  # its uploads of 50 MB take half the time of all checks
_EXAMPLES, _GENERATED_BUDGET = 16, 800  # for mutants that only generated requests find
_GROUP_SIZE = 12  # variants of one server; neighbours are similar and go to different ones
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
        return [result for result in self.mutants if not result.checks]

    @property
    def flagged(self) -> list[MutantResult]:
        return [result for result in self.variants if result.checks]

    @property
    def mutation_score(self) -> float:
        """The share of the mutants that were killed, from 0 to 1."""
        return 1 - len(self.survivors) / len(self.mutants) if self.mutants else 1.0

    @property
    def ok(self) -> bool:
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
    selected_mutants = _select(names, mutants().values())
    selected_variants = _select(names, variants().values())
    jobs: list[tuple[Sequence[str], bool]] = [
        (group, True) for group in _variant_groups(selected_variants, 1 if names else _GROUP_SIZE)
    ]  # first, since they are slow
    jobs += [([name], False) for name in selected_mutants]
    results: dict[tuple[str, bool], MutantResult] = {}
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        futures = {
            pool.submit(evaluate, group, is_variant): is_variant for group, is_variant in jobs
        }
        for future in as_completed(futures):
            for result in future.result():
                results[result.name, futures[future]] = result
                progress(result)
    mutant_results = tuple(results[name, False] for name in selected_mutants)
    return SelfTestResult(
        mutants=mutant_results,
        variants=tuple(results[name, True] for name in selected_variants),
        ineffective_checks=() if names else tuple(ineffective_checks(mutant_results)),
        seconds=time.perf_counter() - started,
    )


def size() -> int:
    """Return the number of mutants and variants."""
    return len(mutants()) + len(variants())


def _select(names: Sequence[str], candidates: Iterable[Mutant | Variant]) -> list[str]:
    for name in names:
        find(name)
    known = [candidate.name for candidate in candidates]
    return [name for name in names if name in known] if names else known


def _variant_groups(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Distribute the variants of each level to groups of at most *size*."""
    for level in LEVELS:
        of_level = [name for name in names if variants()[name].level == level]
        groups = math.ceil(len(of_level) / size)
        yield from (of_level[at::groups] for at in range(groups))


def evaluate(names: Sequence[str], conforming: bool) -> list[MutantResult]:
    """Test one mutant, or some variants combined in one server."""
    logging.disable(logging.CRITICAL)  # a mutant fails on purpose
    if conforming:
        return _run_variants([variants()[name] for name in names])
    mutant = mutants()[names[0]]
    if mutant.generated:
        return [_run_checks(mutant, only=mutant.generated, examples=_EXAMPLES)]
    if (result := _run_checks(mutant, only=mutant.clause)).checks:
        return [result]
    group = mutant.clause.partition("-")[0]
    for only in (f"{group} and {_QUICK}", _QUICK, None):
        if (result := _run_checks(mutant, only=only, fail_fast=True)).checks:
            break
    return [result]


def _run_variants(group: Sequence[Variant]) -> list[MutantResult]:
    combined = _run_checks(replace(group[0], change=combine([each.change for each in group])))
    if combined.checks and len(group) > 1:
        return [_run_checks(variant) for variant in group]
    return [combined._replace(name=variant.name) for variant in group]


def _run_checks(
    target: Mutant | Variant,
    only: str | None = None,
    examples: int = 0,
    *,
    fail_fast: bool = False,
) -> MutantResult:
    poll_timeout = _POLL_SECONDS if isinstance(target, Mutant) else _VARIANT_SECONDS
    with running(target.change, allow_slow=only in _SLOW_CLAUSES) as server:
        profile = build_profile(server, poll_timeout)
        report = run_checks(
            profile,
            level=target.level,
            no_fuzz=not examples and (isinstance(target, Mutant) or target.level == INFERRED),
            keyword=only,
            fail_fast=fail_fast,
            examples=examples or DEFAULT_EXAMPLES,
            budget=_GENERATED_BUDGET if examples else None,
        )
    checks = {check.name: check for clause in report.clauses for check in clause.checks}.values()
    failed_checks = [check for check in checks if _is_flagged(check, target)]
    return MutantResult(
        target.name,
        tuple(check.name for check in failed_checks),
        tuple(clause.id for clause in report.clauses if clause.outcome == _FAILED),
        tuple(check.name for check in checks if check.outcome == "inconclusive"),
        failed_checks[0].message if failed_checks else "",
        report.credits_spent,
        report.requests,
        report.seconds,
    )


def _is_flagged(check: CheckResult, target: Mutant | Variant) -> bool:
    """Return whether a check failed, or was itself broken by a variant."""
    is_broken = isinstance(target, Variant) and check.message.startswith(UNINTERPRETED)
    return check.outcome == _FAILED or is_broken


def build_profile(server: PatchedServer, poll_timeout: float) -> Profile:
    """Build a complete profile of a server; *poll_timeout* is in seconds."""
    return replace(
        Profile.for_mock(server.url, server.keys),
        poll_timeout=poll_timeout,
        generation_limit=poll_timeout,
        state_handlers=Path(__file__).with_name("state_handlers.py"),
    )


def ineffective_checks(results: Sequence[MutantResult]) -> Iterator[str]:
    """Yield the checks that killed none of the mutants."""
    effective = {check for result in results for check in result.checks}
    checks = (*select_checks("inferred"), *FUZZ_CHECKS)
    return (check.name for check in checks if check.name not in effective)
