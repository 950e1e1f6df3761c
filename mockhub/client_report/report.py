"""The client report: what a client does wrong, and which parts of the contract it covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mockhub._text import printable
from mockhub._timestamps import SECOND
from mockhub.client_report import detectors
from mockhub.client_report.coverage import Coverage, compute_coverage
from mockhub.client_report.detectors import Finding
from mockhub.domain.hub import HubBackend

_SEVERITIES = ("violation", "money", "warning", "hint")
_MAX_SHOWN = 8


@dataclass(frozen=True)
class ClientReport:
    """The client report of one hub.

    Attributes:
        hub: The name of the hub.
        exchanges: The number of all exchanges.
        stored: The number of exchanges in the journal. Findings are based on these alone.
        findings: The findings, those that cost credits first.
        coverage: The parts of the contract that occurred in any exchange.
    """

    hub: str
    exchanges: int
    stored: int
    findings: tuple[Finding, ...]
    coverage: Coverage

    def as_json(self) -> dict[str, Any]:
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
        return "\n".join(_format_lines(self))


def build_report(
    hub: HubBackend,
    *,
    min_poll_interval: int = SECOND,
    service_findings: Iterable[Finding] = (),
) -> ClientReport:
    """Analyse the journal of a hub.

    Args:
        hub: The hub.
        min_poll_interval: Polls that are closer together, in milliseconds, are a finding.
        service_findings: Findings about the service behind a proxy, to add.
    """
    exchanges = sorted(hub.journal, key=lambda exchange: exchange.started_at)
    findings = [
        *service_findings,
        *detectors.double_charges(exchanges),
        *detectors.retried_client_errors(exchanges),
        *detectors.fast_polls(exchanges, min_poll_interval),
        *detectors.polls_after_completion(exchanges),
        *detectors.unknown_fields(hub, exchanges),
        *detectors.incomplete_uploads(exchanges),
        *detectors.early_disconnects(hub, exchanges),
        *detectors.duplicate_uploads(exchanges),
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
        numbers = format_exchange_numbers(finding.exchange_numbers)
        yield f"{finding.severity}: {finding.kind}, journal {numbers}"
        yield f"  {printable(finding.summary)}"
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
    """Yield what is not covered, by kind. Statuses are listed for covered operations only."""
    uncovered = [name for name, count in coverage.operations.items() if not count]
    yield "operations", ", ".join(uncovered)
    for operation, statuses in coverage.statuses.items():
        if operation not in uncovered:
            numbers = ", ".join(str(status) for status, count in statuses.items() if not count)
            yield f"statuses of {operation}", numbers
    yield "error codes", ", ".join(code for code, count in coverage.codes.items() if not count)
    yield "job states", ", ".join(state for state, count in coverage.states.items() if not count)


def format_exchange_numbers(numbers: tuple[int, ...]) -> str:
    """Return the first numbers, such as ``#3, #4 and 7 more``."""
    few = ", ".join(f"#{number}" for number in numbers[:_MAX_SHOWN])
    more = len(numbers) - _MAX_SHOWN
    return f"{few} and {more} more" if more > 0 else few
