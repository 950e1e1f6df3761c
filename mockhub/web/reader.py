"""What comes on a connection, read as requests: httptools parses, and long heads are weighed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools

from mockhub.web.asgi import Scope
from mockhub.web.exchange import Exchange
from mockhub.web.limits import Limits
from mockhub.web.transport import EXCHANGE

if TYPE_CHECKING:
    from mockhub.web.connection import Connection

_UNREAD = 64 * 1024  # bytes of a body that wait for the app before the client has to
_UNWANTED: Any = deque(maxlen=0)  # takes what trails a chunked body, and keeps nothing
# The usual names, once for all requests: the journal keeps what comes, and copies cost their keep.
_USUAL = [
    *("accept", "accept-encoding", "accept-language", "authorization", "connection"),
    *("content-length", "content-type", "host", "user-agent"),
]
_NAMES = {spelt.encode(): name.encode() for name in _USUAL for spelt in (name, name.title())}
_METHODS = {name.encode(): name for name in ("GET", "POST", "HEAD", "OPTIONS")}
_BODILESS = ("GET", "HEAD", "OPTIONS")


class Unreadable(Exception):
    """What is no request, or one that we do not take; the message follows "Not an HTTP request"."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Reader:
    """Makes exchanges of bytes.

    Args:
        connection: where they come from.
        tell: told of each exchange, with its scope, as its head is whole.
        limits: how long a head may be.
        scope: what all scopes have in common.

    Attributes:
        in_head: a head has begun and is not whole.
        arriving: the exchange whose request is not whole.
    """

    def __init__(
        self,
        connection: Connection,
        tell: Callable[[tuple[Exchange, Scope]], None],
        limits: Limits,
        scope: Scope,
    ) -> None:
        self.in_head = False
        self.arriving: Exchange | None = None
        self._connection = connection
        self._tell = tell
        self._scope = scope
        self._parser: Any = httptools.HttpRequestParser(self)
        self._most = limits.head_bytes
        self._most_headers = limits.headers
        self._head_bytes = 0  # of an unfinished head, so far
        self._stuck = True  # what came last ended no head and held no body
        self._close_look = False  # heads may be too long, and are weighed as they are read
        self._weight = 0
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> None:
        """Read on; raises Unreadable."""
        self._close_look = self.in_head or len(data) > self._most
        self._stuck = True
        rest = self._parse(data)
        while rest:
            rest = self._parse(rest)
        if self.in_head or self.arriving is not None:
            self._weigh_unfinished(len(data))

    def close(self) -> None:
        """Nothing more comes; the parser and its callbacks hold each other."""
        self._parser = None

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; returns what it has to be fed yet."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._without_offer() + data[offer.args[0] :]
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, Unreadable):
                raise error.__context__ from None
            raise Unreadable(400, str(error)) from None
        return b""

    # -- what the parser tells -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self.in_head = True
        self._head_bytes = self._weight = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        if self._close_look:
            self._weigh(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._close_look:
            self._weigh(len(name) + len(value))
        self._headers.append((_NAMES.get(name) or name.lower(), value))

    def on_headers_complete(self) -> None:
        self.in_head = self._stuck = False
        if len(self._headers) > self._most_headers:
            raise Unreadable(431, f"expected at most {self._most_headers} headers")
        parser = self._parser
        raw_method = parser.get_method()
        method = _METHODS.get(raw_method) or raw_method.decode("ascii")
        if method == "CONNECT":
            raise Unreadable(400, "CONNECT asks for a tunnel; this is no proxy")
        if parser.should_upgrade():
            return  # the parser ends here, and begins again without the offer
        version = parser.get_http_version()
        path, raw_path, query = _target(self._url)
        expects = method not in _BODILESS and b"expect" in dict(self._headers)
        exchange = self.arriving = Exchange(
            self._connection,
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
        self._tell((exchange, scope))

    def on_body(self, body: bytes) -> None:
        exchange, self._stuck = self.arriving, False
        if exchange is not None and not exchange.done and exchange.arrive(body) > _UNREAD:
            self._connection.pause()

    def on_message_complete(self) -> None:
        exchange, self.arriving = self.arriving, None
        if exchange is not None:
            exchange.end()
            self._connection.whole(exchange)

    def _without_offer(self) -> bytes:
        """The request without its offer of another protocol; the parser would skip its body."""
        version = self._parser.get_http_version().encode()
        lines = [self._parser.get_method() + b" " + self._url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self._headers if name != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    # -- what is too long ------------------------------------------------------------------------

    def _weigh(self, size: int) -> None:
        self._weight += size
        if self._weight > self._most:
            raise self._too_much()

    def _weigh_unfinished(self, size: int) -> None:
        """A request is not whole: what leads it to no end is part of a head, or trails a body."""
        self._head_bytes = self._head_bytes + size if self._stuck else 0
        self._weight = len(self._url) + sum(len(name) + len(value) for name, value in self._headers)
        if self._head_bytes > self._most:
            raise self._too_much()

    def _too_much(self) -> Unreadable:
        return Unreadable(431, f"expected at most {self._most} bytes of request line and headers")


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
