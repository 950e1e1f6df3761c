"""Contract coverage: how often each documented status, error code and job state occurred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mockhub.domain.generations import STATUSES
from mockhub.journal.exchange import CoverageKey
from mockhub.spec.api_spec import ApiSpec

_NONE = "none"


@dataclass(frozen=True)
class Coverage:
    """How often each part of the contract occurred; 0 for those that never did.

    Attributes:
        operations: Requests by operation.
        statuses: Responses by operation and status.
        codes: Responses by error code.
        states: Responses by job state.
        outcomes: Responses by error code and job state; ``"none"`` where a response has none.
        undocumented: Responses with a status that is not in the API spec, such as 503 by a fault,
            by ``"operation status"``. Status 0 is a response that was not sent.
    """

    operations: Mapping[str, int]
    statuses: Mapping[str, Mapping[int, int]]
    codes: Mapping[str, int]
    states: Mapping[str, int]
    outcomes: Mapping[str, Mapping[str, int]]
    undocumented: Mapping[str, int]

    @property
    def uncovered(self) -> list[str]:
        """The descriptions of the parts that never occurred."""
        return [name for name, count in self._items() if not count]

    @property
    def covered(self) -> int:
        """The number of parts that occurred."""
        return sum(1 for _, count in self._items() if count)

    @property
    def total(self) -> int:
        """The number of all parts."""
        return sum(1 for _ in self._items())

    def as_json(self) -> dict[str, object]:
        return {
            "covered": self.covered,
            "total": self.total,
            "operations": dict(self.operations),
            "statuses": {
                operation: {str(status): count for status, count in statuses.items()}
                for operation, statuses in self.statuses.items()
            },
            "codes": dict(self.codes),
            "states": dict(self.states),
            "outcomes": {code: dict(states) for code, states in self.outcomes.items()},
            "undocumented": dict(self.undocumented),
            "uncovered": self.uncovered,
        }

    def _items(self) -> Iterator[tuple[str, int]]:
        for operation, count in self.operations.items():
            yield f"operation {operation}", count
        for operation, statuses in self.statuses.items():
            for status, count in statuses.items():
                yield f"status {status} of {operation}", count
        for code, count in self.codes.items():
            yield f"error code {code}", count
        for state, count in self.states.items():
            yield f"job state {state}", count


def compute_coverage(spec: ApiSpec, counts: Mapping[CoverageKey, int]) -> Coverage:
    """Compare the counts of a journal with the API spec."""
    statuses = {
        operation.id: dict.fromkeys(sorted(operation.responses), 0)
        for operation in spec.operations.values()
    }
    operations = dict.fromkeys(statuses, 0)
    codes = dict.fromkeys(spec.errors.statuses, 0)
    states: dict[str, int] = dict.fromkeys(STATUSES, 0)
    outcomes = _documented_outcomes(codes)
    undocumented: Counter[str] = Counter()
    for (operation, status, code, state), count in counts.items():
        known = statuses.get(operation or "")
        if known is not None and status in known:
            known[status] += count
        elif known is not None:
            undocumented[f"{operation} {status}"] += count
        for table, name in ((operations, operation), (codes, code), (states, state)):
            if name in table:
                table[name] += count
        if (row := outcomes.get(code or _NONE)) is not None:
            row[state or _NONE] = row.get(state or _NONE, 0) + count
    return Coverage(operations, statuses, codes, states, outcomes, undocumented)


def _documented_outcomes(codes: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return 0 for each documented pair: a poll of a failed generation has a code and a state."""
    outcomes: dict[str, dict[str, int]] = {code: {_NONE: 0} for code in codes}
    outcomes["generationFailed"]["failed"] = 0
    return {_NONE: {_NONE: 0, **{one: 0 for one in STATUSES if one != "failed"}}, **outcomes}
