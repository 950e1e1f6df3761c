"""The journal: the last exchanges of a hub, without API keys."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from uuid import uuid4

from mockhub.journal.exchange import CoverageKey, Exchange, RecordSource

MAX_EXCHANGES = 1000
MAX_BYTES = 8 * 1024 * 1024


class Journal:
    """The last exchanges of a hub, bounded by number and by bytes.

    Attributes:
        id: Differs from that of every other journal, also of one that began elsewhere or earlier.
        cleared: How often it was cleared.
        total: How many exchanges were added, which is the number of the last one.
        coverage_counts: How often each coverage key occurred, also in evicted exchanges.
        unlisted_credits: The credits of evicted exchanges, and of generations that no request
            created. With the credits of the listed exchanges and of the requests that still run,
            they are the sum of all charges and refunds since the journal began.
    """

    def __init__(self, *, max_exchanges: int = MAX_EXCHANGES, max_bytes: int = MAX_BYTES) -> None:
        self._sources: deque[RecordSource] = deque()
        self._max_exchanges = max_exchanges
        self._max_bytes = max_bytes
        self._size = 0
        self.id = uuid4().hex
        self.cleared = 0
        self.total = 0
        self.coverage_counts: Counter[CoverageKey] = Counter()
        self.unlisted_credits = 0
        self._credits: dict[str, int] = {}  # by generation

    def add(self, source: RecordSource) -> None:
        """Add an exchange, and evict the oldest ones while the journal exceeds a bound."""
        sources, size = self._sources, self._size + source.size
        sources.append(source)
        self.total += 1
        self.coverage_counts[source.coverage_key] += 1
        while len(sources) > self._max_exchanges or size > self._max_bytes:
            source = sources.popleft()
            size -= source.size
            self.unlist_credits(source.created_generation)
        self._size = size

    def credits_of(self, generation: str | None) -> int:
        """Return the sum of a generation's charge and refunds so far; 0 if it is not listed."""
        return self._credits.get(generation, 0) if generation else 0

    def book_credits(self, generation: str, credits: int, *, is_new: bool) -> None:
        """Add a charge or refund to the exchange that created the generation.

        Args:
            is_new: Whether the generation was created just now.
        """
        if is_new or generation in self._credits:
            self._credits[generation] = self._credits.get(generation, 0) + credits
        else:
            self.unlisted_credits += credits

    def unlist_credits(self, generation: str | None) -> None:
        """Count a generation's credits as unlisted, since no exchange of the journal shows them."""
        if generation:
            self.unlisted_credits += self._credits.pop(generation, 0)

    def newest(self, limit: int, *, since: int = 0) -> list[Exchange]:
        """Return the newest exchanges with a greater number than *since*, oldest first."""
        count = max(min(self.total - since, len(self._sources), limit), 0)
        sources = [*islice(reversed(self._sources), count)]
        return [self._to_exchange(source) for source in reversed(sources)]

    def find(self, number: int) -> Exchange | None:
        """Return the exchange with that number, or None if it was evicted or never existed."""
        newer = self.total - number
        return self._to_exchange(self._sources[-1 - newer]) if 0 <= newer < len(self) else None

    def clear(self) -> None:
        """Remove all exchanges and counts. Numbers continue."""
        while self._sources:
            self.unlist_credits(self._sources.popleft().created_generation)
        self._size = 0
        self.cleared += 1
        self.coverage_counts.clear()

    @property
    def version(self) -> str:
        """What differs once a reader has to forget the exchanges that it knows."""
        return f"{self.id}.{self.cleared}"

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Exchange]:
        """Iterate over the exchanges of this moment, also in another thread than the server's."""
        return iter([self._to_exchange(source) for source in tuple(self._sources)])

    def _to_exchange(self, source: RecordSource) -> Exchange:
        exchange, generation = source.to_exchange(), source.created_generation
        if generation in self._credits:
            return exchange._replace(credits=self.credits_of(generation))
        return exchange
