"""What comes on a connection, read as requests: httptools parses, and long heads are weighed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools

from mockhub.exceptions import MockhubError
from mockhub.server.request_cycle import RequestResponseCycle
from mockhub.web.asgi import CYCLE_SCOPE_KEY, Scope
from mockhub.web.limits import Limits

if TYPE_CHECKING:
    from mockhub.server.protocol import HttpProtocol

HIGH_WATER_LIMIT = 64 * 1024  # bytes of a body that wait for the app before the client has to
_DISCARD: Any = deque(maxlen=0)  # takes what trails a chunked body, and keeps nothing
# The usual names, once for all requests: the journal keeps what comes, and copies cost their keep.
_COMMON_HEADERS = [
    *("accept", "accept-encoding", "accept-language", "authorization", "connection"),
    *("content-length", "content-type", "host", "user-agent"),
]
_HEADER_NAMES = {
    spelt.encode(): name.encode() for name in _COMMON_HEADERS for spelt in (name, name.title())
}
_COMMON_METHODS = {name.encode(): name for name in ("GET", "POST", "HEAD", "OPTIONS")}
_BODILESS_METHODS = ("GET", "HEAD", "OPTIONS")


class BadRequest(MockhubError):
    """What is no request, or one that we do not take; the message follows "Not an HTTP request"."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestParser:
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
        protocol: HttpProtocol,
        on_request: Callable[[tuple[RequestResponseCycle, Scope]], None],
        limits: Limits,
        base_scope: Scope,
    ) -> None:
        self.in_headers = False
        self.incomplete_cycle: RequestResponseCycle | None = None
        self._protocol = protocol
        self._on_request = on_request
        self._base_scope = base_scope
        self._parser: Any = httptools.HttpRequestParser(self)
        self._max_header_bytes = limits.max_header_bytes
        self._max_headers = limits.max_headers
        self._incomplete_bytes = 0  # of an unfinished head, so far
        self._no_progress = True  # what came last ended no head and held no body
        self._enforce_limits = False  # heads may be too long, and are weighed as they are read
        self._header_size = 0
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> None:
        """Read on; raises Unreadable."""
        self._enforce_limits = self.in_headers or len(data) > self._max_header_bytes
        self._no_progress = True
        remaining = self._parse(data)
        while remaining:
            remaining = self._parse(remaining)
        if self.in_headers or self.incomplete_cycle is not None:
            self._check_incomplete_size(len(data))

    def close(self) -> None:
        """Nothing more comes; the parser and its callbacks hold each other."""
        self._parser = None

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; returns what it has to be fed yet."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._strip_upgrade() + data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, BadRequest):
                raise error.__context__ from None
            raise BadRequest(400, str(error)) from None
        return b""

    # -- what the parser tells -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self.in_headers = True
        self._incomplete_bytes = self._header_size = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        if self._enforce_limits:
            self._check_header_size(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._enforce_limits:
            self._check_header_size(len(name) + len(value))
        self._headers.append((_HEADER_NAMES.get(name) or name.lower(), value))

    def on_headers_complete(self) -> None:
        self.in_headers = self._no_progress = False
        if len(self._headers) > self._max_headers:
            raise BadRequest(431, f"expected at most {self._max_headers} headers")
        parser = self._parser
        raw_method = parser.get_method()
        method = _COMMON_METHODS.get(raw_method) or raw_method.decode("ascii")
        if method == "CONNECT":
            raise BadRequest(400, "CONNECT asks for a tunnel; this is no proxy")
        if parser.should_upgrade():
            return  # the parser ends here, and begins again without the offer
        version = parser.get_http_version()
        path, raw_path, query = _split_target(self._url)
        has_expect = method not in _BODILESS_METHODS and b"expect" in dict(self._headers)
        cycle = self.incomplete_cycle = RequestResponseCycle(
            self._protocol,
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            expects_continue=has_expect and version == "1.1",
            is_head=method == "HEAD",
        )
        scope = {
            **self._base_scope,
            "http_version": version,
            "method": method,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
            CYCLE_SCOPE_KEY: cycle,
        }
        self._headers = _DISCARD
        self._on_request((cycle, scope))

    def on_body(self, body: bytes) -> None:
        cycle, self._no_progress = self.incomplete_cycle, False
        if (
            cycle is not None
            and not cycle.response_complete
            and cycle.feed_body(body) > HIGH_WATER_LIMIT
        ):
            self._protocol.pause_reading()

    def on_message_complete(self) -> None:
        cycle, self.incomplete_cycle = self.incomplete_cycle, None
        if cycle is not None:
            cycle.end_of_body()
            self._protocol.on_request_complete(cycle)

    def _strip_upgrade(self) -> bytes:
        """The request without its offer of another protocol; the parser would skip its body."""
        version = self._parser.get_http_version().encode()
        lines = [self._parser.get_method() + b" " + self._url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self._headers if name != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    # -- what is too long ------------------------------------------------------------------------

    def _check_header_size(self, size: int) -> None:
        self._header_size += size
        if self._header_size > self._max_header_bytes:
            raise self._headers_too_large()

    def _check_incomplete_size(self, size: int) -> None:
        """A request is not whole: what leads it to no end is part of a head, or trails a body."""
        self._incomplete_bytes = self._incomplete_bytes + size if self._no_progress else 0
        self._header_size = len(self._url) + sum(
            len(name) + len(value) for name, value in self._headers
        )
        if self._incomplete_bytes > self._max_header_bytes:
            raise self._headers_too_large()

    def _headers_too_large(self) -> BadRequest:
        return BadRequest(
            431, f"expected at most {self._max_header_bytes} bytes of request line and headers"
        )


@lru_cache(maxsize=128)
def _split_target(url: bytes) -> tuple[str, bytes, bytes]:
    """The path, decoded and as it came, and the query of a request's target."""
    if not url.startswith(b"/"):  # the whole address, as a proxy gets it
        parsed = httptools.parse_url(url)
        raw_path, query = parsed.path or b"/", parsed.query or b""
    else:
        raw_path, _, query = url.partition(b"#")[0].partition(b"?")
    path = raw_path.decode("ascii")
    return unquote(path) if "%" in path else path, raw_path, query
