"""What of the contract a client has met, and what it never has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mockhub.domain.generations import STATUSES
from mockhub.journal.exchange import CoverageKey
from mockhub.spec.api_spec import ApiSpec


@dataclass(frozen=True)
class Coverage:
    """How often each documented thing was met; what was never met stands at 0.

    Attributes:
        operations: by operation.
        statuses: by operation and status.
        codes: by error code.
        states: by the job's state.
        undocumented: statuses that the law does not know, such as a fault's 503, by
            ``"operation status"``; 0 is an answer that never came.
    """

    operations: Mapping[str, int]
    statuses: Mapping[str, Mapping[int, int]]
    codes: Mapping[str, int]
    states: Mapping[str, int]
    undocumented: Mapping[str, int]

    @property
    def uncovered(self) -> list[str]:
        """What was never met, in words."""
        return [name for name, met in self._items() if not met]

    @property
    def covered(self) -> int:
        """How many documented things were met."""
        return sum(1 for _, met in self._items() if met)

    @property
    def total(self) -> int:
        """How many documented things there are."""
        return sum(1 for _ in self._items())

    def as_json(self) -> dict[str, object]:
        """All of it, for a program."""
        return {
            "covered": self.covered,
            "total": self.total,
            "operations": dict(self.operations),
            "statuses": {
                operation: {str(status): met for status, met in statuses.items()}
                for operation, statuses in self.statuses.items()
            },
            "codes": dict(self.codes),
            "states": dict(self.states),
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
    """Hold what a journal has counted against the law."""
    statuses = {
        operation.id: dict.fromkeys(sorted(operation.responses), 0)
        for operation in spec.operations.values()
    }
    codes = dict.fromkeys(spec.errors.statuses, 0)
    states: dict[str, int] = dict.fromkeys(STATUSES, 0)
    undocumented: dict[str, int] = {}
    for (operation, status, code, state), count in counts.items():
        known = statuses.get(operation or "")
        if known is not None and status in known:
            known[status] += count
        elif known is not None:
            undocumented[f"{operation} {status}"] = (
                undocumented.get(f"{operation} {status}", 0) + count
            )
        for table, name in ((codes, code), (states, state)):
            if name in table:
                table[name] += count
    return Coverage(_count_operations(statuses, counts), statuses, codes, states, undocumented)


def _count_operations(
    known: Mapping[str, object], counts: Mapping[CoverageKey, int]
) -> dict[str, int]:
    operations = dict.fromkeys(known, 0)
    for (operation, *_), count in counts.items():
        if operation in operations:
            operations[operation] += count
    return operations
