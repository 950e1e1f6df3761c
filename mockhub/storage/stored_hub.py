"""One hub in the database: read what others have changed in it, and write what was changed here."""

from __future__ import annotations

from collections import defaultdict

from msgspec.structs import astuple

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_state import HubState
from mockhub.domain.keys import ApiKey, KeyStore
from mockhub.domain.ledger import Entry
from mockhub.domain.scheduler import Scheduler
from mockhub.spec.api_spec import ApiSpec
from mockhub.storage.database import Database, Row
from mockhub.storage.documents import (
    ACCOUNT,
    GENERATION,
    HUB,
    KEY,
    SNAPSHOT,
    AccountDocument,
    ClockDocument,
    HubDocument,
    SnapshotDocument,
    encode,
    entry_count,
    new_entries,
)
from mockhub.storage.journal import StoredJournal
from mockhub.storage.schema import HUB_TABLES, HubRow
from mockhub.storage.tracking import TrackedDeque, TrackedDict

_Mark = tuple[int, int, int]


class StoredHub:
    """A hub in memory, and what the database has of it.

    The memory is valid only between `refresh` and `write`, while the row of the hub is locked.

    Attributes:
        id: The id of its rows.
        position: Its place in the list of hubs.
        version: The version of its rows that the memory has.
        keys_changed: Whether the last `write` has written a key.
        is_stale: Whether the memory has changes that the database has not, so that it has to be
            read again.
    """

    def __init__(self, hub: HubBackend, id: int, position: int) -> None:
        self.hub = hub
        self.id = id
        self.position = position
        self.version = 0
        self.is_stale = False
        self.keys_changed = False
        self.journal = StoredJournal(hub)
        self._track()
        self._forget_rows()

    def _track(self) -> None:
        hub = self.hub
        self._generations: TrackedDict[str, Generation] = TrackedDict(hub.generations)
        self._ended_ids: TrackedDeque[str] = TrackedDeque(hub.ended_ids)
        hub.generations, hub.ended_ids = self._generations, self._ended_ids
        hub.journal = self.journal

    def _forget_rows(self) -> None:
        self._state = ""
        self._last_ordinal = 0
        self._keys_version = 0
        self._marks: dict[str, _Mark] = {}
        self._keys: dict[bytes, ApiKey] = {}
        self._ordinals: dict[str, int] = {}  # of the rows of generations
        self._snapshot: HubState | None = None
        self._unlisted: set[str] = set()  # evicted elsewhere while a request here waits for them

    @property
    def was_restored(self) -> bool:
        """Whether all of the hub was replaced, as a reset does."""
        return self.hub.generations is not self._generations

    # -- read --------------------------------------------------------------------------------------

    @classmethod
    def load(cls, database: Database, row: HubRow, spec: ApiSpec) -> StoredHub:
        """Read a hub that is not in memory."""
        stored = cls(HubBackend(row.name, spec), row.id, row.position)
        stored.refresh(database, row)
        return stored

    def refresh(self, database: Database, row: HubRow) -> None:
        """Read what has changed since the memory was valid; wake the requests that wait for it."""
        if row.version == self.version and not self.is_stale:
            return
        document = HUB.decode(row.state)
        has_missed_evictions = document.evicted_total > self._ended_ids.total
        known_accounts: dict[str, Account] = {}
        if self.version == 0 or self.is_stale or has_missed_evictions:
            known_accounts = self._empty(document)
        since, self.version, self.is_stale = self.version, row.version, False
        self._state, self._last_ordinal = row.state, document.last_ordinal
        self._keys_version = document.keys_version
        for name, value in document.fields().items():
            setattr(self.hub, name, value)
        self.journal.id = document.journal or self.journal.id
        if since == 0:
            self._read_snapshot(database)
        self._read_accounts(database, since, known_accounts)
        if since == 0 or document.keys_version > since:
            self._read_keys(database, since)
        self._read_generations(database, since, document)
        if since == 0:
            self.journal.refresh_credits()
        if ClockDocument.of(self.hub.clock) != document.clock:
            self.hub.replace_clock(document.clock.build())

    def _empty(self, document: HubDocument) -> dict[str, Account]:
        """Forget everything; return the accounts, which requests that wait may hold."""
        hub, known_accounts = self.hub, self.hub.accounts
        hub.accounts, hub.keys, hub.scheduler = {}, KeyStore(), Scheduler()
        hub.generations, hub.ended_ids = {}, type(hub.ended_ids)()
        self._track()
        self._forget_rows()
        self._ended_ids.total = document.evicted_total
        self.version = 0
        return known_accounts

    def _read_snapshot(self, database: Database) -> None:
        rows = database.select("SELECT body FROM snapshots WHERE hub = ?", self.id)
        self.hub.saved_state = SNAPSHOT.decode(rows[0][0]).build() if rows else None
        self._snapshot = self.hub.saved_state

    def _read_accounts(
        self, database: Database, since: int, known_accounts: dict[str, Account]
    ) -> None:
        hub = self.hub
        rows = self._changed_rows(database, "id, body", "accounts", since)
        new_entries = self._read_entries(database, [id for id, _ in rows] if since else None)
        for id, body in rows:
            account, document = hub.accounts.get(id), ACCOUNT.decode(body)
            if account is None:
                account = hub.accounts[id] = known_accounts.get(id) or Account(id)
                Account.__init__(account, id)
            for lot in document.lots.values():
                if lot.id not in account.lots:
                    hub.scheduler.add_expiry(lot.expires_at)
            document.apply(account, new_entries[id])
            self._marks[id] = _mark(account)

    def _read_entries(
        self, database: Database, changed: list[str] | None
    ) -> dict[str, list[Entry]]:
        """Return the new entries of the accounts that have changed; None means all entries."""
        found: dict[str, list[Entry]] = defaultdict(list)
        rows = database.select(_ENTRIES + _IN_THEIR_ORDER, self.id) if changed is None else []
        for id in changed or ():
            account = self.hub.accounts.get(id)
            known = entry_count(account) if account else 0
            rows += database.select(_NEW_ENTRIES + _IN_THEIR_ORDER, self.id, id, known)
        for id, *values in rows:
            found[id].append(Entry(*values))
        return found

    def _read_keys(self, database: Database, since: int) -> None:
        for (body,) in self._changed_rows(database, "body", "keys", since):
            key = KEY.decode(body)
            is_new = key.digest not in self.hub.keys
            self.hub.keys[key.digest] = self._keys[key.digest] = key
            if is_new:
                self.hub.on_key_added(key.digest)

    def _read_generations(self, database: Database, since: int, document: HubDocument) -> None:
        hub, ended_ids, positions = self.hub, self._ended_ids, {}
        columns = "id, ordinal, ended_position, body"
        for id, ordinal, position, body in self._changed_rows(
            database, columns, "generations", since
        ):
            self._ordinals[id] = ordinal
            self._read_generation(GENERATION.decode(body), is_first_read=not since)
            if position is not None:
                positions[position] = id
        kept = set(positions.values())
        while ended_ids and ended_ids.first < document.evicted_total:
            id = ended_ids.popleft()
            if id not in kept:
                self._unlisted.add(id)
        for position in sorted(positions):
            if position >= ended_ids.total:
                ended_ids.append(positions[position])
        ended_ids.forget_changes()
        self._remove_unlisted()
        for id, wake in [*hub.completion_listeners.items()]:
            if not hub.is_running(id):
                wake()

    def _read_generation(self, generation: Generation, *, is_first_read: bool) -> None:
        id = generation.id
        known = self._generations.get(id)
        dict.__setitem__(self._generations, id, generation)
        is_new = known is None and not is_first_read
        self.journal.set_credits(id, -generation.charged_credits, is_new=is_new)
        if known is None and not generation.ended:
            self.hub.scheduler.add_completion(generation.due_at, id)

    def _remove_unlisted(self) -> None:
        for id in self._unlisted - self.hub.retained.keys():
            dict.pop(self._generations, id, None)
            self._ordinals.pop(id, None)
            self._unlisted.discard(id)

    def _changed_rows(self, database: Database, columns: str, table: str, since: int) -> list[Row]:
        condition = "hub = ? AND version > ? ORDER BY ordinal"
        return database.select(f"SELECT {columns} FROM {table} WHERE {condition}", self.id, since)

    # -- write -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, database: Database, hub: HubBackend, id: int, position: int) -> StoredHub:
        """Write a hub that is not in the database."""
        stored = cls(hub, id, position)
        database.execute("INSERT INTO hubs VALUES (?, ?, ?, 0, '')", (id, hub.name, position))
        database.execute("INSERT INTO journals VALUES (?, 0, 0, '[]')", (id,))
        stored._generations.changed = dict.fromkeys(hub.generations)
        stored._ended_ids.appended = dict(enumerate(hub.ended_ids))
        stored.write(database)
        return stored

    def delete(self, database: Database) -> None:
        """Delete all rows of the hub."""
        database.execute("DELETE FROM hubs WHERE id = ?", (self.id,))
        for table in HUB_TABLES:
            database.execute(f"DELETE FROM {table} WHERE hub = ?", (self.id,))

    def write(self, database: Database) -> bool:
        """Write what has changed; return whether other servers may have to know at once."""
        version, hub = self.version + 1, self.hub
        self._remove_unlisted()
        changed, key_rows = self._changed_accounts(), self._key_rows(version)
        account_rows = [
            (
                *(self.id, id, self._next_ordinal() if known is None else 0, version),
                *(account.balance, encode(AccountDocument.of(account))),
            )
            for id, (account, known) in changed.items()
        ]
        generation_rows, evicted = self._generation_rows(version), self._generations.removed
        self._keys_version = version if key_rows else self._keys_version
        document = HubDocument.of(
            hub,
            keys_version=self._keys_version,
            last_ordinal=self._last_ordinal,
            evicted_total=self._ended_ids.first,
            journal=self.journal.id,
        )
        state, self.keys_changed = encode(document), bool(key_rows)
        if hub.saved_state is not self._snapshot and hub.saved_state is not None:
            body = encode(SnapshotDocument.of(hub.saved_state))
            database.insert("snapshots", [(self.id, body)])
            self._snapshot = hub.saved_state
        if state == self._state and not (account_rows or key_rows or generation_rows or evicted):
            return False
        database.insert("accounts", account_rows)
        database.insert("keys", key_rows)
        database.insert("generations", generation_rows)
        for account, known in changed.values():
            self._write_entries(database, account, known or (0, 0, 0))
        if evicted:
            found = (self._ordinals.pop(id, None) for id in evicted)
            database.delete("generations", self.id, [one for one in found if one is not None])
        database.execute(_UPDATE_HUB, (version, state, self.id))
        wakes = self._wakes_others(document)
        self.version, self._state = version, state
        self._generations.forget_changes()
        self._ended_ids.forget_changes()
        return wakes

    def _next_ordinal(self) -> int:
        self._last_ordinal += 1
        return self._last_ordinal

    def _changed_accounts(self) -> dict[str, tuple[Account, _Mark | None]]:
        """Return the accounts that have changed, and their marks in the database."""
        changed = {}
        for id, account in self.hub.accounts.items():
            mark, known = _mark(account), self._marks.get(id)
            if mark != known:
                self._marks[id] = mark
                changed[id] = account, known
        return changed

    def _write_entries(self, database: Database, account: Account, known: _Mark) -> None:
        evicted_count, known_count = known[0], known[0] + known[1]
        rows = [
            (self.id, account.id, number, *astuple(entry))
            for number, entry in new_entries(account, known_count)
        ]
        database.insert("entries", rows)
        if account.evicted_count > evicted_count:
            database.execute(_DELETE_ENTRIES, (self.id, account.id, account.evicted_count))

    def _key_rows(self, version: int) -> list[Row]:
        if self._keys == self.hub.keys:
            return []
        rows = []
        for digest, key in self.hub.keys.items():
            if (known := self._keys.get(digest)) != key:
                ordinal = 0 if known else self._next_ordinal()
                rows.append((self.id, digest.hex(), ordinal, version, key.account, encode(key)))
        self._keys = dict(self.hub.keys)
        return rows

    def _generation_rows(self, version: int) -> list[Row]:
        positions = {id: position for position, id in self._ended_ids.appended.items()}
        rows, ordinals = [], self._ordinals
        for id in {**self._generations.changed, **positions}:
            if one := self._generations.get(id):
                if id not in ordinals:
                    ordinals[id] = self._next_ordinal()
                row = (self.id, id, ordinals[id], version, one.account, one.status, one.created_at)
                rows.append((*row, one.ended_at, positions.get(id), encode(one)))
        return rows

    def _wakes_others(self, document: HubDocument) -> bool:
        """Return whether a request on another server may wait for what was changed."""
        if self._state and HUB.decode(self._state).clock != document.clock:
            return True
        changed = map(self._generations.get, self._generations.changed)
        return any(one and one.ended and one.due_at != one.created_at for one in changed)


_ENTRIES = "SELECT account, created_at, kind, credits, lot, generation FROM entries WHERE hub = ?"
_NEW_ENTRIES = _ENTRIES + " AND account = ? AND number > ?"
_IN_THEIR_ORDER = " ORDER BY account, number"
_UPDATE_HUB = "UPDATE hubs SET version = ?, state = ? WHERE id = ?"
_DELETE_ENTRIES = "DELETE FROM entries WHERE hub = ? AND account = ? AND number <= ?"


def _mark(account: Account) -> _Mark:
    """Return what differs whenever an account has changed: each change adds an entry or a lot."""
    return account.evicted_count, len(account.entries), len(account.lots)
