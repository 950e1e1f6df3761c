"""Measure throughput: each subject between two measurements of the unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean, median

from benchmarks.load import LoadResult, RequestTemplate, run, send_once
from benchmarks.requests import HELLO
from benchmarks.servers import Server
from benchmarks.table import Throughput

_UNIT = "Starlette, hello world (the unit)"
_RoundResult = tuple[LoadResult, float, float | None]


@dataclass(frozen=True)
class Subject:
    """A request to a server under load, and its target in units."""

    name: str
    server: Server
    call: RequestTemplate
    target: float | None = None


def measure(
    unit: Server, subjects: list[Subject], *, seconds: float, rounds: int
) -> list[Throughput]:
    """Return medians of several rounds; a round is unit, subject, unit, subject ... unit.

    The first row is the unit. A subject whose first response is not 2xx is not measured.
    """
    first = {subject.name: send_once(subject.server.url, subject.call)[0] for subject in subjects}
    turns: dict[str, list[_RoundResult]] = {subject.name: [] for subject in subjects}
    units: list[LoadResult] = []
    for _ in range(rounds):
        units.append(_load(unit, HELLO, seconds / 2))
        for subject in subjects:
            if first[subject.name] // 100 == 2:
                load = _load(subject.server, subject.call, seconds)
                units.append(_load(unit, HELLO, seconds / 2))
                turns[subject.name].append((load, *_ratios(load, *units[-2:])))
    own_row = _median_row(Subject(_UNIT, unit, HELLO), [(load, 1.0, 1.0) for load in units])
    return [
        own_row,
        *(_row(subject, turns[subject.name], first[subject.name]) for subject in subjects),
    ]


def _row(subject: Subject, turns: list[_RoundResult], first: int) -> Throughput:
    if turns:
        return _median_row(subject, turns)
    return Throughput(subject.name, 0, 0, 0, 0, 0, None, subject.target, failed_status=first)


def _load(server: Server, call: RequestTemplate, seconds: float) -> LoadResult:
    before = server.cpu()
    load, count = run(server.url, call, seconds)
    after = server.cpu()
    if before is None or after is None or not count:
        return load
    return replace(load, cpu=(after - before) / count)


def _ratios(load: LoadResult, before: LoadResult, after: LoadResult) -> tuple[float, float | None]:
    ratio = load.rate / mean([before.rate, after.rate])
    if not load.cpu or before.cpu is None or after.cpu is None:
        return ratio, None
    return ratio, mean([before.cpu, after.cpu]) / load.cpu


def _median_row(subject: Subject, turns: list[_RoundResult]) -> Throughput:
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
