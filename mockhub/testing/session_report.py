"""The report of a test session: what the client did wrong, and how much of the API it used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from mockhub._templates import render_template
from mockhub._text import plural, printable
from mockhub.client_report.coverage import Coverage
from mockhub.testing.hub import Hub

MAX_EXCHANGES = 200  # of each hub, in the HTML report

_EXCHANGE_FIELDS = (
    *("number", "method", "path", "status", "code", "credits", "faults"),
    *("client_disconnected", "spec_violation"),
)
_SEVERITIES = ("money", "warning", "hint")
_TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"


def to_json(hubs: Iterable[Hub], *, min_poll_interval: int, include_journals: bool) -> str:
    """Return the data of a test's hubs as JSON, which xdist can send to the controller."""
    return json.dumps(
        [_hub_report(hub, min_poll_interval, include_journals) for hub in hubs if hub.request_count]
    )


def _hub_report(hub: Hub, min_poll_interval: int, include_journals: bool) -> dict[str, Any]:
    exchanges = hub.journal[-MAX_EXCHANGES:] if include_journals else ()
    report = hub.report(min_poll_interval=timedelta(milliseconds=min_poll_interval)).as_json()
    unexpected = [
        finding for finding in report["findings"] if finding["kind"] not in hub.expected_findings
    ]
    return {
        **report,
        "findings": unexpected,
        "credits_spent": hub.credits_spent,
        "journal": [
            {name: getattr(row, name) for name in _EXCHANGE_FIELDS}
            | {"prompt": row.fields.get("prompt")}
            for row in exchanges
        ],
    }


@dataclass
class FindingGroup:
    """The findings of one kind in all tests.

    Attributes:
        finding: The first one, as JSON.
        tests: The ids of the tests.
        credits: The credits that were wasted in all tests.
    """

    finding: Mapping[str, Any]
    tests: list[str] = field(default_factory=list)
    credits: int = 0


class SessionReport:
    """The data of all tests so far.

    Attributes:
        tests: The data of the hubs of each test, by its id.
    """

    def __init__(self) -> None:
        self.tests: dict[str, list[dict[str, Any]]] = {}

    def add(self, test: str, data: str) -> None:
        """Add what `to_json` returned for a test."""
        if hubs := json.loads(data):
            self.tests.setdefault(test, []).extend(hubs)

    @property
    def hubs(self) -> list[dict[str, Any]]:
        return [hub for hubs in self.tests.values() for hub in hubs]

    def finding_groups(self) -> list[FindingGroup]:
        """Return the findings by kind, ordered by severity."""
        groups: dict[tuple[str, str], FindingGroup] = {}
        for test, hubs in self.tests.items():
            for finding in (item for hub in hubs for item in hub["findings"]):
                group = groups.setdefault(_group_key(finding), FindingGroup(finding))
                group.credits += finding["credits"]
                if test not in group.tests:
                    group.tests.append(test)
        return sorted(
            groups.values(), key=lambda group: _SEVERITIES.index(group.finding["severity"])
        )

    def coverage(self) -> Coverage:
        """Return the coverage of all tests together."""
        names = [one.name for one in fields(Coverage)]
        counts = _sum([{name: hub["coverage"][name] for name in names} for hub in self.hubs])
        for operation, statuses in counts["statuses"].items():
            counts["statuses"][operation] = {int(one): count for one, count in statuses.items()}
        return Coverage(**counts)

    def terminal_lines(self, *, show_hints: bool) -> Iterator[str]:
        """Yield the lines that pytest prints at the end of the session."""
        exchanges = sum(hub["exchanges"] for hub in self.hubs)
        credits_spent = sum(hub["credits_spent"] for hub in self.hubs)
        tests, exchange_text = plural(len(self.tests), "test"), plural(exchanges, "exchange")
        yield f"{tests}, {exchange_text}, {plural(credits_spent, 'credit')} spent"
        for group in self.finding_groups():
            if show_hints or group.finding["severity"] != "hint":
                yield from _format_finding(group)
        coverage = self.coverage()
        uncovered = list(_uncovered_lines(coverage))
        suffix = " Not covered:" if uncovered else ""
        yield f"Contract coverage: {coverage.covered} of {coverage.total}.{suffix}"
        yield from uncovered

    def as_html(self) -> str:
        """Render one static HTML page; what clients send, such as prompts, is hostile (T28)."""
        coverage = self.coverage() if self.tests else None
        return render_template(
            _TEMPLATE,
            report=self,
            coverage=coverage,
            coverage_tables=_coverage_tables(coverage) if coverage else (),
        )


def _group_key(finding: Mapping[str, Any]) -> tuple[str, str]:
    # Each unknown field is a separate group.
    detail = finding["summary"] if finding["kind"] == "unknown_field" else ""
    return finding["kind"], detail


def _sum(counts: Sequence[Any]) -> Any:
    """Add numbers, or the values of each name in nested dicts."""
    if not isinstance(counts[0], dict):
        return sum(counts)
    names = dict.fromkeys(name for one in counts for name in one)
    return {name: _sum([one[name] for one in counts if name in one]) for name in names}


def _format_finding(group: FindingGroup) -> Iterator[str]:
    finding, others = group.finding, len(group.tests) - 1
    credits_text = f", {group.credits} credits in all" if group.credits else ""
    location = group.tests[0] + (f" and {plural(others, 'other')}" if others else "")
    yield f"{finding['severity']}: {finding['kind']} in {location}{credits_text}"
    yield f"  {printable(finding['summary'])}"
    yield f"  suggestion: {finding['suggestion']}"


def _uncovered_lines(coverage: Coverage) -> Iterator[str]:
    """Yield a line for each kind; statuses only of operations that were called."""
    statuses = {
        f"{status} of {operation}": count
        for operation, counts in coverage.statuses.items()
        for status, count in counts.items()
        if coverage.operations[operation]
    }
    for kind, counts in (
        ("operations", coverage.operations),
        ("statuses", statuses),
        ("error codes", coverage.codes),
        ("job states", coverage.states),
    ):
        if uncovered := [name for name, count in counts.items() if not count]:
            yield f"  {kind}: {', '.join(uncovered)}"


def _coverage_tables(coverage: Coverage) -> tuple[tuple[str, Mapping[str, int]], ...]:
    statuses = {
        f"{operation} {status}": count
        for operation, counts in coverage.statuses.items()
        for status, count in counts.items()
    }
    return (
        ("Operations", coverage.operations),
        ("Statuses", statuses),
        ("Error codes", coverage.codes),
        ("Job states", coverage.states),
        ("Not documented", coverage.undocumented),
    )
