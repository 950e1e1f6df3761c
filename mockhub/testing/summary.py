"""What all tests of a session have seen of the client: its mistakes, and what it has met."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mockhub.testing.exchanges import many, printable
from mockhub.testing.hub import Hub
from mockhub.world.coverage import Coverage

ROWS = 200  # of a hub's journal, in the page

_COLUMNS = ("number", "method", "path", "status", "code", "credits", "faults", "gone", "violation")


def told(hubs: Iterable[Hub], *, poll_every: int, journals: bool) -> str:
    """What a test's hubs have seen, as JSON, which xdist carries from a worker to the session."""
    return json.dumps([_told(hub, poll_every, journals) for hub in hubs if hub.asked])


def _told(hub: Hub, poll_every: int, journals: bool) -> dict[str, Any]:
    rows = hub.journal[-ROWS:] if journals else ()
    return {
        **hub.report(poll_every=timedelta(milliseconds=poll_every)).as_json(),
        "spent": hub.spent,
        "journal": [
            {name: getattr(row, name) for name in _COLUMNS} | {"prompt": row.fields.get("prompt")}
            for row in rows
        ],
    }


@dataclass
class Mistake:
    """One kind of mistake, in all tests.

    Attributes:
        finding: the first one, as the report tells it.
        tests: where it was seen.
        credits: how many were spent for nothing, in all tests.
    """

    finding: Mapping[str, Any]
    tests: list[str] = field(default_factory=list)
    credits: int = 0


class Summary:
    """What the tests have told so far."""

    def __init__(self) -> None:
        self.tests: dict[str, list[dict[str, Any]]] = {}  # what the hubs of each have seen

    def add(self, test: str, text: str) -> None:
        """Take in what the hubs of a test have seen."""
        if hubs := json.loads(text):
            self.tests.setdefault(test, []).extend(hubs)

    @property
    def hubs(self) -> list[dict[str, Any]]:
        """What every hub has seen."""
        return [hub for hubs in self.tests.values() for hub in hubs]

    def mistakes(self) -> list[Mistake]:
        """The mistakes by kind, the costly ones first."""
        found: dict[tuple[str, str], Mistake] = {}
        for test, hubs in self.tests.items():
            for finding in (one for hub in hubs for one in hub["findings"]):
                mistake = found.setdefault(_kind(finding), Mistake(finding))
                mistake.credits += finding["credits"]
                if test not in mistake.tests:
                    mistake.tests.append(test)
        weights = ("money", "mistake", "hint")
        return sorted(found.values(), key=lambda one: weights.index(one.finding["weight"]))

    def coverage(self) -> Coverage:
        """What of the contract was met, by all tests together."""
        every = [hub["coverage"] for hub in self.hubs]
        return Coverage(
            operations=_sum(one["operations"] for one in every),
            statuses={
                operation: {
                    int(status): times
                    for status, times in _sum(one["statuses"][operation] for one in every).items()
                }
                for operation in every[0]["statuses"]
            },
            codes=_sum(one["codes"] for one in every),
            states=_sum(one["states"] for one in every),
            undocumented=_sum(one["undocumented"] for one in every),
        )

    def lines(self, *, hints: bool) -> Iterator[str]:
        """The end of the session's output; *hints* are told only where more is wanted."""
        exchanges = sum(hub["exchanges"] for hub in self.hubs)
        spent = sum(hub["spent"] for hub in self.hubs)
        tests, asked = many(len(self.tests), "test"), many(exchanges, "exchange")
        yield f"{tests}, {asked}, {many(spent, 'credit')} spent"
        for mistake in self.mistakes():
            if hints or mistake.finding["weight"] != "hint":
                yield from _mistake(mistake)
        coverage = self.coverage()
        never = list(_never(coverage))
        end = " Never:" if never else ""
        yield f"Of the contract the client met {coverage.met} of {coverage.total}.{end}"
        yield from never


def _kind(finding: Mapping[str, Any]) -> tuple[str, str]:
    """Unknown fields are told each; of other mistakes one stands for all."""
    own = finding["what"] if finding["kind"] == "unknown_field" else ""
    return finding["kind"], own


def _sum(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(total)


def _mistake(mistake: Mistake) -> Iterator[str]:
    finding, others = mistake.finding, len(mistake.tests) - 1
    lost = f", {mistake.credits} credits in all" if mistake.credits else ""
    where = mistake.tests[0] + (f" and {many(others, 'other')}" if others else "")
    yield f"{finding['weight']}: {finding['kind']} in {where}{lost}"
    yield f"  {printable(finding['what'])}"
    yield f"  instead: {finding['instead']}"


def _never(coverage: Coverage) -> Iterator[str]:
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
        if never := [name for name, times in table.items() if not times]:
            yield f"  {kind}: {', '.join(never)}"
