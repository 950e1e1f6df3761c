"""Rows of the benchmark tables, their targets, and Markdown output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One measured value, and its target: at least or at most *target*."""

    name: str
    value: float
    unit: str
    bound: Literal["least", "most", None] = None
    target: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Return whether the target is reached; None without a target."""
        if self.target is None:
            return None
        return self.value >= self.target if self.bound == "least" else self.value <= self.target


@dataclass(frozen=True)
class Throughput:
    """One subject under load; *ratio* and *cpu_ratio* are in units, higher is better."""

    name: str
    rate: float
    p50: float
    p99: float
    failed: int
    ratio: float
    cpu_ratio: float | None
    target: float | None = None
    failed_status: int | None = None  # status of the first response if not 2xx: not measured

    @property
    def lowest_ratio(self) -> float:
        """Return the lower of both ratios: on a busy machine one of them may be too high."""
        return self.ratio if self.cpu_ratio is None else min(self.ratio, self.cpu_ratio)

    @property
    def reached(self) -> bool | None:
        """Return whether both ratios reach the target; None without a target."""
        return None if self.target is None else self.lowest_ratio >= self.target


@dataclass(frozen=True)
class MockServer:
    """A mock server: throughput, seconds from start to first response, and megabytes then."""

    package: str
    version: str
    get: Throughput
    post: Throughput
    started: float
    memory: float | None


def throughput_table(rows: Iterable[Throughput]) -> list[str]:
    """Return the throughput table in Markdown."""
    lines = [
        "| Subject | requests/s | p50 ms | p99 ms | units | units by CPU | target |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        cpu = "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}"
        failed = f" ({row.failed} failed)" if row.failed else ""
        target = "" if row.target is None else f"at least {row.target:g}{_mark(row.reached)}"
        if row.failed_status is not None:
            lines.append(
                f"| {row.name}: **first response {row.failed_status}** | | | | | | {target} |"
            )
            continue
        lines.append(
            f"| {row.name}{failed} | {row.rate:,.0f} | {row.p50 * 1e3:.2f} | {row.p99 * 1e3:.2f} "
            f"| {row.ratio:.2f} | {cpu} | {target} |"
        )
    return lines


def mock_server_table(rows: Iterable[MockServer]) -> list[str]:
    """Return the table of mock servers in Markdown."""
    lines = [
        "| Mock server | GET models/s | units | by CPU | POST/s | units | by CPU "
        "| first response, s | memory, MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        memory = "" if row.memory is None else f"{row.memory:.0f}"
        lines.append(
            f"| {row.package} {row.version} | {_load(row.get)} | {_load(row.post)} "
            f"| {row.started:.2f} | {memory} |"
        )
    return lines


def _load(row: Throughput) -> str:
    if row.failed_status is not None:
        return f"**first response {row.failed_status}** | |"
    failed = f" ({row.failed} failed)" if row.failed else ""
    cpu = "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}"
    return f"{row.rate:,.0f}{failed} | {row.ratio:.2f} | {cpu}"


def metric_table(rows: Iterable[Metric]) -> list[str]:
    """Return the table of single metrics in Markdown."""
    lines = ["| What | Figure | Target |", "|---|---:|---|"]
    for row in rows:
        target = "" if row.target is None else f"at {row.bound} {row.target:g}{_mark(row.reached)}"
        note = f" ({row.note})" if row.note else ""
        lines.append(f"| {row.name}{note} | {row.value:.3g} {row.unit} | {target} |")
    return lines


def _mark(reached: bool | None) -> str:
    return ": reached" if reached else ": **missed**"
