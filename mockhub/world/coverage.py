"""What of the contract a client has met, and what it never has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mockhub.spec.law import Law
from mockhub.world.generations import STATES
from mockhub.world.journal import Met


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
    def never(self) -> list[str]:
        """What was never met, in words."""
        return [name for name, met in self._items() if not met]

    @property
    def met(self) -> int:
        """How many documented things were met."""
        return sum(1 for _, met in self._items() if met)

    @property
    def total(self) -> int:
        """How many documented things there are."""
        return sum(1 for _ in self._items())

    def as_json(self) -> dict[str, object]:
        """All of it, for a program."""
        return {
            "met": self.met,
            "total": self.total,
            "operations": dict(self.operations),
            "statuses": {
                operation: {str(status): met for status, met in statuses.items()}
                for operation, statuses in self.statuses.items()
            },
            "codes": dict(self.codes),
            "states": dict(self.states),
            "undocumented": dict(self.undocumented),
            "never": self.never,
        }

    def _items(self) -> Iterator[tuple[str, int]]:
        for operation, met in self.operations.items():
            yield f"operation {operation}", met
        for operation, statuses in self.statuses.items():
            for status, met in statuses.items():
                yield f"status {status} of {operation}", met
        for code, met in self.codes.items():
            yield f"error code {code}", met
        for state, met in self.states.items():
            yield f"job state {state}", met


def coverage(law: Law, counted: Mapping[Met, int]) -> Coverage:
    """Hold what a journal has counted against the law."""
    statuses = {
        operation.id: dict.fromkeys(sorted(operation.answers), 0)
        for operation in law.operations.values()
    }
    codes = dict.fromkeys(law.errors.statuses, 0)
    states: dict[str, int] = dict.fromkeys(STATES, 0)
    odd: dict[str, int] = {}
    for (operation, status, code, state), times in counted.items():
        known = statuses.get(operation or "")
        if known is not None and status in known:
            known[status] += times
        elif known is not None:
            odd[f"{operation} {status}"] = odd.get(f"{operation} {status}", 0) + times
        for table, name in ((codes, code), (states, state)):
            if name in table:
                table[name] += times
    return Coverage(_operations(statuses, counted), statuses, codes, states, odd)


def _operations(known: Mapping[str, object], counted: Mapping[Met, int]) -> dict[str, int]:
    operations = dict.fromkeys(known, 0)
    for (operation, *_), times in counted.items():
        if operation in operations:
            operations[operation] += times
    return operations
