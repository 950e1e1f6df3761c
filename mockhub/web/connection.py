"""A client's connection: requests are parsed as they arrive and answered in their order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from mockhub.web.asgi import Scope
from mockhub.web.bodies import ClientGone
from mockhub.web.exchange import Exchange
from mockhub.web.outlet import Outlet
from mockhub.web.reader import Reader, Unreadable
from mockhub.web.steps import begin
from mockhub.web.watch import Watch

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

_QUEUE = 16  # requests that wait; whom we do not listen to we do not see leave
_NEVER = float("inf")
_ASGI = {"version": "3.0", "spec_version": "2.3"}

logger = logging.getLogger("mockhub.server")


class Connection(asyncio.Protocol):
    """An asyncio protocol as uvicorn's server makes them."""

    def __init__(
        self,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        watch: Watch,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.watch = watch
        self.deadline = watch.now + watch.limits.keep_alive_seconds
        self.clogged = False  # the client does not read what was written
        self._state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._deaf = False  # what still comes is not looked at
        self._current: Exchange | None = None
        self._next: deque[tuple[Exchange, Scope]] = deque()
        self.paused = False  # nothing more is taken from the client for now
        self._unclogged: asyncio.Future[None] | None = None

    # -- what the loop tells ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.outlet = Outlet(transport, self.watch.round, self._loop)
        self._state.connections.add(self)  # type: ignore[arg-type]
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "scheme": "http",
            "root_path": "",
            "client": transport.get_extra_info("peername"),
            "server": transport.get_extra_info("sockname"),
        }
        self._reader = Reader(self, self._next.append, self.watch.limits, scope)
        if len(self._state.connections) > self.watch.limits.connections:
            most = self.watch.limits.connections
            self._refuse(503, f"Too many connections; expected at most {most}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._deaf = True
        self.outlet.lose()
        arriving = self._reader.arriving
        self._reader.close()
        for exchange in (self._current, arriving, *(one for one, _ in self._next)):
            if exchange is not None:
                exchange.lose()
        self._next.clear()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        in_head = self._reader.in_head
        try:
            self._reader.feed(data)
        except Unreadable as error:
            self._refuse(error.status, f"Not an HTTP request: {error}")
        if self._next:
            self._advance()
        if self._reader.in_head and not (in_head or self._current or self._deaf):
            self.deadline = self.watch.now + self.watch.limits.head_seconds

    def eof_received(self) -> bool:
        while self._next and self._current is None:
            self._advance()  # it may have asked all that it wanted to
        self.outlet.flush()
        return False

    def pause_writing(self) -> None:
        self.clogged = True
        self.deadline = self.watch.now + self.watch.limits.idle_seconds

    def resume_writing(self) -> None:
        self.clogged = False
        if self._unclogged is not None and not self._unclogged.done():
            self._unclogged.set_result(None)
        if self._current is not None:
            self._wait_for(self._current)
        elif not self._deaf:
            self._rest()

    # -- what the reader tells -------------------------------------------------------------------

    def pause(self) -> None:
        """Enough waits here: let the client wait."""
        if not self.paused:
            self.paused = True
            self.transport.pause_reading()

    def whole(self, exchange: Exchange) -> None:
        """A request is whole."""
        if exchange is self._current:
            self._wait_for(exchange)
        elif exchange.done and self._current is None:
            self._rest()

    # -- what an exchange asks -------------------------------------------------------------------

    def listen(self) -> None:
        """Take more of the request from the client."""
        if self.paused and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()

    async def drained(self) -> None:
        """Wait until the client has read most of what was written."""
        if self.clogged:
            if self._unclogged is None or self._unclogged.done():
                self._unclogged = self._loop.create_future()
            await self._unclogged

    def answered(self, exchange: Exchange) -> None:
        """An answer has left: on to the next request, or to the end."""
        self._current = None
        if not exchange.keep_alive:
            self._leave(whole=exchange.whole and not self._deaf)
        elif exchange.whole:
            self._rest()
        else:
            self.listen()  # to what is left of the body, which nobody wants
            self.deadline = self.watch.now + self.watch.limits.idle_seconds

    # -- the life of a connection ----------------------------------------------------------------

    def overdue(self) -> None:
        """What was waited for did not come."""
        limits, exchange = self.watch.limits, self._current
        if self.clogged or self._deaf:
            self.outlet.abort()
        elif exchange is not None:
            self._refuse(408, f"The request is slow; expected it within {limits.read_seconds:g} s")
        elif self._reader.in_head:
            limit = limits.head_seconds
            self._refuse(408, f"The request broke off; expected its headers within {limit:g} s")
        else:
            self.outlet.close()

    def shutdown(self) -> None:
        """The server goes down: what will soon be answered may be, all else ends now."""
        exchange = self._current
        if exchange is None or not exchange.whole:
            self.outlet.close()
        elif exchange.started or self.clogged:  # drop by drop, or to a client that does not read
            self.outlet.abort()
            if exchange.task is not None:
                exchange.task.cancel()
        else:
            exchange.keep_alive = False

    def _advance(self) -> None:
        """Start the next request, unless one is being answered; one at a time, to be fair."""
        if self._current is None and self._next:
            exchange, scope = self._next.popleft()
            self._current = exchange
            if task := begin(self._run(exchange, scope), self._loop):
                exchange.task = task
                self._state.tasks.add(task)
                if exchange is self._current:
                    self._wait_for(exchange)
            elif self._next:
                self._loop.call_soon(self._advance)
        if len(self._next) > _QUEUE:
            self.pause()

    def _wait_for(self, exchange: Exchange) -> None:
        """Give a request its time to arrive; the answer may take any."""
        if not self.clogged:
            seconds = _NEVER if exchange.whole else self.watch.limits.read_seconds
            self.deadline = self.watch.now + seconds

    async def _run(self, exchange: Exchange, scope: Scope) -> None:
        try:
            await self.watch.app(scope, exchange.receive, exchange.send)
        except ClientGone:
            pass
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if not exchange.started and not exchange.gone:
                exchange.keep_alive = False
                exchange.respond(self.watch.refusal(500, "mockhub failed; its log says why"))
        finally:
            if exchange is self._current:  # nothing left of it, or half an answer
                self.outlet.close()
            if exchange.task is not None:
                self._state.tasks.discard(exchange.task)
                if self._next:
                    self._advance()

    def _rest(self) -> None:
        limits = self.watch.limits
        rest = limits.head_seconds if self._reader.in_head else limits.keep_alive_seconds
        self.deadline = self.watch.now + rest
        if self.paused and not self._next:
            self.listen()

    def _refuse(self, status: int, message: str) -> None:
        """Tell a client that is not understood, unless it is being answered; then leave."""
        self._deaf = True
        if self._next and not self._next[-1][0].whole:
            self._next.pop()  # its turn never comes, and those before it are not to suffer
        exchange = self._next[-1][0] if self._next else self._current
        if exchange is not None and (exchange.whole or exchange.started):
            exchange.keep_alive = False
            return
        answer = self.watch.refusal(status, message)
        last = Exchange(self, keep_alive=False, expects_continue=False, wants_head=False)
        if exchange is not None:
            exchange.lose()
        if not last.respond(answer):
            self.outlet.close()  # after what it has yet to read

    def _leave(self, *, whole: bool) -> None:
        """Close, but hear the client out first: a reset would take the answer from it."""
        self._deaf = True
        self._next.clear()
        if whole or not self.transport.can_write_eof():
            self.outlet.close()
            return
        self.deadline = self.watch.now + self.watch.limits.linger_seconds
        self.listen()
        self.outlet.write_eof()
