"""The rows of the benchmark, their targets, and how both are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """One measured figure, and what it should be: at least or at most *target*."""

    name: str
    figure: float
    unit: str
    bound: Literal["least", "most", None] = None
    target: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.figure >= self.target if self.bound == "least" else self.figure <= self.target


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
    refused: int | None = None  # the status of the first answer, if not 2xx: nothing was measured

    @property
    def least(self) -> float:
        """The lesser of both ratios: a busy machine flatters one of them now and then."""
        return self.ratio if self.cpu_ratio is None else min(self.ratio, self.cpu_ratio)

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached, by both ratios; None where there is none."""
        return None if self.target is None else self.least >= self.target


@dataclass(frozen=True)
class MockServer:
    """A mock server as a whole: seconds from start to first answer, and megabytes then."""

    package: str
    version: str
    get: Throughput
    post: Throughput
    started: float
    memory: float | None


def throughputs(rows: Iterable[Throughput]) -> list[str]:
    """The throughput table, in Markdown."""
    lines = [
        "| Subject | requests/s | p50 ms | p99 ms | units | units by CPU | target |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        cpu = "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}"
        failed = f" ({row.failed} failed)" if row.failed else ""
        target = "" if row.target is None else f"at least {row.target:g}{_mark(row.reached)}"
        if row.refused is not None:
            lines.append(f"| {row.name}: **first answer {row.refused}** | | | | | | {target} |")
            continue
        lines.append(
            f"| {row.name}{failed} | {row.rate:,.0f} | {row.p50 * 1e3:.2f} | {row.p99 * 1e3:.2f} "
            f"| {row.ratio:.2f} | {cpu} | {target} |"
        )
    return lines


def mock_servers(rows: Iterable[MockServer]) -> list[str]:
    """The table of other mock servers beside ours, in Markdown."""
    lines = [
        "| Mock server | GET models/s | units | by CPU | POST/s | units | by CPU "
        "| first answer, s | memory, MB |",
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
    if row.refused is not None:
        return f"**first answer {row.refused}** | |"
    failed = f" ({row.failed} failed)" if row.failed else ""
    cpu = "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}"
    return f"{row.rate:,.0f}{failed} | {row.ratio:.2f} | {cpu}"


def figures(rows: Iterable[Row]) -> list[str]:
    """The table of single figures, in Markdown."""
    lines = ["| What | Figure | Target |", "|---|---:|---|"]
    for row in rows:
        target = "" if row.target is None else f"at {row.bound} {row.target:g}{_mark(row.reached)}"
        note = f" ({row.note})" if row.note else ""
        lines.append(f"| {row.name}{note} | {row.figure:.3g} {row.unit} | {target} |")
    return lines


def _mark(reached: bool | None) -> str:
    return ": reached" if reached else ": **missed**"
