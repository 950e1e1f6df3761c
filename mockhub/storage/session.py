"""Transactions over several hubs; runs in the one thread that uses the database."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.spec.api_spec import ApiSpec
from mockhub.storage.database import Database, unavailable
from mockhub.storage.documents import TOTALS, encode
from mockhub.storage.journal import JournalBatch, SavedBatch, save_batch
from mockhub.storage.schema import hubs, meta, migrate
from mockhub.storage.stored_hub import StoredHub

logger = logging.getLogger(__name__)

_ATTEMPTS = 3

# Statements are built once, which takes longer than to run them.
_SELECT_META = select(meta)
_SELECT_AND_LOCK_META = _SELECT_META.with_for_update()
_SELECT_HUBS = select(hubs).order_by(hubs.c.position, hubs.c.id).with_for_update()
_SELECT_HUBS_BY_ID = _SELECT_HUBS.where(hubs.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True)
class Demand:
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

    def start(self, build_default: Callable[[], HubBackend]) -> HubRegistry:
        """Create or migrate the tables and read all hubs; if there are none, store a default hub.

        Raises:
            MockhubError: if the database cannot be used.
        """
        try:
            self.database.begin()
            self.database.lock_migrations()
            migrate(self.database.connection)
            rows = self._select_hubs(None)
            stored = [StoredHub.load(self.database.connection, row, self._spec) for row in rows]
            self._stored = {one.id: one for one in stored}
            default, *others = [one.hub for one in stored] or [build_default()]
            self.registry = HubRegistry(default)
            for hub in others:
                self.registry.add(hub)
            self._is_exclusive = True
            self._registry_version = self._read_meta()
            self._write()
            self.database.commit()
        except SQLAlchemyError as error:
            self.database.close()
            raise unavailable(error) from error
        finally:
            self._is_exclusive = False
        return self.registry

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
            except SQLAlchemyError as error:  # also a deadlock, or a connection that was lost
                self.abort()
                if attempt == _ATTEMPTS - 1 or self.database.is_sqlite:
                    raise unavailable(error) from error
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
        except SQLAlchemyError as error:
            self.abort()
            raise unavailable(error) from error
        except BaseException:
            self.abort()
            raise
        self.locked = []

    def abort(self) -> None:
        """End the transaction without writing; what it has changed in memory is read again."""
        for stored in self.locked:
            stored.is_stale = True
        if self._is_exclusive:
            self._registry_version = -1
        self.locked = []
        try:
            self.database.rollback()
        except SQLAlchemyError:
            self.database.close()

    def save_journals(self, batches: Sequence[JournalBatch]) -> list[SavedBatch | None]:
        """Save journals in the present transaction; None for a hub that was deleted."""
        try:
            return [save_batch(self.database.connection, batch) for batch in batches]
        except SQLAlchemyError as error:
            self.abort()
            raise unavailable(error) from error

    def save_journals_alone(self, batches: Sequence[JournalBatch]) -> list[SavedBatch | None]:
        """Save journals in a transaction of their own."""
        try:
            self.database.begin()
            saved = self.save_journals(batches)
            self.database.commit()
        except SQLAlchemyError as error:
            self.abort()
            raise unavailable(error) from error
        return saved

    def stored_hubs(self) -> list[StoredHub]:
        return [*self._stored.values()]

    # -- read --------------------------------------------------------------------------------------

    def _open(self, demands: Sequence[Demand]) -> None:
        self._is_exclusive = any(demand.exclusive for demand in demands)
        while True:
            self._refresh_registry()
            by_hub = {id(stored.hub): stored for stored in self._stored.values()}
            wanted = {
                by_hub[id(hub)].id for demand in demands for hub in demand.find_hubs(self.registry)
            }
            rows = self._select_hubs(wanted)
            if len(rows) == len(wanted):
                break
            self._registry_version = -1  # a hub was deleted just now
        for row in rows:
            self._refresh(row)

    def _refresh(self, row: Row[Any]) -> None:
        stored = self._stored[row.id]
        if stored not in self.locked:
            self.locked.append(stored)
        stored.refresh(self.database.connection, row)

    def _select_hubs(self, ids: Iterable[int] | None) -> Sequence[Row[Any]]:
        """Lock and return the rows of hubs; None means all."""
        if ids is None:
            return self.database.connection.execute(_SELECT_HUBS).all()
        values = {"ids": [*ids]}
        return self.database.connection.execute(_SELECT_HUBS_BY_ID, values).all()

    def _read_meta(self) -> int:
        query = _SELECT_AND_LOCK_META if self._is_exclusive else _SELECT_META
        row = self.database.connection.execute(query).one()
        version: int = row.registry_version
        if version != self._registry_version:
            self._last_hub = row.last_hub
            self.registry.totals_of_deleted_hubs = Counter(TOTALS.decode(row.deleted_totals))
        return version

    def _refresh_registry(self) -> None:
        """Read which hubs and keys there are, if other servers have changed them."""
        if (version := self._read_meta()) == self._registry_version:
            return
        query = select(hubs.c.id, hubs.c.version)
        versions: dict[int, int] = {
            id: version for id, version in self.database.connection.execute(query)
        }
        for stored in self.stored_hubs():
            if stored.id not in versions:
                self._forget(stored)
        changed = [
            id
            for id, version in versions.items()
            if id not in self._stored or self._stored[id].version != version
        ]
        for row in self._select_hubs(changed):
            if row.id in self._stored:
                self._refresh(row)
            else:
                self._load(row)
        self._repair_registry()
        self._read_meta()
        self._registry_version = version

    def _load(self, row: Row[Any]) -> None:
        stored = self._stored[row.id] = StoredHub.load(self.database.connection, row, self._spec)
        replaced = self.registry.get(row.name) if row.name in self.registry else None
        self.registry.add(stored.hub)
        if replaced:
            replaced.cancel_waits()

    def _forget(self, stored: StoredHub) -> None:
        """Remove a hub that another server has deleted, reset or replaced."""
        del self._stored[stored.id]
        name, hub = stored.hub.name, stored.hub
        is_listed = name in self.registry and self.registry.get(name) is hub
        if is_listed and hub is not self.registry.default:  # which `_load` replaces
            self.registry.delete(name)

    def _repair_registry(self) -> None:
        """Undo what a transaction that was not committed has changed in the list of hubs."""
        stored = {one.hub.name: one.hub for one in self._stored.values()}
        for hub in self.registry:
            if hub.name not in stored:
                self.registry.delete(hub.name)
        for name, hub in stored.items():
            if name not in self.registry or self.registry.get(name) is not hub:
                self.registry.add(hub)

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
        restored: dict[int, int] = {}  # the positions of hubs that were reset
        for stored in self._stored.values():
            name = stored.hub.name
            is_listed = name in self.registry and self.registry.get(name) is stored.hub
            if is_listed and not stored.was_restored:
                remaining[stored.id] = stored
                continue
            stored.delete(self.database.connection)
            if is_listed:
                restored[id(stored.hub)] = stored.position
        known = {id(stored.hub) for stored in remaining.values()}
        for hub in self.registry:
            if id(hub) not in known:
                last_hub += 1
                position = restored.get(id(hub), last_hub)
                remaining[last_hub] = StoredHub.create(self.database, hub, last_hub, position)
        if remaining != self._stored or any(stored.keys_changed for stored in self.locked):
            self._write_meta(last_hub)
            self._stored = remaining

    def _write_meta(self, last_hub: int) -> None:
        version = self._registry_version + 1 if self._registry_version >= 0 else 1
        totals = encode(self.registry.totals_of_deleted_hubs)
        self.database.connection.execute(
            meta.update().values(
                registry_version=meta.c.registry_version + 1,
                last_hub=last_hub,
                deleted_totals=totals,
            )
        )
        self._registry_version, self._last_hub = version, last_hub
        self.database.notify("")
