"""The client report: what a client does wrong, and what of the contract it never meets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mockhub.world import mistakes
from mockhub.world.clock import SECOND
from mockhub.world.coverage import Coverage, coverage
from mockhub.world.hub import Hub
from mockhub.world.mistakes import Finding

_WEIGHTS = ("money", "mistake", "hint")
_FEW = 8


@dataclass(frozen=True)
class Report:
    """What one hub has seen of its client.

    Attributes:
        hub: the hub's name.
        exchanges: how many there were.
        kept: how many of them the journal still holds; findings rest on these alone.
        findings: mistakes, the costly ones first.
        coverage: what was met of the contract, by all exchanges.
    """

    hub: str
    exchanges: int
    kept: int
    findings: tuple[Finding, ...]
    coverage: Coverage

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "hub": self.hub,
            "exchanges": self.exchanges,
            "kept": self.kept,
            "findings": [
                {**asdict(finding), "records": list(finding.records)} for finding in self.findings
            ],
            "coverage": self.coverage.as_json(),
        }

    def as_text(self) -> str:
        """All of it, for a person."""
        return "\n".join(_lines(self))


def report(hub: Hub, *, poll_every: int = SECOND) -> Report:
    """Read a hub's journal; *poll_every* is the shortest pause between polls in milliseconds."""
    records = sorted(hub.journal, key=lambda record: record.began)
    found = [
        *mistakes.double_charges(hub, records),
        *mistakes.retried_refusals(hub, records),
        *mistakes.hasty_polls(hub, records, poll_every),
        *mistakes.late_polls(hub, records),
        *mistakes.unknown_fields(hub, records),
        *mistakes.early_leavers(hub, records),
        *mistakes.resent_references(hub, records),
    ]
    found.sort(key=lambda finding: (_WEIGHTS.index(finding.weight), finding.records))
    met = coverage(hub.law, hub.journal.met)
    return Report(hub.name, hub.journal.made, len(records), tuple(found), met)


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.exchanges} exchanges in hub {report.hub!r}"
    if report.kept < report.exchanges:
        yield f"  the journal holds the last {report.kept}; mistakes before them are not told"
    for finding in report.findings:
        yield ""
        yield f"{finding.weight}: {finding.kind}, journal {shown_numbers(finding.records)}"
        yield f"  {finding.what}"
        yield f"  why: {finding.why}"
        yield f"  instead: {finding.instead}"
    if not report.findings:
        yield "No mistakes were seen."
    yield ""
    met = report.coverage
    yield f"Of the contract {met.met} of {met.total} were met."
    yield from (f"  never met: {kind} {names}" for kind, names in _never(met) if names)


def _never(coverage: Coverage) -> Iterator[tuple[str, str]]:
    """What was never met, a line for each kind and each operation that was met at all."""
    unmet = [name for name, met in coverage.operations.items() if not met]
    yield "operations", ", ".join(unmet)
    for operation, statuses in coverage.statuses.items():
        if operation not in unmet:
            numbers = ", ".join(str(status) for status, met in statuses.items() if not met)
            yield f"statuses of {operation}", numbers
    yield "error codes", ", ".join(code for code, met in coverage.codes.items() if not met)
    yield "job states", ", ".join(state for state, met in coverage.states.items() if not met)


def shown_numbers(numbers: tuple[int, ...]) -> str:
    """A few of the journal's numbers: ``#3, #4 and 7 more``."""
    few = ", ".join(f"#{number}" for number in numbers[:_FEW])
    more = len(numbers) - _FEW
    return f"{few} and {more} more" if more > 0 else few
