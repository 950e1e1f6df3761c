"""The tables of the database, their version, and its migrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from mockhub.exceptions import MockhubError

if TYPE_CHECKING:
    from mockhub.storage.database import Database

_NUMBER, _TEXT = "BIGINT NOT NULL", "TEXT NOT NULL"
_ROW = {"hub": _NUMBER, "id": _TEXT, "ordinal": _NUMBER, "version": _NUMBER}


class HubRow(NamedTuple):
    """A row of the table `hubs`."""

    id: int
    name: str
    position: int
    version: int
    state: str


# `version` of a hub grows with every change; the rows of `accounts`, `keys` and `generations` have
# the version in which they changed last, and `ordinal` is their order. `body` is JSON.
_TABLES: dict[str, dict[str, str]] = {
    # The single row that all servers share. `registry_version` grows when a hub or a key is added,
    # or a hub is deleted or reset. `deleted_totals` has the credits of deleted hubs by kind.
    "meta": {
        "id": _NUMBER,
        "schema_version": _NUMBER,
        "registry_version": _NUMBER,
        "last_hub": _NUMBER,
        "deleted_totals": _TEXT,
    },
    # A hub gets a new id when it is reset or replaced. `state` is a `HubDocument`.
    "hubs": {
        "id": _NUMBER,
        "name": "TEXT NOT NULL UNIQUE",
        "position": _NUMBER,
        "version": _NUMBER,
        "state": _TEXT,
    },
    "snapshots": {"hub": _NUMBER, "body": _TEXT},
    "accounts": {**_ROW, "balance": _NUMBER, "body": _TEXT},
    "entries": {
        "hub": _NUMBER,
        "account": _TEXT,
        "number": _NUMBER,
        "created_at": _NUMBER,
        "kind": _TEXT,
        "credits": _NUMBER,
        "lot": _NUMBER,
        "generation": "TEXT",
    },
    # `id` is the SHA-256 of the key, which itself is not stored.
    "keys": {**_ROW, "account": _TEXT, "body": _TEXT},
    # `ended_position` is the place among those that have ended.
    "generations": {
        **_ROW,
        "account": _TEXT,
        "status": _TEXT,
        "created_at": _NUMBER,
        "ended_at": "BIGINT",
        "ended_position": "BIGINT",
        "body": _TEXT,
    },
    # The journal is written apart from the rest, so it has a lock and a total of its own.
    # `cleared` is how often it was cleared, `coverage` how often each coverage key occurred.
    "journals": {"hub": _NUMBER, "total": _NUMBER, "cleared": _NUMBER, "coverage": _TEXT},
    # A row has all exchanges of a batch; `number` is that of the last one.
    "exchanges": {"hub": _NUMBER, "number": _NUMBER, "body": _TEXT},
}
PRIMARY_KEYS: Mapping[str, tuple[str, ...]] = {
    "meta": ("id",),
    "hubs": ("id",),
    "snapshots": ("hub",),
    "accounts": ("hub", "id"),
    "entries": ("hub", "account", "number"),
    "keys": ("hub", "id"),
    # In the order of insertion: random ids would scatter what is written over all of an index.
    "generations": ("hub", "ordinal"),
    "journals": ("hub",),
    "exchanges": ("hub", "number"),
}
APPENDED = ("entries", "exchanges")  # whose rows never change
COLUMNS: Mapping[str, tuple[str, ...]] = {name: (*columns,) for name, columns in _TABLES.items()}
HUB_TABLES = tuple(name for name, columns in _TABLES.items() if "hub" in columns)


def _create_tables(database: Database) -> None:
    for name in _TABLES:
        _create_table(database, name)
    database.execute("INSERT INTO meta VALUES (1, ?, 0, 0, '{}')", (SCHEMA_VERSION,))


def _create_table(database: Database, name: str) -> None:
    parts = [f"{column} {kind}" for column, kind in _TABLES[name].items()]
    primary = f"PRIMARY KEY ({', '.join(PRIMARY_KEYS[name])})"
    database.execute(f"CREATE TABLE {name} ({', '.join((*parts, primary))})")
    if "ordinal" in _TABLES[name]:
        database.execute(f"CREATE INDEX {name}_version ON {name} (hub, version)")


def _order_generations(database: Database) -> None:
    """Change the primary key of generations from the hub and the id."""
    database.execute("DROP INDEX generations_version")
    database.execute("ALTER TABLE generations RENAME TO old_generations")
    _create_table(database, "generations")
    database.execute("INSERT INTO generations SELECT * FROM old_generations ORDER BY hub, ordinal")
    database.execute("DROP TABLE old_generations")


# Each migration brings the database from the version before to its own. A new one has the last.
MIGRATIONS: Mapping[int, Callable[[Database], None]] = {2: _order_generations}
SCHEMA_VERSION = max(MIGRATIONS)


def migrate(database: Database) -> None:
    """Create or migrate the tables, in a transaction that no other server has at the same time.

    Raises:
        MockhubError: if the database was written by a newer mockhub, or is not mockhub's.
    """
    names = database.table_names()
    if "meta" not in names:
        if taken := sorted(names & _TABLES.keys()):
            raise MockhubError(
                f"the database has a table {taken[0]!r} that is not mockhub's; "
                "expected an empty one"
            )
        _create_tables(database)
    ((present,),) = database.select("SELECT schema_version FROM meta")
    if present > SCHEMA_VERSION:
        raise MockhubError(
            f"the database has schema version {present}, and this mockhub knows at most "
            f"{SCHEMA_VERSION}; expected a newer mockhub"
        )
    for version in range(present + 1, SCHEMA_VERSION + 1):
        MIGRATIONS[version](database)
        database.execute("UPDATE meta SET schema_version = ?", (version,))
