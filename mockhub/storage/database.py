"""Connect to SQLite or PostgreSQL, and translate what can go wrong."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from mockhub.exceptions import MockhubError, ServiceUnavailable

_ATTEMPTS = 20
LOCK_TIMEOUT = 10  # seconds that a transaction waits for the lock of another one
CHANNEL = "mockhub"  # of PostgreSQL's NOTIFY
_MIGRATION_LOCK = 0x6D6F636B  # the key of the advisory lock
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_SYNCHRONOUS = ("normal", "full")
_UPSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Database:
    """One connection to a database, for use in one thread at a time.

    Args:
        url: ``sqlite:///file.db`` or ``postgresql://user:password@host/name``. With
            ``?synchronous=full`` SQLite syncs each commit to the disk.

    Raises:
        MockhubError: if the URL is invalid.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse_url(url)
        self.is_sqlite = self.url.drivername == "sqlite"
        query = dict(self.url.query)
        synchronous = str(query.pop("synchronous", "normal")).lower() if self.is_sqlite else ""
        if self.is_sqlite and synchronous not in _SYNCHRONOUS:
            raise MockhubError(
                f"synchronous={synchronous!r} in the URL of the database; expected normal or full"
            )
        self._upserts: dict[tuple[Table, Collection[str]], Any] = {}
        self._connection: Connection | None = None
        self._engine = create_engine(
            self.url.set(query=query), poolclass=NullPool, connect_args=self._connect_args()
        )
        if self.is_sqlite:
            _configure_sqlite(self._engine, synchronous)

    def _connect_args(self) -> dict[str, object]:
        if self.is_sqlite:
            return {"timeout": LOCK_TIMEOUT, "check_same_thread": False}
        return {
            "connect_timeout": LOCK_TIMEOUT,
            "application_name": "mockhub",
            "options": f"-c lock_timeout={LOCK_TIMEOUT}s "
            f"-c idle_in_transaction_session_timeout={3 * LOCK_TIMEOUT}s",
        }

    @property
    def connection(self) -> Connection:
        """The connection, which is opened when it is used first."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def begin(self) -> Connection:
        """Begin a transaction."""
        connection = self.connection
        connection.begin()
        return connection

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        """End the transaction, if there is one; close a connection that is broken."""
        try:
            self.connection.rollback()
        except SQLAlchemyError:
            self.close()
        else:
            if self.connection.invalidated:
                self.close()

    def close(self) -> None:
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
        self._connection = None

    def lock_migrations(self) -> None:
        """Let no other server migrate the tables, until the end of the transaction."""
        if not self.is_sqlite:  # whose transactions lock the database
            self.connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))

    def notify(self, name: str) -> None:
        """Wake the other servers for a hub, once the transaction is committed."""
        if not self.is_sqlite:
            self.connection.execute(
                text("SELECT pg_notify(:channel, :name)"), {"channel": CHANNEL, "name": name}
            )

    def upsert(self, table: Table, rows: list[dict[str, Any]], *, keep: str = "") -> None:
        """Insert or replace rows; a column to keep has the value of the first insertion."""
        if not rows:
            return
        statement = self._upserts.get((table, keep))
        if statement is None:
            insert = _UPSERTS["sqlite" if self.is_sqlite else "postgresql"](table)
            primary = table.primary_key.columns.keys()
            changes = {
                column.name: insert.excluded[column.name]
                for column in table.columns
                if column.name not in primary and column.name != keep
            }
            statement = insert.on_conflict_do_update(index_elements=primary, set_=changes)
            self._upserts[table, keep] = statement
        self.connection.execute(statement, rows)


def _configure_sqlite(engine: Any, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: object) -> None:
        connection.isolation_level = None  # the listener below begins transactions
        connection.execute(f"PRAGMA synchronous={synchronous}")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            _set_journal_mode(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _set_journal_mode(connection: Any) -> None:
    """Switch to write-ahead logging, for which SQLite itself does not wait for a lock."""
    for attempt in range(_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(LOCK_TIMEOUT / _ATTEMPTS)
        else:
            return


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in _DRIVERS:
        raise MockhubError(
            f"{_without_password(url)!r} is not the URL of a database; expected "
            "sqlite:///FILE or postgresql://USER@HOST/NAME"
        )
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if parsed.drivername == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise MockhubError("sqlite:// needs a file; expected sqlite:///FILE")
        if not Path(parsed.database).absolute().parent.is_dir():
            raise MockhubError(f"{parsed.database}: the directory does not exist")
    elif not parsed.database:
        raise MockhubError("the URL has no database; expected postgresql://USER@HOST/NAME")
    return parsed


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    scheme, colon, _ = head.partition("://")
    return f"{scheme}{colon}...{at}{tail}" if at else url


def unavailable(error: Exception) -> ServiceUnavailable:
    """Return the error for clients: what is wrong with the database, in one sentence."""
    return ServiceUnavailable(f"The database is not available: {describe(error)}; try again")


def describe(error: Exception) -> str:
    """Return the first line of a database's message."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return _first_line(error.orig)
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
