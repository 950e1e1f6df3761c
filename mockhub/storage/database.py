"""Connect to SQLite or PostgreSQL, run statements, and translate what can go wrong."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mockhub.exceptions import MockhubError, ServiceUnavailable
from mockhub.storage.documents import encode
from mockhub.storage.schema import APPENDED, COLUMNS, PRIMARY_KEYS

_ATTEMPTS = 20
LOCK_TIMEOUT = 10  # seconds that a transaction waits for the lock of another one
CHANNEL = "mockhub"  # of PostgreSQL's NOTIFY
_MIGRATION_LOCK = 0x6D6F636B  # the key of the advisory lock
_SYNCHRONOUS = ("normal", "full")

Row = tuple[Any, ...]


class Database:
    """One connection to a database, for use in one thread at a time.

    Statements have ``?`` for each parameter. All methods raise ServiceUnavailable if the database
    is not available.

    Args:
        url: ``sqlite:///file.db`` or ``postgresql://user:password@host/name``. With
            ``?synchronous=full`` SQLite syncs each commit to the disk.
        creates_file: Whether the file of SQLite is created if it does not exist.

    Raises:
        MockhubError: if the URL is invalid, or the file does not exist.
    """

    def __init__(self, url: str, *, creates_file: bool = True) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite:")
        self._path, self._synchronous = _parse_url(url)
        if self.is_sqlite and not creates_file and not Path(self._path).is_file():
            raise MockhubError(f"{self._path}: there is no such file; expected a database")
        self._connection: Any = None
        self._errors: tuple[type[Exception], ...] = (sqlite3.Error,)
        if not self.is_sqlite:
            import psycopg

            self._errors = (psycopg.Error,)
            logging.getLogger("psycopg").setLevel(logging.ERROR)  # the store logs it too

    def _connect(self) -> Any:
        if self.is_sqlite:
            return _connect_to_sqlite(self._path, self._synchronous)
        from mockhub.storage.postgresql import PipelinedConnection

        return PipelinedConnection(self.url, timeout=LOCK_TIMEOUT)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Yield the connection, which is opened when it is used first; translate its errors."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection
        except self._errors as error:
            reason = _first_line(error)
            raise ServiceUnavailable(
                f"The database is not available: {reason}; try again"
            ) from error

    # -- statements --------------------------------------------------------------------------------

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> None:
        """Run a statement: at once, or on PostgreSQL with the next `select` or `commit`."""
        with self.connected() as connection:
            connection.execute(statement, parameters)

    def select(self, statement: str, *parameters: object) -> list[Row]:
        """Return the rows of a query. ``FOR UPDATE`` at its end locks them on PostgreSQL."""
        with self.connected() as connection:
            if not self.is_sqlite:
                rows: list[Row] = connection.select(statement, parameters)
                return rows
            statement = statement.partition(" FOR UPDATE")[0]  # the transaction locks all
            return list(connection.execute(statement, parameters))

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those that exist already, except for their `ordinal`."""
        if not rows:
            return
        statement = _insertion(table, self.is_sqlite)
        with self.connected() as connection:
            if self.is_sqlite:
                connection.executemany(statement, rows)
            else:  # one statement for all rows, which is much faster than one for each
                named = [dict(zip(COLUMNS[table], row, strict=True)) for row in rows]
                connection.execute(statement, [encode(named)])

    def delete(self, table: str, hub: int, ordinals: Collection[int]) -> None:
        """Delete rows of a hub by their ordinals."""
        statement = f"DELETE FROM {table} WHERE hub = ? AND {self.is_listed('ordinal')}"
        self.execute(statement, (hub, encode(ordinals)))

    def is_listed(self, column: str) -> str:
        """Return the condition that a column is one of the integers in a parameter in JSON."""
        values = (
            "value FROM json_each(?)" if self.is_sqlite else "json_array_elements_text(?)::int8"
        )
        return f"{column} IN (SELECT {values})"

    # -- transactions ------------------------------------------------------------------------------

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")

    def commit(self) -> None:
        with self.connected() as connection:
            connection.commit()

    def rollback(self) -> None:
        """End the transaction, if there is one; close a connection that is broken."""
        try:
            if self._connection is not None:
                self._connection.rollback()
        except self._errors:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            with suppress(*self._errors):
                self._connection.close()
        self._connection = None

    def lock_migrations(self) -> None:
        """Let no other server migrate the tables, until the end of the transaction."""
        if not self.is_sqlite:
            self.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            # To read large hubs at the start may take longer than the pause of a transaction may.
            self.execute("SET LOCAL idle_in_transaction_session_timeout = 0")

    def table_names(self) -> set[str]:
        source = "sqlite_master" if self.is_sqlite else "pg_tables"
        column = "name" if self.is_sqlite else "tablename"
        condition = "type = 'table'" if self.is_sqlite else "schemaname = current_schema()"
        return {name for (name,) in self.select(f"SELECT {column} FROM {source} WHERE {condition}")}

    def notify(self, name: str) -> None:
        """Wake the other servers for a hub, once the transaction is committed."""
        if not self.is_sqlite:
            self.execute("SELECT pg_notify(?, ?)", (CHANNEL, name))


@cache
def _insertion(table: str, is_sqlite: bool) -> str:
    columns, primary = COLUMNS[table], PRIMARY_KEYS[table]
    source = f"SELECT * FROM json_populate_recordset(NULL::{table}, ?)"
    if is_sqlite:
        source = f"VALUES ({', '.join('?' * len(columns))})"
    if table in APPENDED:
        return f"INSERT INTO {table} {source}"
    kept = (*primary, "ordinal")
    changes = ", ".join(f"{one} = excluded.{one}" for one in columns if one not in kept)
    return (
        f"INSERT INTO {table} {source} ON CONFLICT ({', '.join(primary)}) DO UPDATE SET {changes}"
    )


def _connect_to_sqlite(path: str, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=LOCK_TIMEOUT, check_same_thread=False, isolation_level=None
    )
    try:
        connection.execute(f"PRAGMA synchronous={synchronous}")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            _set_journal_mode(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _set_journal_mode(connection: sqlite3.Connection) -> None:
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


def _parse_url(url: str) -> tuple[str, str]:
    """Return the file of SQLite and its `synchronous`; both are empty for PostgreSQL."""
    if url.startswith("sqlite://"):
        return _parse_sqlite_url(url)
    if not url.startswith(("postgresql://", "postgres://")):
        raise MockhubError(
            f"{_without_password(url)!r} is not the URL of a database; expected "
            "sqlite:///FILE or postgresql://USER@HOST/NAME"
        )
    if not urlsplit(url).path.strip("/"):
        raise MockhubError("the URL has no database; expected postgresql://USER@HOST/NAME")
    return "", ""


def _parse_sqlite_url(url: str) -> tuple[str, str]:
    path, _, query = url.removeprefix("sqlite://").partition("?")
    path, settings = path.removeprefix("/"), dict(parse_qsl(query, keep_blank_values=True))
    synchronous = settings.pop("synchronous", "normal").lower()
    if not path or path == ":memory:":
        raise MockhubError("sqlite:// needs a file; expected sqlite:///FILE")
    if synchronous not in _SYNCHRONOUS:
        raise MockhubError(
            f"synchronous={synchronous!r} in the URL of the database; expected normal or full"
        )
    if settings:
        raise MockhubError(
            f"{next(iter(settings))!r} in the URL of the database; SQLite takes only 'synchronous'"
        )
    if not Path(path).absolute().parent.is_dir():
        raise MockhubError(f"{path}: the directory does not exist")
    return path, synchronous


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    scheme, colon, _ = head.partition("://")
    return f"{scheme}{colon}...{at}{tail}" if at else url


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
