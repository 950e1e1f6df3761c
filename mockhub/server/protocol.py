"""The asyncio protocol of one client connection: HTTP/1.1 with pipelining and timeouts."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from mockhub.server.flow_control import FlowControl, has_hung_up
from mockhub.server.request_cycle import RequestResponseCycle
from mockhub.server.request_parser import BadRequest, RequestParser
from mockhub.server.timeouts import ServerContext
from mockhub.server.write_buffer import WriteBuffer
from mockhub.web.app import CONTROL_PREFIX, is_under
from mockhub.web.asgi import CYCLE_SCOPE_KEY, Scope
from mockhub.web.request_body import ClientDisconnected

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

MAX_PIPELINED = 16  # beyond it we stop reading; a disconnect behind much input is not noticed
NO_DEADLINE = float("inf")
_SHUTDOWN_LINGERING_TIME = 0.5  # seconds for a client that has its response and still sends
_ASGI_VERSIONS = {"version": "3.0", "spec_version": "2.3"}

logger = logging.getLogger("mockhub.server")


class HttpProtocol(asyncio.Protocol):
    """One connection, created by uvicorn's server.

    Requests are parsed as they arrive and answered one at a time, in their order.

    Attributes:
        deadline: When `on_timeout` is due, in seconds of the event loop's time.
    """

    def __init__(
        self,
        *,
        config: Config | None,
        server_state: ServerState,
        app_state: dict[str, Any],
        context: ServerContext,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.deadline = context.now + context.limits.keep_alive_timeout
        self._context = context
        self._limits = context.limits
        self._server_state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._context_vars = contextvars.copy_context()  # each request runs in a copy
        self._ignore_input = False
        self._is_reserved = False  # for the control plane
        self._eof_received = False
        self._current_cycle: RequestResponseCycle | None = None
        self._pipelined: deque[tuple[RequestResponseCycle, Scope]] = deque()

    # -- called by the event loop ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._flow = FlowControl(self._transport)
        self._write_buffer = WriteBuffer(self._transport, self._context.write_batch)
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        base_scope = {
            "type": "http",
            "asgi": _ASGI_VERSIONS,
            "scheme": "http",
            "root_path": "",
            "client": transport.get_extra_info("peername"),
            "server": transport.get_extra_info("sockname"),
        }
        self._parser = RequestParser(self, self._limits, base_scope)
        limits, count = self._limits, len(self._server_state.connections)
        self._is_reserved = count > limits.max_connections - limits.control_connections
        if self._is_reserved:
            self._set_deadline(limits.header_timeout)
        if count > limits.max_connections:
            self._reject(503, self._too_many_connections())

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_state.connections.discard(self)
        self._ignore_input = True
        self._write_buffer.discard()
        incomplete = self._parser.incomplete_cycle
        self._parser.close()
        for cycle in (self._current_cycle, incomplete, *(cycle for cycle, _ in self._pipelined)):
            if cycle is not None:
                cycle.disconnect()
        self._pipelined.clear()
        self._flow.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._ignore_input:
            return
        was_in_headers = self._parser.in_headers
        try:
            self._parser.feed(data)
        except BadRequest as error:
            self._reject(error.status, str(error))
        if self._pipelined:
            self._start_next()
        is_idle = self._current_cycle is None and not self._ignore_input
        if is_idle and self._parser.in_headers and not was_in_headers:
            self._set_deadline(self._limits.header_timeout)

    def eof_received(self) -> bool:
        """Close the connection, but first send the responses that are ready without waiting."""
        self._eof_received = True
        self._loop.call_soon(self._close_if_waiting, self._current_cycle)
        return True

    def pause_writing(self) -> None:
        self._set_deadline(self._limits.idle_timeout)
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        self._flow.resume_writing()
        if self._current_cycle is not None:
            self._limit_request_time(self._current_cycle)
        elif self._ignore_input:
            self._set_deadline(self._limits.lingering_time)
        elif self._parser.incomplete_cycle is not None:
            self._set_deadline(self._limits.idle_timeout)
        else:
            self._go_idle()

    # -- called by the parser --------------------------------------------------------------------

    def on_request(
        self, scope: Scope, *, keep_alive: bool, expects_continue: bool
    ) -> RequestResponseCycle:
        cycle = self._create_cycle(
            keep_alive=keep_alive and not self._is_reserved,
            expects_continue=expects_continue,
            is_head=scope["method"] == "HEAD",
        )
        scope[CYCLE_SCOPE_KEY] = cycle
        self._pipelined.append((cycle, scope))
        return cycle

    def on_body_full(self) -> None:
        self._flow.pause_reading()

    def on_request_complete(self, cycle: RequestResponseCycle) -> None:
        if cycle is self._current_cycle:
            self._limit_request_time(cycle)
        elif cycle.response_complete and self._current_cycle is None:
            self._go_idle()

    # -- called by uvicorn and by the timer ------------------------------------------------------

    def shutdown(self) -> None:
        """Finish a response that is about to be sent; close everything else."""
        cycle = self._current_cycle
        if cycle is None and self._parser.incomplete_cycle is not None:
            self._close_gracefully(request_complete=False)
            self._loop.call_later(_SHUTDOWN_LINGERING_TIME, self._write_buffer.abort)
        elif cycle is None or not cycle.request_complete:
            self._write_buffer.close()
        elif cycle.response_started or self._flow.write_paused:  # this may take long
            self._write_buffer.abort()
            if cycle.task is not None:
                cycle.task.cancel()
        else:
            cycle.keep_alive = False

    def detect_disconnect(self) -> None:
        """Close the connection if the client has left while we wait and do not read.

        Without reading, the event loop does not notice it.
        """
        cycle = self._current_cycle
        if self._flow.read_paused and cycle is not None and cycle.is_watched:
            sock = self._transport.get_extra_info("socket")
            if sock is not None and has_hung_up(sock.fileno()):
                self._write_buffer.abort()

    def fileno(self) -> int:
        """Return the file descriptor of the socket, or -1 if it is closed."""
        sock = self._transport.get_extra_info("socket")
        return -1 if sock is None else int(sock.fileno())

    def on_timeout(self) -> None:
        limits, cycle = self._limits, self._current_cycle
        if self._flow.write_paused or self._ignore_input:
            self._write_buffer.abort()
        elif cycle is not None and self._flow.read_paused:  # the application does not read
            self._set_deadline(limits.request_timeout)
        elif cycle is not None:
            timeout = limits.request_timeout
            self._reject(408, f"The request is slow; expected it within {timeout:g} s")
        elif self._parser.in_headers:
            timeout = limits.header_timeout
            self._reject(408, f"The request broke off; expected its headers within {timeout:g} s")
        else:
            self._write_buffer.close()

    # -- one request after another ---------------------------------------------------------------

    def _start_next(self) -> None:
        """Start the next request, unless one is in progress."""
        if self._current_cycle is None and self._pipelined:
            cycle, scope = self._pipelined.popleft()
            self._current_cycle = cycle
            if self._is_reserved and not is_under(CONTROL_PREFIX, scope["path"]):
                message = self._too_many_connections()
                cycle.send_response(self._context.error_response(503, message))
                return
            task = cycle.task = self._loop.create_task(
                self._run_app(cycle, scope), name="request", context=self._context_vars.copy()
            )
            self._server_state.tasks.add(task)
            self._limit_request_time(cycle)
            if self._eof_received:
                self._loop.call_soon(self._close_if_waiting, cycle)  # after the task's first step
        if len(self._pipelined) > MAX_PIPELINED:
            self._flow.pause_reading()

    async def _run_app(self, cycle: RequestResponseCycle, scope: Scope) -> None:
        try:
            await self._context.app(scope, cycle.receive, cycle.send)
        except ClientDisconnected:
            pass
        except Exception:
            logger.exception("%s request failed", scope["method"])  # a path may hold a key
            if not cycle.response_started and not cycle.disconnected:
                cycle.keep_alive = False
                message = "mockhub failed; its log says why"
                cycle.send_response(self._context.error_response(500, message))
        finally:
            self._server_state.tasks.discard(cast("asyncio.Task[None]", cycle.task))
            if cycle is self._current_cycle:  # there is no response, or only a part of it
                self._write_buffer.close()

    def _on_response_complete(self, cycle: RequestResponseCycle) -> None:
        self._current_cycle = None
        if not cycle.keep_alive:
            self._close_gracefully(
                request_complete=cycle.request_complete and not self._ignore_input
            )
        elif cycle.request_complete:
            self._go_idle()
        else:  # skip the rest of the body
            self._flow.resume_reading()
            self._set_deadline(self._limits.idle_timeout)

    def _go_idle(self) -> None:
        """Start the next request in the next iteration, or wait for the client to send one."""
        if self._pipelined:
            self._set_deadline(NO_DEADLINE)
            self._loop.call_soon(self._start_next)
            return
        in_headers, limits = self._parser.in_headers, self._limits
        self._set_deadline(limits.header_timeout if in_headers else limits.keep_alive_timeout)
        self._flow.resume_reading()

    def _limit_request_time(self, cycle: RequestResponseCycle) -> None:
        """Limit the time in which the request arrives. The response may take any time."""
        complete = cycle.request_complete
        self._set_deadline(NO_DEADLINE if complete else self._limits.request_timeout)

    def _create_cycle(
        self, *, keep_alive: bool, expects_continue: bool, is_head: bool
    ) -> RequestResponseCycle:
        return RequestResponseCycle(
            self._write_buffer,
            self._flow,
            self._context,
            self._on_response_complete,
            keep_alive,
            expects_continue,
            is_head,
        )

    def _set_deadline(self, timeout: float) -> None:
        """Set when `on_timeout` is due; while the client does not read, that limit remains."""
        if not self._flow.write_paused:
            self.deadline = self._context.now + timeout

    # -- the end of a connection -----------------------------------------------------------------

    def _reject(self, status: int, message: str) -> None:
        """Send an error, unless a response is due, and close the connection."""
        self._ignore_input = True
        if self._pipelined and not self._pipelined[-1][0].request_complete:
            self._pipelined.pop()
        cycle = self._pipelined[-1][0] if self._pipelined else self._current_cycle
        if cycle is not None and (cycle.request_complete or cycle.response_started):
            cycle.keep_alive = False
            return
        if cycle is not None:
            cycle.disconnect()
        error_cycle = self._create_cycle(keep_alive=False, expects_continue=False, is_head=False)
        if not error_cycle.send_response(self._context.error_response(status, message)):
            self._write_buffer.close()  # the client does not read

    def _too_many_connections(self) -> str:
        total, reserved = self._limits.max_connections, self._limits.control_connections
        share = f", {reserved} of them for {CONTROL_PREFIX}" if reserved else ""
        return f"Too many connections; expected at most {total}{share}"

    def _close_if_waiting(self, cycle: RequestResponseCycle | None) -> None:
        """Close a half-closed connection if *cycle* has to wait, or if no request is left."""
        is_idle = self._current_cycle is None and not self._pipelined
        if is_idle or (cycle is not None and cycle is self._current_cycle):
            self._write_buffer.close()

    def _close_gracefully(self, *, request_complete: bool) -> None:
        """Close the connection after the client: unread input would reset it (RFC 9112, 9.6)."""
        self._ignore_input = True
        self._pipelined.clear()
        if request_complete or not self._transport.can_write_eof():
            self._write_buffer.close()
            return
        self._set_deadline(self._limits.lingering_time)
        self._flow.resume_reading()
        self._write_buffer.write_eof()
