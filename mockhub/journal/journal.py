"""The journal: a bounded record of exchanges as the client saw them, with no key in it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

from mockhub.journal.exchange import (
    CoverageKey,
    Exchange,
    RecordSource,
)

MAX_EXCHANGES = 1000
MAX_BYTES = 8 * 1024 * 1024


class Journal:
    """The last exchanges of a hub, bounded by number and by bytes.

    What was met is counted for good, also by exchanges that have been let go.
    """

    def __init__(self, *, max_exchanges: int = MAX_EXCHANGES, max_bytes: int = MAX_BYTES) -> None:
        self._sources: deque[RecordSource] = deque()
        self._max_exchanges = max_exchanges
        self._max_bytes = max_bytes
        self._size = 0
        self.total = 0
        self.coverage_counts: Counter[CoverageKey] = Counter()

    def add(self, source: RecordSource) -> None:
        """Keep an exchange, and let go of the oldest while there are too many."""
        sources, size = self._sources, self._size + source.size
        sources.append(source)
        self.total += 1
        self.coverage_counts[source.coverage_key] += 1
        while len(sources) > self._max_exchanges or size > self._max_bytes:
            size -= sources.popleft().size
        self._size = size

    def clear(self) -> None:
        """Forget everything but the number of the last exchange."""
        self._sources.clear()
        self._size = 0
        self.coverage_counts.clear()

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Exchange]:
        exchanges = tuple([entry.to_exchange() for entry in self._sources])
        self._sources = deque(exchanges)
        self._size = sum([record.size for record in exchanges])
        return iter(exchanges)
