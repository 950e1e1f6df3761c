"""Transactions over several hubs; runs in the one thread that uses the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.exceptions import ServiceUnavailable
from mockhub.spec.api_spec import ApiSpec
from mockhub.storage.database import Database
from mockhub.storage.documents import TOTALS, encode
from mockhub.storage.journal import JournalBatch, SavedBatch, save_batch
from mockhub.storage.schema import HubRow, migrate
from mockhub.storage.stored_hub import StoredHub

_ATTEMPTS = 3

_SELECT_META = "SELECT registry_version, last_hub, deleted_totals FROM meta FOR UPDATE"
_SELECT_HUBS = "SELECT id, name, position, version, state FROM hubs"
_IN_THEIR_ORDER = " ORDER BY position, id FOR UPDATE"
# The version of the registry and the hubs in one query, since each query takes time.
_SELECT_HUBS_AND_META = (
    "SELECT registry_version, hubs.id, name, position, version, state FROM hubs, meta"
)


class Demand(NamedTuple):
    """What one operation needs of the database.

    Attributes:
        find_hubs: Returns the hubs that it reads or changes.
        exclusive: Whether it may add, reset or delete hubs, or add keys.
        reads_journal: Whether it reads the journals of its hubs.
    """

    find_hubs: Callable[[HubRegistry], Iterable[HubBackend]]
    exclusive: bool = False
    reads_journal: bool = False


class Session:
    """The hubs in memory and in the database, and the transaction that keeps them the same.

    Attributes:
        registry: The hubs in memory.
        locked: The hubs of the present transaction.
    """

    def __init__(self, database: Database, spec: ApiSpec) -> None:
        self.database = database
        self.registry: HubRegistry
        self.locked: list[StoredHub] = []
        self._spec = spec
        self._stored: dict[int, StoredHub] = {}
        self._registry_version = -1
        self._last_hub = 0
        self._is_exclusive = False

    def start(self, build_default: Callable[[], HubBackend]) -> None:
        """Create or migrate the tables and read all hubs; if there are none, store a default hub.

        Raises:
            MockhubError: if the database cannot be used.
        """
        try:
            self.database.begin()
            self.database.lock_migrations()
            migrate(self.database)
            stored = [StoredHub.load(self.database, row, self._spec) for row in self._read_hubs()]
            self._stored = {one.id: one for one in stored}
            default, *others = [one.hub for one in stored] or [build_default()]
            self.registry = HubRegistry(default)
            for hub in others:
                self.registry.add(hub)
            self._is_exclusive = True
            self._registry_version = self._read_meta()
            self.commit()
        except BaseException:
            self.database.close()
            raise

    # -- transactions ------------------------------------------------------------------------------

    def open(self, demands: Sequence[Demand]) -> None:
        """Begin a transaction, lock the hubs of all demands, and read what has changed in them.

        Raises:
            ServiceUnavailable: if the database is not available; then there is no transaction.
        """
        for attempt in range(_ATTEMPTS):
            try:
                self.database.begin()
                self._open(demands)
            except ServiceUnavailable:  # also a deadlock, or a connection that was lost
                self.abort()
                if attempt == _ATTEMPTS - 1 or self.database.is_sqlite:
                    raise
            except BaseException:
                self.abort()
                raise
            else:
                return

    def commit(self) -> None:
        """Write what was changed, and end the transaction.

        Raises:
            ServiceUnavailable: if the database is not available. If the connection was lost during
                the commit, it is unknown whether it took place.
        """
        try:
            self._write()
            self.database.commit()
        except BaseException:
            self.abort()
            raise
        self.locked, self._is_exclusive = [], False

    def abort(self) -> None:
        """End the transaction without writing; what it has changed in memory is read again."""
        for stored in self.locked:
            stored.is_stale = True
        if self._is_exclusive:
            self._registry_version = -1
        self.locked, self._is_exclusive = [], False
        self.database.rollback()

    def save_journals(self, batches: Sequence[JournalBatch]) -> list[SavedBatch | None]:
        """Save journals in the present transaction; None for a hub that was deleted."""
        try:
            return [save_batch(self.database, batch) for batch in batches]
        except BaseException:
            self.abort()
            raise

    def save_journals_alone(self, batches: Sequence[JournalBatch]) -> list[SavedBatch | None]:
        """Save journals in a transaction of their own."""
        self.database.begin()
        saved = self.save_journals(batches)
        self.commit()
        return saved

    def stored_hubs(self) -> list[StoredHub]:
        return [*self._stored.values()]

    # -- read --------------------------------------------------------------------------------------

    def _open(self, demands: Sequence[Demand]) -> None:
        self._is_exclusive = any(demand.exclusive for demand in demands)
        if self._is_exclusive:
            self._refresh_registry()
        while not self._lock_hubs(demands):
            self.locked = []  # since another server may wait for them, and have others
            self.database.rollback()
            self.database.begin()
            self._refresh_registry()

    def _lock_hubs(self, demands: Sequence[Demand]) -> bool:
        """Lock and read the hubs of all demands, unless the registry in memory is outdated."""
        by_hub = {id(stored.hub): stored.id for stored in self._stored.values()}
        ids = {by_hub[id(hub)] for demand in demands for hub in demand.find_hubs(self.registry)}
        rows, version = self._read_hubs_and_version(ids)
        if len(rows) < len(ids) or version != self._registry_version:
            return False
        for row in rows:
            self._refresh(row)
        return True

    def _refresh(self, row: HubRow) -> None:
        stored = self._stored[row.id]
        if stored not in self.locked:
            self.locked.append(stored)
        stored.refresh(self.database, row)

    def _read_hubs(self, ids: Collection[int] | None = None) -> list[HubRow]:
        """Lock and return the rows of hubs; None means all."""
        if ids is not None and not ids:
            return []
        query, parameters = _SELECT_HUBS, []
        if ids is not None:
            query, parameters = f"{query} WHERE {self.database.is_listed('id')}", [encode(ids)]
        rows = self.database.select(query + _IN_THEIR_ORDER, *parameters)
        return [HubRow(*row) for row in rows]

    def _read_hubs_and_version(self, ids: Collection[int]) -> tuple[list[HubRow], int]:
        """Lock and return the rows of hubs, and return the version of the registry."""
        if not ids:
            return [], self._read_meta()
        condition = f" WHERE {self.database.is_listed('hubs.id')} ORDER BY position, hubs.id"
        query = _SELECT_HUBS_AND_META + condition + " FOR UPDATE OF hubs"
        rows = self.database.select(query, encode(ids))
        return [HubRow(*row[1:]) for row in rows], rows[0][0] if rows else -1

    def _read_meta(self) -> int:
        query = _SELECT_META if self._is_exclusive else _SELECT_META.removesuffix(" FOR UPDATE")
        ((version, last_hub, deleted_totals),) = self.database.select(query)
        if version != self._registry_version:
            self._last_hub = last_hub
            self.registry.totals_of_deleted_hubs = Counter(TOTALS.decode(deleted_totals))
        return int(version)

    def _refresh_registry(self) -> None:
        """Read which hubs and keys there are, if other servers have changed them."""
        if (version := self._read_meta()) == self._registry_version:
            return
        versions: dict[int, int] = dict(self.database.select("SELECT id, version FROM hubs"))
        changed = [
            id
            for id, version in versions.items()
            if id not in self._stored or self._stored[id].version != version
        ]
        rows = self._read_hubs(changed)
        successors = {(row.name, row.position) for row in rows if row.id not in self._stored}
        for stored in self.stored_hubs():
            if stored.id not in versions:
                del self._stored[stored.id]
                if (stored.hub.name, stored.position) not in successors:
                    self._forget(stored.hub)
        for row in rows:
            if row.id in self._stored:
                self._refresh(row)
            else:
                self._load(row)
        self._repair_registry()
        self._read_meta()
        self._registry_version = version

    def _load(self, row: HubRow) -> None:
        stored = self._stored[row.id] = StoredHub.load(self.database, row, self._spec)
        self.registry.add(stored.hub)

    def _forget(self, hub: HubBackend) -> None:
        """Remove a hub that another server has deleted."""
        is_default = hub is self.registry.default  # which `_load` replaces
        if self.registry.serves(hub) and not is_default:
            self.registry.delete(hub.name)

    def _repair_registry(self) -> None:
        """Undo what a transaction that was not committed has changed in the list of hubs."""
        names = {one.hub.name for one in self._stored.values()}
        for hub in self.registry:
            if hub.name not in names:
                self.registry.delete(hub.name)
        for stored in self._stored.values():
            if not self.registry.serves(stored.hub):
                self.registry.add(stored.hub)

    # -- write -------------------------------------------------------------------------------------

    def _write(self) -> None:
        for stored in self.locked:
            if not stored.was_restored and stored.write(self.database):
                self.database.notify(stored.hub.name)
        if self._is_exclusive:
            self._write_registry()

    def _write_registry(self) -> None:
        """Write which hubs there are, if that has changed."""
        remaining, last_hub = {}, self._last_hub
        positions: dict[str, int] = {}  # of hubs that were reset or replaced
        for stored in self._stored.values():
            if self.registry.serves(stored.hub) and not stored.was_restored:
                remaining[stored.id] = stored
                continue
            stored.delete(self.database)
            if stored.hub.name in self.registry:
                positions[stored.hub.name] = stored.position
        known = {id(stored.hub) for stored in remaining.values()}
        for hub in self.registry:
            if id(hub) not in known:
                last_hub += 1
                position = positions.get(hub.name, last_hub)
                remaining[last_hub] = StoredHub.create(self.database, hub, last_hub, position)
        if remaining != self._stored or any(stored.keys_changed for stored in self.locked):
            self._write_meta(last_hub)
            self._stored = remaining

    def _write_meta(self, last_hub: int) -> None:
        version = self._registry_version + 1 if self._registry_version >= 0 else 1
        totals = encode(self.registry.totals_of_deleted_hubs)
        self.database.execute(_UPDATE_META, (last_hub, totals))
        self._registry_version, self._last_hub = version, last_hub
        self.database.notify("")


_UPDATE_META = (
    "UPDATE meta SET registry_version = registry_version + 1, last_hub = ?, deleted_totals = ?"
)
