"""Requests a second, each subject between two looks at the unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import mean, median

from benchmarks.calls import HELLO
from benchmarks.load import Call, Load, run
from benchmarks.servers import Server
from benchmarks.table import Throughput


@dataclass(frozen=True)
class Subject:
    """What is put under load: a call to a server; *fresh* makes the call anew for each turn."""

    name: str
    server: Server
    call: Call
    target: float | None = None
    fresh: Callable[[], Call] | None = None


def measure(
    unit: Server, subjects: list[Subject], *, seconds: float, rounds: int
) -> list[Throughput]:
    """Medians of some rounds; a round goes unit, subject, unit, subject ... unit."""
    turns: dict[str, list[tuple[Load, float, float | None]]] = {one.name: [] for one in subjects}
    for _ in range(rounds):
        before = _load(unit, HELLO, seconds / 2)
        for subject in subjects:
            call = subject.fresh() if subject.fresh else subject.call
            load = _load(subject.server, call, seconds)
            after = _load(unit, HELLO, seconds / 2)
            turns[subject.name].append((load, *_ratios(load, before, after)))
            before = after
    return [_middle(subject, turns[subject.name]) for subject in subjects]


def _load(server: Server, call: Call, seconds: float) -> Load:
    before = server.cpu()
    load, count = run(server.url, call, seconds)
    after = server.cpu()
    if before is None or after is None or not count:
        return load
    return replace(load, cpu=(after - before) / count)


def _ratios(load: Load, before: Load, after: Load) -> tuple[float, float | None]:
    ratio = load.rate / mean([before.rate, after.rate])
    if not load.cpu or before.cpu is None or after.cpu is None:
        return ratio, None
    return ratio, mean([before.cpu, after.cpu]) / load.cpu


def _middle(subject: Subject, turns: list[tuple[Load, float, float | None]]) -> Throughput:
    loads = [load for load, _, _ in turns]
    by_cpu = [ratio for _, _, ratio in turns if ratio is not None]
    return Throughput(
        name=subject.name,
        rate=median(load.rate for load in loads),
        p50=median(load.p50 for load in loads),
        p99=median(load.p99 for load in loads),
        failed=sum(load.failed for load in loads),
        ratio=median(ratio for _, ratio, _ in turns),
        cpu_ratio=median(by_cpu) if by_cpu else None,
        target=subject.target,
    )
