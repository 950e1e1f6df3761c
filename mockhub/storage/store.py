"""Group the operations of one server into transactions: all that wait at once share one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.exceptions import MockhubError, ServiceUnavailable
from mockhub.spec.api_spec import ApiSpec
from mockhub.storage.database import Database
from mockhub.storage.session import Demand, Session
from mockhub.storage.stored_hub import StoredHub

if TYPE_CHECKING:
    from mockhub.storage.listener import Listener

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_OPERATIONS = 128  # in one transaction
JOURNAL_INTERVAL = 0.1  # seconds between two writes of the journal
_POLL_INTERVAL = 0.05  # seconds, for requests that wait, where the database cannot notify
_POLL_INTERVAL_OF_LISTENER = 1.0  # in case that a notification was lost


@dataclass(eq=False, slots=True)
class Operation:
    """One operation in a transaction, from `Store.enter` to `Store.leave`."""

    demand: Demand
    entered: asyncio.Future[None]
    committed: asyncio.Future[None]
    transaction: _Transaction | None = None


@dataclass(eq=False, slots=True)
class _Transaction:
    running: int
    all_left: asyncio.Future[None]


class Store:
    """The database of one server.

    An operation enters, reads and changes its hubs in memory without an ``await``, and leaves:
    then everything is committed. Operations that enter at the same time share a transaction and
    run one after the other.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run_jobs, name="mockhub-database", daemon=True)
        self._thread.start()
        self._queue: list[Operation] = []
        self._work = asyncio.Event()
        self._is_free = asyncio.Lock()  # no transaction is open
        self._tasks: list[asyncio.Task[None]] = []
        self._problem = ""
        self._closing = False
        self._listener: Listener | None = None

    def start(self) -> None:
        """Begin to work, on the event loop that runs."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._run_transactions()),
            loop.create_task(self._save_journals_regularly()),
            loop.create_task(self._refresh_waiting_hubs()),
        ]
        if not self.session.database.is_sqlite:
            from mockhub.storage.listener import Listener

            self._listener = Listener(
                self.session.database.url,
                lambda name: loop.call_soon_threadsafe(self._on_notification, name),
            )

    async def close(self) -> None:
        """Save the journals and disconnect."""
        self._closing = True
        if self._listener is not None:
            self._listener.close()
        self._work.set()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.wait(self._tasks)
        with suppress(ServiceUnavailable):
            await self.save_journals()
        await self._in_thread(self.session.database.close)
        self._jobs.put(None)
        self._thread.join()

    # -- operations --------------------------------------------------------------------------------

    async def enter(self, demand: Demand) -> Operation:
        """Wait for a transaction; the caller must not await anything else before `leave`.

        Raises:
            ServiceUnavailable: if the database is not available.
        """
        loop = asyncio.get_running_loop()
        operation = Operation(demand, loop.create_future(), loop.create_future())
        self._queue.append(operation)
        self._work.set()
        try:
            await operation.entered
        except asyncio.CancelledError:
            if operation in self._queue:
                self._queue.remove(operation)
            elif operation.transaction is not None:
                operation.committed.cancel()
                self._count_out(operation.transaction)
            raise
        return operation

    async def leave(self, operation: Operation) -> None:
        """Wait until what the operation has changed is committed.

        Raises:
            ServiceUnavailable: if it may not be committed.
        """
        transaction = operation.transaction
        assert transaction is not None
        self._count_out(transaction)
        await operation.committed

    def _count_out(self, transaction: _Transaction) -> None:
        transaction.running -= 1
        if not transaction.running:
            transaction.all_left.set_result(None)

    # -- transactions ------------------------------------------------------------------------------

    async def _run_transactions(self) -> None:
        while True:
            await self._work.wait()
            operations = self._queue[:MAX_OPERATIONS]
            del self._queue[:MAX_OPERATIONS]
            if not self._queue and not self._closing:
                self._work.clear()
            if operations:
                async with self._is_free:
                    await self._run_transaction(operations)
            elif self._closing:
                return

    async def _run_transaction(self, operations: list[Operation]) -> None:
        try:
            await self._open(operations)
        except Exception as error:
            self._fail([operation.entered for operation in operations], error)
            return
        running = [one for one in operations if not one.entered.done()]
        transaction = _Transaction(len(running), asyncio.get_running_loop().create_future())
        for operation in running:
            operation.transaction = transaction
            operation.entered.set_result(None)
        if running:
            await transaction.all_left
        try:
            await self._in_thread(self.session.commit)
        except Exception as error:
            self._fail([operation.committed for operation in running], error)
        else:
            self._report("")
            for operation in running:
                if not operation.committed.done():
                    operation.committed.set_result(None)

    async def _open(self, operations: Iterable[Operation]) -> None:
        demands = [operation.demand for operation in operations]
        await self._in_thread(lambda: self.session.open(demands))
        if any(demand.reads_journal for demand in demands):
            await self._save(self.session.locked, self.session.save_journals)

    def _fail(self, futures: Iterable[asyncio.Future[None]], error: Exception) -> None:
        if isinstance(error, ServiceUnavailable):
            self._report(error.message)
        else:
            logger.error("a transaction has failed", exc_info=error)
            error = ServiceUnavailable(f"A transaction has failed: {type(error).__name__}: {error}")
        for future in futures:
            if not future.done():
                future.set_exception(error)

    def _report(self, problem: str) -> None:
        """Log when the database becomes unavailable, and when it is available again."""
        if problem and not self._problem:
            logger.warning(problem)
        elif self._problem and not problem:
            logger.warning("The database is available again")
        self._problem = problem

    # -- the thread --------------------------------------------------------------------------------

    def _in_thread(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Call a function in the thread; an executor takes several times longer for it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = function()
            except BaseException as error:
                loop.call_soon_threadsafe(_complete, future, future.set_exception, error)
            else:
                loop.call_soon_threadsafe(_complete, future, future.set_result, result)

        self._jobs.put(job)
        return future

    def _run_jobs(self) -> None:
        while job := self._jobs.get():
            job()

    # -- journals ----------------------------------------------------------------------------------

    async def _save_journals_regularly(self) -> None:
        while True:
            await asyncio.sleep(JOURNAL_INTERVAL)
            try:
                await self.save_journals()
            except Exception as error:
                self._fail([], error)

    async def save_journals(self) -> None:
        """Write what the journals have and the database lacks.

        Raises:
            ServiceUnavailable: if the database is not available.
        """
        await asyncio.shield(self._save_journals())  # half of it would be saved again

    async def _save_journals(self) -> None:
        async with self._is_free:
            changed = [one for one in self.session.stored_hubs() if one.journal.has_changes]
            if changed:
                await self._save(changed, self.session.save_journals_alone)

    async def _save(self, hubs: list[StoredHub], save: Callable[..., Any]) -> None:
        journals = [(one.journal, one.journal.take_batch(one.id)) for one in hubs]
        saved = await self._in_thread(lambda: save([batch for _, batch in journals]))
        for (journal, batch), result in zip(journals, saved, strict=True):
            if result is not None:
                journal.finish_batch(batch, result)

    # -- requests that wait ------------------------------------------------------------------------

    async def _refresh_waiting_hubs(self) -> None:
        """Read what other servers have changed in the hubs in which requests wait."""
        interval = _POLL_INTERVAL if self._listener is None else _POLL_INTERVAL_OF_LISTENER
        while True:
            await asyncio.sleep(interval)
            names = {hub.name for hub in self.session.registry if hub.clock_listeners}
            if names:
                await self._refresh(names)

    async def _refresh(self, names: set[str]) -> None:
        def find_hubs(registry: HubRegistry) -> list[HubBackend]:
            return [registry.get(name) for name in names if name in registry]

        with suppress(ServiceUnavailable):
            await self.leave(await self.enter(Demand(find_hubs)))

    def _on_notification(self, name: str) -> None:
        registry = self.session.registry
        waiting = {hub.name for hub in registry if hub.clock_listeners}
        if waiting and (not name or name in waiting):
            task = asyncio.ensure_future(self._refresh({name} if name else waiting))
            self._tasks.append(task)
            task.add_done_callback(self._tasks.remove)


def _complete(future: asyncio.Future[Any], complete: Callable[[Any], None], result: Any) -> None:
    if not future.done():
        complete(result)


def open_store(url: str, spec: ApiSpec, build_default_hub: Callable[[], HubBackend]) -> Store:
    """Connect to a database, migrate it and read its hubs.

    Args:
        url: See `Database`.
        spec: The API spec.
        build_default_hub: Builds the default hub, if the database has none.

    Raises:
        MockhubError: if the database cannot be used.
    """
    session = Session(Database(url), spec)
    try:
        session.start(build_default_hub)
    except ServiceUnavailable as error:
        raise MockhubError(error.message.removesuffix("; try again")) from error.__cause__
    return Store(session)
