"""The journal of a stored hub: it is written in batches, after the responses were sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from mockhub._timestamps import SECOND
from mockhub.domain.clock import SystemClock
from mockhub.domain.hub import HubBackend
from mockhub.journal.exchange import CoverageKey, Exchange, RecordSource
from mockhub.journal.journal import MAX_EXCHANGES, Journal
from mockhub.storage.database import Database
from mockhub.storage.documents import encode


class _StoredExchange(NamedTuple):
    exchange: Exchange
    raw_target: bytes  # may not be UTF-8


_EXCHANGES = msgspec.json.Decoder(list[_StoredExchange])
_COVERAGE = msgspec.json.Decoder(list[tuple[CoverageKey, int]])


@dataclass(frozen=True)
class JournalBatch:
    """What a journal has that the database lacks.

    Attributes:
        saved_total: The number of the last exchange that the journal knows of the database.
        added: How many exchanges were added since; *sources* has the last ones.
        cleared: How often the journal was cleared, as far as it knows.
        clears: Whether it was cleared since.
    """

    hub: int
    saved_total: int
    added: int
    sources: tuple[RecordSource, ...]
    coverage: Counter[CoverageKey]
    cleared: int
    clears: bool


@dataclass(frozen=True)
class SavedBatch:
    """The journal in the database, once a batch was added to it.

    Attributes:
        foreign: The exchanges of other servers that came before the batch.
    """

    foreign: Sequence[Exchange]
    total: int
    coverage: Counter[CoverageKey]
    cleared: int


class StoredJournal(Journal):
    """A journal whose exchanges have numbers that are final once they are saved.

    Args:
        hub: Has the generations and entries that show what an exchange has cost so far.
    """

    def __init__(self, hub: HubBackend) -> None:
        super().__init__()
        self._hub = hub
        self._unsaved: list[RecordSource] = []
        self._unsaved_coverage: Counter[CoverageKey] = Counter()
        self._saved_total = 0
        self._cleared = 0
        self._clears = False

    @property
    def has_changes(self) -> bool:
        return bool(self._unsaved) or self._clears

    def add(self, source: RecordSource) -> None:
        super().add(source)
        self._unsaved_coverage[source.coverage_key] += 1
        self._unsaved.append(source)
        if len(self._unsaved) > MAX_EXCHANGES:
            del self._unsaved[0]

    def clear(self) -> None:
        super().clear()
        self._unsaved.clear()
        self._unsaved_coverage.clear()
        self._clears = True
        self.cleared = self._cleared + 1

    def take_batch(self, hub: int) -> JournalBatch:
        """Return what is to be saved; `finish_batch` has to follow."""
        return JournalBatch(
            hub,
            self._saved_total,
            self.total - self._saved_total,
            tuple(self._unsaved),
            self._unsaved_coverage.copy(),
            self._cleared,
            self._clears,
        )

    def finish_batch(self, batch: JournalBatch, saved: SavedBatch) -> None:
        """Renumber the exchanges as they were saved, after those of other servers."""
        later_count = self.total - self._saved_total - batch.added
        later = self._unsaved[-later_count:] if later_count else []
        cleared_elsewhere = saved.cleared != batch.cleared + batch.clears
        if saved.foreign or cleared_elsewhere:
            self._remove_newest(min(len(self._unsaved), len(self)))
            if cleared_elsewhere:
                super().clear()
            self._add_foreign(saved.foreign)
            self.total = saved.total - len(batch.sources)
            for source in (*batch.sources, *later):
                super().add(_renumbered(source, self.total + 1))
        self._saved_total, self._unsaved = saved.total, later
        self.total = saved.total + later_count
        self._unsaved_coverage = self._unsaved_coverage - batch.coverage
        self.coverage_counts = saved.coverage + self._unsaved_coverage
        self.cleared = self._cleared = saved.cleared
        self._clears = False

    def set_credits(self, generation: str, credits: int, *, is_new: bool) -> None:
        """Take over what another server has charged and refunded for a generation."""
        if is_new or generation in self._credits:
            self._credits[generation] = credits

    def refresh_credits(self) -> None:
        """Read again what all generations have cost, some of which were evicted elsewhere."""
        self._credits.update(self._sum_credits(self._credits))

    def _add_foreign(self, exchanges: Sequence[Exchange]) -> None:
        saved = {
            id: exchange.credits
            for exchange in exchanges
            if (id := exchange.created_generation) and id not in self._credits
        }
        self._credits |= saved | self._sum_credits(saved)
        for exchange in exchanges:
            super().add(exchange)

    def _sum_credits(self, ids: Collection[str]) -> dict[str, int]:
        """Return the charge and the refunds of generations; evicted ones may have entries, too."""
        generations = self._hub.generations
        sums = {id: -generations[id].charged_credits for id in ids if id in generations}
        if len(sums) < len(ids):
            evicted: Counter[str] = Counter()
            for account in self._hub.accounts.values():
                for entry in account.entries:
                    evicted[entry.generation or ""] += entry.credits
            sums |= {id: evicted[id] for id in ids if id in evicted and id not in sums}
        return sums

    def _remove_newest(self, count: int) -> None:
        for source in islice(reversed(self._sources), count):
            self._size -= source.size
        for _ in range(count):
            self._sources.pop()


def _renumbered(source: Any, number: int) -> RecordSource:
    if isinstance(source, Exchange):
        return source._replace(number=number)
    source.number = number
    context: RecordSource = source
    return context


def save_batch(database: Database, batch: JournalBatch) -> SavedBatch | None:
    """Add a batch to the journal in the database; None if the hub was deleted."""
    rows = database.select(_SELECT_JOURNAL, batch.hub)
    if not rows:
        return None
    ((old_total, cleared, old_coverage),) = rows
    coverage = Counter(dict(_COVERAGE.decode(old_coverage)))
    if batch.clears:
        database.execute(_DELETE_EXCHANGES, (batch.hub, old_total))
        coverage, cleared = Counter(), cleared + 1
    foreign = _read_exchanges(database, batch) if old_total > batch.saved_total else []
    total = old_total + batch.added
    coverage += batch.coverage
    if batch.sources:
        body = _encode([source.to_exchange() for source in batch.sources], total)
        database.insert("exchanges", [(batch.hub, total, body)])
        database.execute(_DELETE_EXCHANGES, (batch.hub, total - MAX_EXCHANGES))
    if batch.added or batch.clears:
        changes = (total, cleared, encode([*coverage.items()]), batch.hub)
        database.execute(_UPDATE_JOURNAL, changes)
    return SavedBatch(foreign, total, coverage, cleared)


_SELECT_JOURNAL = "SELECT total, cleared, coverage FROM journals WHERE hub = ? FOR UPDATE"
_SELECT_EXCHANGES = "SELECT body FROM exchanges WHERE hub = ? AND number > ? ORDER BY number"
_DELETE_EXCHANGES = "DELETE FROM exchanges WHERE hub = ? AND number <= ?"
_UPDATE_JOURNAL = "UPDATE journals SET total = ?, cleared = ?, coverage = ? WHERE hub = ?"


def _read_exchanges(database: Database, batch: JournalBatch) -> list[Exchange]:
    """Return the exchanges that other servers have added."""
    offset, found = _monotonic_offset(), []
    for (body,) in database.select(_SELECT_EXCHANGES, batch.hub, batch.saved_total):
        for exchange, raw_target in _EXCHANGES.decode(body):
            target, started_at = raw_target.decode("utf-8", "surrogateescape"), exchange.started_at
            found.append(exchange._replace(started_at=started_at - offset, raw_target=target))
    return found[-MAX_EXCHANGES:]


def _encode(exchanges: Sequence[Exchange], last_number: int) -> str:
    """Return a list of `_StoredExchange` in JSON, with the final numbers."""
    offset, stored = _monotonic_offset(), []
    for number, exchange in enumerate(exchanges, last_number - len(exchanges) + 1):
        fields: list[object] = [*exchange]
        fields[_NUMBER], fields[_STARTED_AT] = number, exchange.started_at + offset
        fields[_TARGET] = exchange.target.encode("utf-8", "replace").decode()
        fields[_RAW_TARGET] = ""
        stored.append((fields, exchange.raw_target.encode("utf-8", "surrogateescape")))
    return encode(stored)


_NUMBER, _TARGET, _STARTED_AT, _RAW_TARGET = (
    Exchange._fields.index(name) for name in ("number", "target", "started_at", "raw_target")
)


def _monotonic_offset() -> float:
    """Return how far the clock of requests is behind that which all servers share, in seconds."""
    return SystemClock().now() / SECOND - perf_counter()
