"""The journal: the last exchanges of a hub, without API keys."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

from mockhub.journal.exchange import CoverageKey, Exchange, RecordSource

MAX_EXCHANGES = 1000
MAX_BYTES = 8 * 1024 * 1024


class Journal:
    """The last exchanges of a hub, bounded by number and by bytes.

    Attributes:
        total: How many exchanges were added, which is the number of the last one.
        coverage_counts: How often each coverage key occurred, also in evicted exchanges.
    """

    def __init__(self, *, max_exchanges: int = MAX_EXCHANGES, max_bytes: int = MAX_BYTES) -> None:
        self._sources: deque[RecordSource] = deque()
        self._max_exchanges = max_exchanges
        self._max_bytes = max_bytes
        self._size = 0
        self.total = 0
        self.coverage_counts: Counter[CoverageKey] = Counter()

    def add(self, source: RecordSource) -> None:
        """Add an exchange, and evict the oldest ones while the journal exceeds a bound."""
        sources, size = self._sources, self._size + source.size
        sources.append(source)
        self.total += 1
        self.coverage_counts[source.coverage_key] += 1
        while len(sources) > self._max_exchanges or size > self._max_bytes:
            size -= sources.popleft().size
        self._size = size

    def clear(self) -> None:
        """Remove all exchanges and counts. Numbers continue."""
        self._sources.clear()
        self._size = 0
        self.coverage_counts.clear()

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Exchange]:
        """Iterate over the exchanges of this moment, also in another thread than the server's."""
        return iter([source.to_exchange() for source in tuple(self._sources)])
