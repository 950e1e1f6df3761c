"""What all tests of a session have seen of the client: its mistakes, and what it has met."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mockhub._text import plural, printable
from mockhub.client_report.coverage import Coverage
from mockhub.testing.hub import Hub

MAX_EXCHANGES = 200  # of a hub's journal, in the page

_EXCHANGE_FIELDS = (
    "number",
    "method",
    "path",
    "status",
    "code",
    "credits",
    "faults",
    "client_disconnected",
    "spec_violation",
)


def to_json(hubs: Iterable[Hub], *, min_poll_interval: int, include_journals: bool) -> str:
    """What a test's hubs have seen, as JSON, which xdist carries from a worker to the session."""
    return json.dumps(
        [_hub_report(hub, min_poll_interval, include_journals) for hub in hubs if hub.request_count]
    )


def _hub_report(hub: Hub, min_poll_interval: int, include_journals: bool) -> dict[str, Any]:
    exchanges = hub.journal[-MAX_EXCHANGES:] if include_journals else ()
    return {
        **hub.report(min_poll_interval=timedelta(milliseconds=min_poll_interval)).as_json(),
        "credits_spent": hub.credits_spent,
        "journal": [
            {name: getattr(row, name) for name in _EXCHANGE_FIELDS}
            | {"prompt": row.fields.get("prompt")}
            for row in exchanges
        ],
    }


@dataclass
class FindingGroup:
    """One kind of mistake, in all tests.

    Attributes:
        finding: the first one, as the report tells it.
        tests: where it was seen.
        credits: how many were spent for nothing, in all tests.
    """

    finding: Mapping[str, Any]
    tests: list[str] = field(default_factory=list)
    credits: int = 0


class SessionReport:
    """What the tests have told so far."""

    def __init__(self) -> None:
        self.tests: dict[str, list[dict[str, Any]]] = {}  # what the hubs of each have seen

    def add(self, test: str, data: str) -> None:
        """Take in what the hubs of a test have seen."""
        if hubs := json.loads(data):
            self.tests.setdefault(test, []).extend(hubs)

    @property
    def hubs(self) -> list[dict[str, Any]]:
        """What every hub has seen."""
        return [hub for hubs in self.tests.values() for hub in hubs]

    def finding_groups(self) -> list[FindingGroup]:
        """The mistakes by kind, the costly ones first."""
        groups: dict[tuple[str, str], FindingGroup] = {}
        for test, hubs in self.tests.items():
            for finding in (one for hub in hubs for one in hub["findings"]):
                group = groups.setdefault(_group_key(finding), FindingGroup(finding))
                group.credits += finding["credits"]
                if test not in group.tests:
                    group.tests.append(test)
        severities = ("money", "warning", "hint")
        return sorted(groups.values(), key=lambda one: severities.index(one.finding["severity"]))

    def coverage(self) -> Coverage:
        """What of the contract was met, by all tests together."""
        coverages = [hub["coverage"] for hub in self.hubs]
        return Coverage(
            operations=_sum(one["operations"] for one in coverages),
            statuses={
                operation: {
                    int(status): times
                    for status, times in _sum(
                        one["statuses"][operation] for one in coverages
                    ).items()
                }
                for operation in coverages[0]["statuses"]
            },
            codes=_sum(one["codes"] for one in coverages),
            states=_sum(one["states"] for one in coverages),
            undocumented=_sum(one["undocumented"] for one in coverages),
        )

    def terminal_lines(self, *, show_hints: bool) -> Iterator[str]:
        """The end of the session's output; *hints* are told only where more is wanted."""
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


def _group_key(finding: Mapping[str, Any]) -> tuple[str, str]:
    """Unknown fields are told each; of other mistakes one stands for all."""
    detail = finding["summary"] if finding["kind"] == "unknown_field" else ""
    return finding["kind"], detail


def _sum(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(total)


def _format_finding(group: FindingGroup) -> Iterator[str]:
    finding, others = group.finding, len(group.tests) - 1
    credits_text = f", {group.credits} credits in all" if group.credits else ""
    location = group.tests[0] + (f" and {plural(others, 'other')}" if others else "")
    yield f"{finding['severity']}: {finding['kind']} in {location}{credits_text}"
    yield f"  {printable(finding['summary'])}"
    yield f"  suggestion: {finding['suggestion']}"


def _uncovered_lines(coverage: Coverage) -> Iterator[str]:
    """What was never met, a line a kind; of an operation that was never called, no statuses."""
    statuses = {
        f"{status} of {operation}": times
        for operation, known in coverage.statuses.items()
        for status, times in known.items()
        if coverage.operations[operation]
    }
    for kind, table in (
        ("operations", coverage.operations),
        ("statuses", statuses),
        ("error codes", coverage.codes),
        ("job states", coverage.states),
    ):
        if uncovered := [name for name, times in table.items() if not times]:
            yield f"  {kind}: {', '.join(uncovered)}"
