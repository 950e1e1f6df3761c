"""Parse HTTP/1.1 requests with httptools, and limit the size of what is not a body."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote

import httptools

from mockhub._text import format_value
from mockhub.exceptions import MockhubError
from mockhub.server.request_cycle import RequestResponseCycle
from mockhub.web.asgi import Scope
from mockhub.web.limits import Limits

HIGH_WATER_LIMIT = 64 * 1024  # bytes of a body that the application has not read yet
_DISCARD: Any = deque(maxlen=0)  # takes the trailers of a chunked body, and drops them
# Recorded requests share these strings, which makes the journal smaller.
_COMMON_HEADERS = [
    *("accept", "accept-encoding", "accept-language", "authorization", "connection"),
    *("content-length", "content-type", "host", "user-agent"),
]
_HEADER_NAMES = {
    spelling.encode(): name.encode()
    for name in _COMMON_HEADERS
    for spelling in (name, name.title())
}
_MAX_CACHED = 1000  # bytes of a request target
_HTTP2_PREFACE = b"PRI * HTTP/2.0"  # of a client that offers nothing else
_BODILESS_METHODS = ("GET", "HEAD", "OPTIONS")


class BadRequest(MockhubError):
    """The input is not an HTTP request, or exceeds a limit. No further input can be parsed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestHandler(Protocol):
    """What receives the parsed requests."""

    def on_request(
        self, scope: Scope, *, keep_alive: bool, expects_continue: bool
    ) -> RequestResponseCycle:
        """Return the cycle of a request whose head is complete."""

    def on_body_full(self) -> None:
        """Pause reading: the application has more than `HIGH_WATER_LIMIT` bytes to read."""

    def on_request_complete(self, cycle: RequestResponseCycle) -> None:
        """Take note that the body is complete."""


class RequestParser:
    """Parses the input of one connection.

    Args:
        handler: Receives the requests.
        limits: The bounds on the size and number of headers.
        base_scope: The part of the ASGI scope that all requests of the connection share.

    Attributes:
        in_headers: The head of a request has begun and is not complete.
        incomplete_cycle: The request whose body is not complete.
    """

    def __init__(self, handler: RequestHandler, limits: Limits, base_scope: Scope) -> None:
        self.in_headers = False
        self.incomplete_cycle: RequestResponseCycle | None = None
        self._handler = handler
        self._base_scope = base_scope
        self._parser: Any = httptools.HttpRequestParser(self)
        self._max_header_bytes = limits.max_header_bytes
        self._max_headers = limits.max_headers
        self._incomplete_bytes = 0  # of the unfinished head or trailers
        self._no_progress = True  # the last input completed no head and had no part of a body
        self._enforce_limits = False  # the head may be too large: check each header
        self._header_size = 0
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> None:
        """Parse more input.

        Raises:
            BadRequest: if it is not HTTP, or exceeds a limit.
        """
        self._enforce_limits = self.in_headers or len(data) > self._max_header_bytes
        self._no_progress = True
        remaining = self._parse(data)
        while remaining:
            remaining = self._parse(remaining)
        if self.in_headers or self.incomplete_cycle is not None:
            self._check_incomplete_size(len(data))

    def close(self) -> None:
        """Break the reference cycle of the parser and its callbacks."""
        self._parser = None

    def _parse(self, data: bytes) -> bytes:
        """Parse *data*; return what has to be parsed again."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._strip_upgrade() + data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, BadRequest):
                raise error.__context__ from None
            if data.startswith(_HTTP2_PREFACE):
                raise _unsupported_version("2") from None
            raise BadRequest(400, f"Not an HTTP request: {error}") from None
        return b""

    # -- called by httptools ---------------------------------------------------------------------

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
            raise BadRequest(431, f"Too many headers; expected at most {self._max_headers}")
        parser = self._parser
        method = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        if method == "CONNECT":
            raise BadRequest(400, "CONNECT requests a tunnel; this is not a proxy")
        if version not in ("1.1", "1.0"):
            raise _unsupported_version(version)
        fields = dict(self._headers)
        if b"transfer-encoding" in fields:
            _check_transfer_encoding(self._headers)
        expects_continue = (
            b"expect" in fields and version == "1.1" and _expects_continue(fields[b"expect"])
        )
        if parser.should_upgrade():
            return  # feed_data raises HttpParserUpgrade; _strip_upgrade parses the head again
        path, raw_path, query = split_target(self._url)
        scope = {
            **self._base_scope,
            "http_version": version,
            "method": method,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
        }
        self._headers = _DISCARD
        self.incomplete_cycle = self._handler.on_request(
            scope,
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            expects_continue=expects_continue and method not in _BODILESS_METHODS,
        )

    def on_body(self, body: bytes) -> None:
        cycle, self._no_progress = self.incomplete_cycle, False
        if cycle is None or cycle.response_complete:
            return
        if cycle.feed_body(body) > HIGH_WATER_LIMIT:
            self._handler.on_body_full()

    def on_message_complete(self) -> None:
        cycle, self.incomplete_cycle = self.incomplete_cycle, None
        if cycle is not None:
            cycle.end_of_body()
            self._handler.on_request_complete(cycle)

    def _strip_upgrade(self) -> bytes:
        """Return the head without `Upgrade`, for a new parser: the old one would skip the body."""
        version = self._parser.get_http_version().encode()
        lines = [self._parser.get_method() + b" " + self._url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self._headers if name != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    # -- size limits -----------------------------------------------------------------------------

    def _check_header_size(self, size: int) -> None:
        self._header_size += size
        if self._header_size > self._max_header_bytes:
            raise self._headers_too_large()

    def _check_incomplete_size(self, size: int) -> None:
        """Limit the input that completes nothing: part of a head, or trailers of a body."""
        self._incomplete_bytes = self._incomplete_bytes + size if self._no_progress else 0
        self._header_size = len(self._url) + sum(
            len(name) + len(value) for name, value in self._headers
        )
        if self._incomplete_bytes > self._max_header_bytes:
            raise self._headers_too_large()

    def _headers_too_large(self) -> BadRequest:
        most = self._max_header_bytes
        return BadRequest(
            431, f"Headers too large; expected at most {most} bytes with the request line"
        )


def _unsupported_version(version: str) -> BadRequest:
    return BadRequest(400, f"HTTP/{version} is not supported; expected HTTP/1.1 or 1.0")


def _check_transfer_encoding(headers: list[tuple[bytes, bytes]]) -> None:
    """Reject what is not chunked at last, which has no end, or is encoded (RFC 9112, 6)."""
    text = b", ".join(value for name, value in headers if name == b"transfer-encoding")
    *encodings, last = text.decode("latin-1").lower().split(",")
    if encodings or last.strip() != "chunked":
        status = 501 if last.strip() == "chunked" else 400
        shown = format_value(text.decode("latin-1"))
        raise BadRequest(status, f"Transfer-Encoding: {shown} is not supported; expected chunked")


def _expects_continue(value: bytes) -> bool:
    """Return whether the client waits for 100 Continue; reject other expectations (RFC 9110)."""
    expectation = value.strip().lower()
    if expectation in (b"", b"100-continue"):
        return bool(expectation)
    shown = format_value(value.decode("latin-1"))
    raise BadRequest(417, f"Expect: {shown} is not supported; expected 100-continue")


def split_target(url: bytes) -> tuple[str, bytes, bytes]:
    """Return the decoded path, the raw path and the query string of a request target."""
    return _split_short_target(url) if len(url) <= _MAX_CACHED else _split(url)


def _split(url: bytes) -> tuple[str, bytes, bytes]:
    if not url.startswith(b"/"):  # an absolute URL, as a proxy gets it
        parsed = httptools.parse_url(url)
        raw_path, query = parsed.path or b"/", parsed.query or b""
    else:
        raw_path, _, query = url.partition(b"#")[0].partition(b"?")
    path = raw_path.decode("ascii")
    return unquote(path) if "%" in path else path, raw_path, query


_split_short_target = lru_cache(maxsize=128)(_split)
