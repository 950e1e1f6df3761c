"""A client's connection: requests are parsed as they arrive and answered in their order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools

from mockhub.web.asgi import Scope
from mockhub.web.bodies import ClientGone
from mockhub.web.exchange import Exchange
from mockhub.web.outlet import Outlet
from mockhub.web.steps import begin
from mockhub.web.transport import EXCHANGE
from mockhub.web.watch import Watch

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

_UNREAD = 64 * 1024  # bytes of a body that wait for the app before the client has to
_QUEUE = 16  # requests that wait likewise; who is not listened to cannot be seen to leave
_UNWANTED: Any = deque(maxlen=0)  # takes what trails a chunked body, and keeps nothing
# The usual names, once for all requests: the journal keeps what comes, and copies cost their keep.
_USUAL = [
    *("accept", "accept-encoding", "accept-language", "authorization", "connection"),
    *("content-length", "content-type", "host", "user-agent"),
]
_NAMES = {spelt.encode(): name.encode() for name in _USUAL for spelt in (name, name.title())}
_METHODS = {name.encode(): name for name in ("GET", "POST", "HEAD", "OPTIONS")}
_BODILESS = ("GET", "HEAD", "OPTIONS")
_NEVER = float("inf")
_ASGI = {"version": "3.0", "spec_version": "2.3"}

logger = logging.getLogger("mockhub.server")


class Connection(asyncio.Protocol):
    """An asyncio protocol as uvicorn's server makes them; httptools parses."""

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
        self._parser: Any = httptools.HttpRequestParser(self)
        self._deaf = False  # what still comes is not looked at
        self._most = watch.limits.head_bytes
        self._in_head = False
        self._head_bytes = 0  # of an unfinished head, so far
        self._stuck = True  # what came last ended no head and held no body
        self._close_look = False  # heads may be too long, and are weighed as they are read
        self._weight = 0
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._arriving: Exchange | None = None
        self._current: Exchange | None = None
        self._next: deque[tuple[Exchange, Scope]] = deque()
        self.paused = False  # nothing more is taken from the client for now
        self._unclogged: asyncio.Future[None] | None = None

    # -- what the loop tells ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.outlet = Outlet(transport, self.watch.round, self._loop)
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
            "client": transport.get_extra_info("peername"),
            "server": transport.get_extra_info("sockname"),
        }
        if len(self._state.connections) > self.watch.limits.connections:
            most = self.watch.limits.connections
            self._refuse(503, f"Too many connections; expected at most {most}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._deaf = True
        self._parser = None
        self.outlet.lose()
        for exchange in (self._current, self._arriving, *(one for one, _ in self._next)):
            if exchange is not None:
                exchange.lose()
        self._next.clear()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._close_look = self._in_head or len(data) > self._most
        self._stuck = True
        rest = self._parse(data)
        while rest:
            rest = self._parse(rest)
        if self._next:
            self._advance()
        if self._in_head or self._arriving is not None:
            self._weigh_unfinished(len(data))

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; returns what it has to be fed yet."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._without_offer() + data[offer.args[0] :]
        except httptools.HttpParserError as error:
            cause = error.__context__ if isinstance(error.__context__, _Unreadable) else error
            self._refuse(getattr(cause, "status", 400), f"Not an HTTP request: {cause}")
        return b""

    def eof_received(self) -> bool:
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

    # -- what the parser tells -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._in_head = True
        self._head_bytes = self._weight = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        if self._close_look:
            self._weigh(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._close_look:
            self._weigh(len(name) + len(value))
        self._headers.append((_NAMES.get(name) or name.lower(), value))

    def _weigh(self, size: int) -> None:
        self._weight += size
        if self._weight > self._most:
            raise _too_much(self._most)

    def _weigh_unfinished(self, size: int) -> None:
        """A request is not whole: what leads it to no end is part of a head, or trails a body."""
        if self._in_head and not self._head_bytes and self._current is None:
            self.deadline = self.watch.now + self.watch.limits.head_seconds
        self._head_bytes = self._head_bytes + size if self._stuck else 0
        self._weight = len(self._url) + sum(len(name) + len(value) for name, value in self._headers)
        if self._head_bytes > self._most and not self._deaf:
            self._refuse(431, f"Not an HTTP request: {_too_much(self._most)}")

    def on_headers_complete(self) -> None:
        self._in_head = self._stuck = False
        if len(self._headers) > (most := self.watch.limits.headers):
            raise _Unreadable(431, f"expected at most {most} headers")
        parser = self._parser
        raw_method = parser.get_method()
        method = _METHODS.get(raw_method) or raw_method.decode("ascii")
        if method == "CONNECT":
            raise _Unreadable(400, "CONNECT asks for a tunnel; this is no proxy")
        if parser.should_upgrade():
            return  # the parser ends here, and begins again without the offer
        version = parser.get_http_version()
        path, raw_path, query = _target(self._url)
        expects = method not in _BODILESS and b"expect" in dict(self._headers)
        exchange = self._arriving = Exchange(
            self,
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            expects_continue=expects and version == "1.1",
            wants_head=method == "HEAD",
        )
        scope = {
            **self._scope,
            "http_version": version,
            "method": method,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
            EXCHANGE: exchange,
        }
        self._headers = _UNWANTED
        self._next.append((exchange, scope))

    def on_body(self, body: bytes) -> None:
        exchange, self._stuck = self._arriving, False
        if exchange is not None and not exchange.done and exchange.arrive(body) > _UNREAD:
            self._pause()

    def on_message_complete(self) -> None:
        exchange, self._arriving = self._arriving, None
        if exchange is None:
            return
        exchange.end()
        if exchange is self._current:
            self._wait_for(exchange)
        elif exchange.done and self._current is None:
            self._rest()

    def _without_offer(self) -> bytes:
        """The request without its offer of another protocol; the parser would skip its body."""
        version = self._parser.get_http_version().encode()
        lines = [self._parser.get_method() + b" " + self._url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self._headers if name != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        return b"\r\n".join(lines) + b"\r\n\r\n"

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
        self._state.total_requests += 1
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
        elif self._in_head:
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
            self._pause()

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
        rest = limits.head_seconds if self._in_head else limits.keep_alive_seconds
        self.deadline = self.watch.now + rest
        if self.paused and not self._next:
            self.listen()

    def _pause(self) -> None:
        if not self.paused:
            self.paused = True
            self.transport.pause_reading()

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


class _Unreadable(Exception):
    """What the parser may take for a request and we do not."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _too_much(most: int) -> _Unreadable:
    return _Unreadable(431, f"expected at most {most} bytes of request line and headers")


@lru_cache(maxsize=128)
def _target(url: bytes) -> tuple[str, bytes, bytes]:
    """The path, decoded and as it came, and the query of a request's target."""
    if not url.startswith(b"/"):  # the whole address, as a proxy gets it
        parsed = httptools.parse_url(url)
        raw, query = parsed.path or b"/", parsed.query or b""
    else:
        raw, _, query = url.partition(b"#")[0].partition(b"?")
    path = raw.decode("ascii")
    return unquote(path) if "%" in path else path, raw, query
