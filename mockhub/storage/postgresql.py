"""Run statements on PostgreSQL, all that wait at once in one round trip.

They go through `psycopg.pq`, the functions of libpq: a cursor of psycopg takes more processor time
for a statement than PostgreSQL does. Its connection is what sets everything up.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from mockhub.storage.database import Row

_INTEGERS = (20, 21, 23)  # the OIDs of int8, int2 and int4


class PipelinedConnection:
    """A connection that sends statements together with the next query or commit.

    Statements have ``?`` for each parameter. All methods raise `psycopg.Error`.

    Args:
        url: The database.
        timeout: How many seconds to wait for the connection, and for a lock.
    """

    def __init__(self, url: str, *, timeout: int) -> None:
        defaults = {
            "connect_timeout": timeout,
            "application_name": "mockhub",
            "client_encoding": "UTF8",
            "options": f"-c lock_timeout={timeout}s "
            f"-c idle_in_transaction_session_timeout={3 * timeout}s",
        }
        settings: dict[str, Any] = {**defaults, **conninfo_to_dict(url)}
        self._connection = psycopg.connect(autocommit=True, **settings)
        self._libpq = self._connection.pgconn
        self._queue: list[tuple[str, Sequence[object]]] = []
        self._prepared: dict[str, bytes] = {}
        self._names = map(b"mockhub_%d".__mod__, count())

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> None:
        """Send a statement with the next `select` or `commit`, which reports its errors."""
        self._queue.append((statement, parameters))

    def select(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        """Return the rows of a query, whose columns are integers and texts."""
        self.execute(statement, parameters)
        result = self._run_queue()
        return _rows(result) if result else []

    def commit(self) -> None:
        self.execute("COMMIT")
        self._run_queue()

    def rollback(self) -> None:
        self._queue.clear()
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()

    def _run_queue(self) -> PGresult | None:
        """Run all statements; return the rows of the last one that has any."""
        queue, self._queue, prepared = self._queue, [], self._prepared.copy()
        libpq = self._libpq
        libpq.enter_pipeline_mode()
        for statement, parameters in queue:
            if (name := prepared.get(statement)) is None:
                name = prepared[statement] = next(self._names)
                libpq.send_prepare(name, _with_numbers(statement))
            libpq.send_query_prepared(name, [*map(_encode, parameters)])
        libpq.pipeline_sync()
        result = self._read_results()
        libpq.exit_pipeline_mode()
        self._prepared = prepared
        return result

    def _read_results(self) -> PGresult | None:
        """Return the last rows; raise the first error once all results were read."""
        rows = failed = None
        while (result := self._next_result()).status != pq.ExecStatus.PIPELINE_SYNC:
            if result.status == pq.ExecStatus.TUPLES_OK:
                rows = result
            elif result.status == pq.ExecStatus.FATAL_ERROR:
                failed = failed or result
        if failed:
            self._libpq.exit_pipeline_mode()
            message = failed.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
            raise psycopg.OperationalError((message or failed.error_message).decode())
        return rows

    def _next_result(self) -> PGresult:
        libpq, poll = self._libpq, select.poll()
        while True:
            unsent = libpq.flush()
            if not unsent and not libpq.is_busy():
                if result := libpq.get_result():
                    return result
                if libpq.status != pq.ConnStatus.OK:
                    raise psycopg.OperationalError("the connection is lost")
                continue  # nothing is behind the result of a statement
            poll.register(libpq.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            if any(events & ~select.POLLOUT for _, events in poll.poll()):
                libpq.consume_input()


def _with_numbers(statement: str) -> bytes:
    first, *others = statement.split("?")
    numbered = [f"${number}{part}" for number, part in enumerate(others, 1)]
    return "".join([first, *numbered]).encode()


def _encode(value: object) -> bytes | None:
    return None if value is None else str(value).encode()


def _rows(result: PGresult) -> list[Row]:
    columns = range(result.nfields)
    decoders = [int if result.ftype(column) in _INTEGERS else bytes.decode for column in columns]
    values = result.get_value
    return [
        tuple(
            [
                None if (value := values(row, column)) is None else decode(value)
                for column, decode in enumerate(decoders)
            ]
        )
        for row in range(result.ntuples)
    ]
