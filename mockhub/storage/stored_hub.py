"""One hub in the database: read what others have changed in it, and write what was changed here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, delete, select

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_state import HubState
from mockhub.domain.keys import ApiKey, KeyStore
from mockhub.domain.ledger import Entry
from mockhub.domain.scheduler import Scheduler
from mockhub.spec.api_spec import ApiSpec
from mockhub.storage.database import Database
from mockhub.storage.documents import (
    GENERATION,
    HUB,
    LOTS,
    SNAPSHOT,
    TOTALS,
    ClockDocument,
    HubDocument,
    SnapshotDocument,
    apply_document,
    encode,
)
from mockhub.storage.journal import StoredJournal
from mockhub.storage.schema import (
    HUB_TABLES,
    accounts,
    entries,
    generations,
    hubs,
    journals,
    keys,
    snapshots,
)
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
        self.journal = StoredJournal(self._charged_credits)
        self._track()
        self._forget_rows()

    def _track(self) -> None:
        hub = self.hub
        self._generations: TrackedDict[str, Generation] = TrackedDict(hub.generations)
        self._ended_ids: TrackedDeque[str] = TrackedDeque(hub.ended_ids)
        hub.generations, hub.ended_ids = self._generations, self._ended_ids
        hub.journal = self.journal

    def _charged_credits(self, id: str) -> int | None:
        generation = self.hub.generations.get(id)
        return generation.charged_credits if generation else None

    def _forget_rows(self) -> None:
        self._state = ""
        self._last_ordinal = 0
        self._keys_version = 0
        self._marks: dict[str, _Mark] = {}
        self._keys: dict[bytes, ApiKey] = {}
        self._snapshot: HubState | None = None
        self._unlisted: set[str] = set()  # evicted elsewhere while a request here waits for them

    @property
    def was_restored(self) -> bool:
        """Whether all of the hub was replaced, as a reset does."""
        return self.hub.generations is not self._generations

    # -- read --------------------------------------------------------------------------------------

    @classmethod
    def load(cls, connection: Connection, row: Row[Any], spec: ApiSpec) -> StoredHub:
        """Read a hub that is not in memory."""
        stored = cls(HubBackend(row.name, spec), row.id, row.position)
        stored.refresh(connection, row)
        return stored

    def refresh(self, connection: Connection, row: Row[Any]) -> None:
        """Read what has changed since the memory was valid; wake the requests that wait for it."""
        document = HUB.decode(row.state)
        has_missed_evictions = document.evicted_total > self._ended_ids.total
        known_accounts: dict[str, Account] = {}
        if self.version == 0 or self.is_stale or has_missed_evictions:
            known_accounts = self._empty(document)
        elif row.version == self.version:
            return
        since, self.version, self.is_stale = self.version, row.version, False
        self._state, self._last_ordinal = row.state, document.last_ordinal
        self._keys_version = document.keys_version
        apply_document(document, self.hub)
        if since == 0:
            self._read_snapshot(connection)
        self._read_accounts(connection, since, known_accounts)
        if since == 0 or document.keys_version > since:
            self._read_keys(connection, since)
        self._read_generations(connection, since, document)
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

    def _read_snapshot(self, connection: Connection) -> None:
        query = select(snapshots.c.body).where(snapshots.c.hub == self.id)
        body = connection.execute(query).scalar_one_or_none()
        self.hub.saved_state = SNAPSHOT.decode(body).build() if body else None
        self._snapshot = self.hub.saved_state

    def _read_accounts(
        self, connection: Connection, since: int, known_accounts: dict[str, Account]
    ) -> None:
        hub, rows = self.hub, self._changed_rows(connection, accounts, since)
        new_entries = self._read_entries(connection, [row.id for row in rows] if since else None)
        for row in rows:
            account = hub.accounts.get(row.id)
            if account is None:
                account = hub.accounts[row.id] = known_accounts.get(row.id) or Account(row.id)
                Account.__init__(account, row.id, account_type=row.account_type)
            lots = LOTS.decode(row.lots)
            for lot in lots.values():
                if lot.id not in account.lots:
                    hub.scheduler.add_expiry(lot.expires_at)
            account.lots, account.totals = lots, TOTALS.decode(row.totals)
            account.balance = row.balance
            known_count, new = _entry_count(account), new_entries[row.id]
            last_number = max(known_count, row.evicted_count) + len(new)
            account.entries.extend(new)
            while len(account.entries) > last_number - row.evicted_count:
                account.entries.popleft()
            account.evicted_total, account.evicted_count = row.evicted_total, row.evicted_count
            self._marks[row.id] = _mark(account)

    def _read_entries(
        self, connection: Connection, changed: list[str] | None
    ) -> dict[str, list[Entry]]:
        """Return the new entries of the accounts that have changed; None means all entries."""
        found: dict[str, list[Entry]] = defaultdict(list)
        if changed is None:
            rows = connection.execute(_SELECT_ENTRIES, {"hub": self.id})
            for account, *values in rows:
                found[account].append(Entry(*values))
            return found
        for id in changed:
            account = self.hub.accounts.get(id)
            known = _entry_count(account) if account else 0
            parameters = {"hub": self.id, "account": id, "known": known}
            rows = connection.execute(_SELECT_NEW_ENTRIES, parameters)
            found[id] = [Entry(*row[1:]) for row in rows]
        return found

    def _read_keys(self, connection: Connection, since: int) -> None:
        for row in self._changed_rows(connection, keys, since):
            key = ApiKey(bytes(row.digest), row.account, row.name, row.expires_at, row.revoked)
            is_new = key.digest not in self.hub.keys
            self.hub.keys[key.digest] = self._keys[key.digest] = key
            if is_new:
                self.hub.on_key_added(key.digest)

    def _read_generations(self, connection: Connection, since: int, document: HubDocument) -> None:
        hub, ended_ids, positions = self.hub, self._ended_ids, {}
        for row in self._changed_rows(connection, generations, since):
            self._read_generation(GENERATION.decode(row.body), is_first_read=not since)
            if row.ended_position is not None:
                positions[row.ended_position] = row.id
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
        hub, id = self.hub, generation.id
        known = self._generations.get(id)
        dict.__setitem__(self._generations, id, generation)
        is_new = known is None and not is_first_read
        self.journal.set_credits(id, -generation.charged_credits, is_new=is_new)
        if known is None and not generation.ended:
            hub.scheduler.add_completion(generation.due_at, id)

    def _remove_unlisted(self) -> None:
        for id in self._unlisted - self.hub.retained.keys():
            dict.pop(self._generations, id, None)
            self._unlisted.discard(id)

    def _changed_rows(self, connection: Connection, table: Table, since: int) -> Sequence[Row[Any]]:
        values = {"hub": self.id, "since": since}
        return connection.execute(_SELECT_CHANGED[table], values).all()

    # -- write -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, database: Database, hub: HubBackend, id: int, position: int) -> StoredHub:
        """Write a hub that is not in the database."""
        stored = cls(hub, id, position)
        row = {"id": id, "name": hub.name, "position": position, "version": 0, "state": ""}
        database.connection.execute(hubs.insert().values(row))
        database.connection.execute(
            journals.insert().values(hub=id, total=0, cleared=0, coverage="[]")
        )
        stored._generations.changed = dict.fromkeys(hub.generations)
        stored._ended_ids.appended = dict(enumerate(hub.ended_ids))
        stored.write(database)
        return stored

    def delete(self, connection: Connection) -> None:
        """Delete all rows of the hub."""
        connection.execute(delete(hubs).where(hubs.c.id == self.id))
        for table in HUB_TABLES:
            connection.execute(delete(table).where(table.c.hub == self.id))

    def write(self, database: Database) -> bool:
        """Write what has changed; return whether other servers may have to know at once."""
        connection, version, hub = database.connection, self.version + 1, self.hub
        self._remove_unlisted()
        account_rows, entry_rows = self._account_rows(connection, version)
        key_rows, generation_rows = self._key_rows(version), self._generation_rows(version)
        evicted = [{"old_hub": self.id, "old_id": id} for id in self._generations.removed]
        self._keys_version = version if key_rows else self._keys_version
        document = HubDocument.of(
            hub,
            keys_version=self._keys_version,
            last_ordinal=self._last_ordinal,
            ended_total=self._ended_ids.total,
            evicted_total=self._ended_ids.first,
        )
        state, self.keys_changed = encode(document), bool(key_rows)
        has_rows = account_rows or key_rows or generation_rows or evicted
        if hub.saved_state is not self._snapshot and hub.saved_state is not None:
            body = encode(SnapshotDocument.of(hub.saved_state))
            database.upsert(snapshots, [{"hub": self.id, "body": body}])
            self._snapshot = hub.saved_state
        if not has_rows and state == self._state:
            return False
        database.upsert(accounts, account_rows, keep="ordinal")
        database.upsert(keys, key_rows, keep="ordinal")
        database.upsert(generations, generation_rows, keep="ordinal")
        if entry_rows:
            connection.execute(_INSERT_ENTRIES, entry_rows)
        if evicted:
            connection.execute(_DELETE_GENERATION, evicted)
        connection.execute(_UPDATE_HUB, {"hub": self.id, "version": version, "state": state})
        wakes = self._wakes_others(document, generation_rows)
        self.version, self._state = version, state
        self._generations.forget_changes()
        self._ended_ids.forget_changes()
        return wakes

    def _next_ordinal(self) -> int:
        self._last_ordinal += 1
        return self._last_ordinal

    def _account_rows(
        self, connection: Connection, version: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of the accounts that have changed, and of their new entries."""
        rows, entry_rows = [], []
        for account in self.hub.accounts.values():
            mark, known = _mark(account), self._marks.get(account.id)
            if mark == known:
                continue
            self._marks[account.id] = mark
            known_count = known[0] + known[1] if known else 0
            rows.append(self._account_row(account, version, is_new=known is None))
            entry_rows += self._entry_rows(account, known_count)
            if account.evicted_count > (known[0] if known else 0):
                evicted = entries.c.number <= account.evicted_count
                owned = (entries.c.hub == self.id) & (entries.c.account == account.id)
                connection.execute(delete(entries).where(owned & evicted))
        return rows, entry_rows

    def _account_row(self, account: Account, version: int, *, is_new: bool) -> dict[str, Any]:
        return {
            "hub": self.id,
            "id": account.id,
            "ordinal": self._next_ordinal() if is_new else 0,
            "version": version,
            "account_type": account.account_type,
            "balance": account.balance,
            "evicted_total": account.evicted_total,
            "evicted_count": account.evicted_count,
            "lots": encode(account.lots),
            "totals": encode(account.totals),
        }

    def _entry_rows(self, account: Account, known_count: int) -> list[dict[str, Any]]:
        total = _entry_count(account)
        count = min(total - known_count, len(account.entries))
        newest = [*islice(reversed(account.entries), count)]
        return [
            {
                "hub": self.id,
                "account": account.id,
                "number": number,
                "created_at": entry.created_at,
                "kind": entry.kind,
                "credits": entry.credits,
                "lot": entry.lot,
                "generation": entry.generation,
            }
            for number, entry in zip(range(total, total - count, -1), newest, strict=True)
        ]

    def _key_rows(self, version: int) -> list[dict[str, Any]]:
        if self._keys == self.hub.keys:
            return []
        changed = [key for key in self.hub.keys.values() if self._keys.get(key.digest) != key]
        rows = [
            {
                **key._asdict(),
                "hub": self.id,
                "version": version,
                "ordinal": 0 if key.digest in self._keys else self._next_ordinal(),
            }
            for key in changed
        ]
        self._keys = dict(self.hub.keys)
        return rows

    def _generation_rows(self, version: int) -> list[dict[str, Any]]:
        positions = {id: position for position, id in self._ended_ids.appended.items()}
        ids = dict.fromkeys((*self._generations.changed, *positions))
        return [
            self._generation_row(generation, version, positions.get(generation.id))
            for generation in map(self._generations.get, ids)
            if generation is not None
        ]

    def _generation_row(
        self, generation: Generation, version: int, position: int | None
    ) -> dict[str, Any]:
        return {
            "hub": self.id,
            "id": generation.id,
            "ordinal": self._next_ordinal(),
            "version": version,
            "account": generation.account,
            "status": generation.status,
            "created_at": generation.created_at,
            "due_at": generation.due_at,
            "ended_at": generation.ended_at,
            "ended_position": position,
            "body": encode(generation),
        }

    def _wakes_others(self, document: HubDocument, rows: list[dict[str, Any]]) -> bool:
        """Return whether a request on another server may wait for this change."""
        if self._state and HUB.decode(self._state).clock != document.clock:
            return True
        return any(
            row["ended_at"] is not None and row["due_at"] != row["created_at"] for row in rows
        )


# Statements are built once, which takes longer than to run them.
_SELECT_CHANGED = {
    table: select(table)
    .where(table.c.hub == bindparam("hub"), table.c.version > bindparam("since"))
    .order_by(table.c.ordinal)
    for table in (accounts, keys, generations)
}
_SELECT_ENTRIES = (
    select(
        entries.c.account,
        entries.c.created_at,
        entries.c.kind,
        entries.c.credits,
        entries.c.lot,
        entries.c.generation,
    )
    .where(entries.c.hub == bindparam("hub"))
    .order_by(entries.c.account, entries.c.number)
)
_SELECT_NEW_ENTRIES = _SELECT_ENTRIES.where(
    entries.c.account == bindparam("account"), entries.c.number > bindparam("known")
)
_UPDATE_HUB = hubs.update().where(hubs.c.id == bindparam("hub"))
_INSERT_ENTRIES = entries.insert()
_DELETE_GENERATION = delete(generations).where(
    generations.c.hub == bindparam("old_hub"), generations.c.id == bindparam("old_id")
)


def _entry_count(account: Account) -> int:
    return account.evicted_count + len(account.entries)


def _mark(account: Account) -> _Mark:
    """Return what differs whenever an account has changed: each change adds an entry or a lot."""
    return account.evicted_count, len(account.entries), len(account.lots)
