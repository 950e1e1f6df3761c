"""A client's connection: requests are parsed as they arrive and answered in their order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from mockhub.server.eager import run_eagerly
from mockhub.server.request_cycle import RequestResponseCycle
from mockhub.server.request_parser import BadRequest, RequestParser
from mockhub.server.timeouts import ServerContext
from mockhub.server.write_buffer import WriteBuffer
from mockhub.web.asgi import Scope
from mockhub.web.request_body import ClientDisconnected

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

MAX_PIPELINED = 16  # requests that wait; whom we do not listen to we do not see leave
NO_DEADLINE = float("inf")
_ASGI_VERSIONS = {"version": "3.0", "spec_version": "2.3"}

logger = logging.getLogger("mockhub.server")


class HttpProtocol(asyncio.Protocol):
    """An asyncio protocol as uvicorn's server makes them."""

    def __init__(
        self,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        context: ServerContext,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.context = context
        self.deadline = context.now + context.limits.keep_alive_timeout
        self.write_paused = False  # the client does not read what was written
        self._server_state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._ignore_input = False  # what still comes is not looked at
        self._current_cycle: RequestResponseCycle | None = None
        self._pipelined: deque[tuple[RequestResponseCycle, Scope]] = deque()
        self.read_paused = False  # nothing more is taken from the client for now
        self._drain_waiter: asyncio.Future[None] | None = None

    # -- what the loop tells ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.write_buffer = WriteBuffer(transport, self.context.write_batch, self._loop)
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        scope = {
            "type": "http",
            "asgi": _ASGI_VERSIONS,
            "scheme": "http",
            "root_path": "",
            "client": transport.get_extra_info("peername"),
            "server": transport.get_extra_info("sockname"),
        }
        self._parser = RequestParser(self, self._pipelined.append, self.context.limits, scope)
        if len(self._server_state.connections) > self.context.limits.max_connections:
            max_connections = self.context.limits.max_connections
            self._reject(503, f"Too many connections; expected at most {max_connections}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_state.connections.discard(self)
        self._ignore_input = True
        self.write_buffer.discard()
        incomplete = self._parser.incomplete_cycle
        self._parser.close()
        for cycle in (self._current_cycle, incomplete, *(one for one, _ in self._pipelined)):
            if cycle is not None:
                cycle.disconnect()
        self._pipelined.clear()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._ignore_input:
            return
        was_in_headers = self._parser.in_headers
        try:
            self._parser.feed(data)
        except BadRequest as error:
            self._reject(error.status, f"Not an HTTP request: {error}")
        if self._pipelined:
            self._start_next()
        if self._parser.in_headers and not (
            was_in_headers or self._current_cycle or self._ignore_input
        ):
            self.deadline = self.context.now + self.context.limits.header_timeout

    def eof_received(self) -> bool:
        while self._pipelined and self._current_cycle is None:
            self._start_next()  # it may have asked all that it wanted to
        self.write_buffer.flush()
        return False

    def pause_writing(self) -> None:
        self.write_paused = True
        self.deadline = self.context.now + self.context.limits.idle_timeout

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self._current_cycle is not None:
            self._set_deadline(self._current_cycle)
        elif not self._ignore_input:
            self._go_idle()

    # -- what the reader tells -------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Enough waits here: let the client wait."""
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def on_request_complete(self, cycle: RequestResponseCycle) -> None:
        """A request is whole."""
        if cycle is self._current_cycle:
            self._set_deadline(cycle)
        elif cycle.response_complete and self._current_cycle is None:
            self._go_idle()

    # -- what an exchange asks -------------------------------------------------------------------

    def resume_reading(self) -> None:
        """Take more of the request from the client."""
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    async def drain(self) -> None:
        """Wait until the client has read most of what was written."""
        if self.write_paused:
            if self._drain_waiter is None or self._drain_waiter.done():
                self._drain_waiter = self._loop.create_future()
            await self._drain_waiter

    def on_response_complete(self, cycle: RequestResponseCycle) -> None:
        """An answer has left: on to the next request, or to the end."""
        self._current_cycle = None
        if not cycle.keep_alive:
            self._close_gracefully(
                request_complete=cycle.request_complete and not self._ignore_input
            )
        elif cycle.request_complete:
            self._go_idle()
        else:
            self.resume_reading()  # to what is left of the body, which nobody wants
            self.deadline = self.context.now + self.context.limits.idle_timeout

    # -- the life of a connection ----------------------------------------------------------------

    def on_timeout(self) -> None:
        """What was waited for did not come."""
        limits, cycle = self.context.limits, self._current_cycle
        if self.write_paused or self._ignore_input:
            self.write_buffer.abort()
        elif cycle is not None:
            self._reject(
                408, f"The request is slow; expected it within {limits.request_timeout:g} s"
            )
        elif self._parser.in_headers:
            limit = limits.header_timeout
            self._reject(408, f"The request broke off; expected its headers within {limit:g} s")
        else:
            self.write_buffer.close()

    def shutdown(self) -> None:
        """The server goes down: what will soon be answered may be, all else ends now."""
        cycle = self._current_cycle
        if cycle is None or not cycle.request_complete:
            self.write_buffer.close()
        elif (
            cycle.response_started or self.write_paused
        ):  # drop by drop, or to a client that does not read
            self.write_buffer.abort()
            if cycle.task is not None:
                cycle.task.cancel()
        else:
            cycle.keep_alive = False

    def _start_next(self) -> None:
        """Start the next request, unless one is being answered; one at a time, to be fair."""
        if self._current_cycle is None and self._pipelined:
            cycle, scope = self._pipelined.popleft()
            self._current_cycle = cycle
            if task := run_eagerly(self._run_app(cycle, scope), self._loop):
                cycle.task = task
                self._server_state.tasks.add(task)
                if cycle is self._current_cycle:
                    self._set_deadline(cycle)
            elif self._pipelined:
                self._loop.call_soon(self._start_next)
        if len(self._pipelined) > MAX_PIPELINED:
            self.pause_reading()

    def _set_deadline(self, cycle: RequestResponseCycle) -> None:
        """Give a request its time to arrive; the answer may take any."""
        if not self.write_paused:
            timeout = NO_DEADLINE if cycle.request_complete else self.context.limits.request_timeout
            self.deadline = self.context.now + timeout

    async def _run_app(self, cycle: RequestResponseCycle, scope: Scope) -> None:
        try:
            await self.context.app(scope, cycle.receive, cycle.send)
        except ClientDisconnected:
            pass
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if not cycle.response_started and not cycle.disconnected:
                cycle.keep_alive = False
                cycle.send_response(
                    self.context.error_response(500, "mockhub failed; its log says why")
                )
        finally:
            if cycle is self._current_cycle:  # nothing left of it, or half an answer
                self.write_buffer.close()
            if cycle.task is not None:
                self._server_state.tasks.discard(cycle.task)
                if self._pipelined:
                    self._start_next()

    def _go_idle(self) -> None:
        limits = self.context.limits
        timeout = limits.header_timeout if self._parser.in_headers else limits.keep_alive_timeout
        self.deadline = self.context.now + timeout
        if self.read_paused and not self._pipelined:
            self.resume_reading()

    def _reject(self, status: int, message: str) -> None:
        """Tell a client that is not understood, unless it is being answered; then leave."""
        self._ignore_input = True
        if self._pipelined and not self._pipelined[-1][0].request_complete:
            self._pipelined.pop()  # its turn never comes, and those before it are not to suffer
        cycle = self._pipelined[-1][0] if self._pipelined else self._current_cycle
        if cycle is not None and (cycle.request_complete or cycle.response_started):
            cycle.keep_alive = False
            return
        response = self.context.error_response(status, message)
        error_cycle = RequestResponseCycle(
            self, keep_alive=False, expects_continue=False, is_head=False
        )
        if cycle is not None:
            cycle.disconnect()
        if not error_cycle.send_response(response):
            self.write_buffer.close()  # after what it has yet to read

    def _close_gracefully(self, *, request_complete: bool) -> None:
        """Close, but hear the client out first: a reset would take the answer from it."""
        self._ignore_input = True
        self._pipelined.clear()
        if request_complete or not self.transport.can_write_eof():
            self.write_buffer.close()
            return
        self.deadline = self.context.now + self.context.limits.lingering_time
        self.resume_reading()
        self.write_buffer.write_eof()
