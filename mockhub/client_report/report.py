"""The client report: what a client does wrong, and what of the contract it never meets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mockhub._timestamps import SECOND
from mockhub.client_report import detectors
from mockhub.client_report.coverage import Coverage, compute_coverage
from mockhub.client_report.detectors import Finding
from mockhub.domain.hub import HubBackend

_SEVERITIES = ("money", "warning", "hint")
_MAX_SHOWN = 8


@dataclass(frozen=True)
class ClientReport:
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
    stored: int
    findings: tuple[Finding, ...]
    coverage: Coverage

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "hub": self.hub,
            "exchanges": self.exchanges,
            "stored": self.stored,
            "findings": [
                {**asdict(finding), "exchange_numbers": list(finding.exchange_numbers)}
                for finding in self.findings
            ],
            "coverage": self.coverage.as_json(),
        }

    def as_text(self) -> str:
        """All of it, for a person."""
        return "\n".join(_format_lines(self))


def build_report(hub: HubBackend, *, min_poll_interval: int = SECOND) -> ClientReport:
    """Read a hub's journal; *min_poll_interval* is the shortest pause between polls in milliseconds."""  # noqa: E501
    exchanges = sorted(hub.journal, key=lambda record: record.started_at)
    findings = [
        *detectors.double_charges(hub, exchanges),
        *detectors.retried_client_errors(hub, exchanges),
        *detectors.fast_polls(hub, exchanges, min_poll_interval),
        *detectors.polls_after_completion(hub, exchanges),
        *detectors.unknown_fields(hub, exchanges),
        *detectors.early_disconnects(hub, exchanges),
        *detectors.duplicate_uploads(hub, exchanges),
    ]
    findings.sort(
        key=lambda finding: (_SEVERITIES.index(finding.severity), finding.exchange_numbers)
    )
    contract_coverage = compute_coverage(hub.spec, hub.journal.coverage_counts)
    return ClientReport(
        hub.name, hub.journal.total, len(exchanges), tuple(findings), contract_coverage
    )


def _format_lines(report: ClientReport) -> Iterator[str]:
    yield f"{report.exchanges} exchanges in hub {report.hub!r}"
    if report.stored < report.exchanges:
        yield f"  the journal holds the last {report.stored}; earlier ones are not analysed"
    for finding in report.findings:
        yield ""
        yield f"{finding.severity}: {finding.kind}, journal {format_exchange_numbers(finding.exchange_numbers)}"  # noqa: E501
        yield f"  {finding.summary}"
        yield f"  impact: {finding.impact}"
        yield f"  suggestion: {finding.suggestion}"
    if not report.findings:
        yield "No findings."
    yield ""
    coverage = report.coverage
    yield f"Contract coverage: {coverage.covered} of {coverage.total}."
    yield from (
        f"  not covered: {kind} {names}" for kind, names in _uncovered_lines(coverage) if names
    )


def _uncovered_lines(coverage: Coverage) -> Iterator[tuple[str, str]]:
    """What was never met, a line for each kind and each operation that was met at all."""
    uncovered = [name for name, met in coverage.operations.items() if not met]
    yield "operations", ", ".join(uncovered)
    for operation, statuses in coverage.statuses.items():
        if operation not in uncovered:
            numbers = ", ".join(str(status) for status, met in statuses.items() if not met)
            yield f"statuses of {operation}", numbers
    yield "error codes", ", ".join(code for code, met in coverage.codes.items() if not met)
    yield "job states", ", ".join(state for state, met in coverage.states.items() if not met)


def format_exchange_numbers(numbers: tuple[int, ...]) -> str:
    """A few of the journal's numbers: ``#3, #4 and 7 more``."""
    few = ", ".join(f"#{number}" for number in numbers[:_MAX_SHOWN])
    more = len(numbers) - _MAX_SHOWN
    return f"{few} and {more} more" if more > 0 else few
