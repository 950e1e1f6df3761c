"""The HTTP client of the proxy: aiohttp, with our timeouts and errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from mockhub.exceptions import MockhubError
from mockhub.proxy.errors import UpstreamError, invalid_response, stopped, timed_out, too_large
from mockhub.proxy.target import Target
from mockhub.server.write_buffer import abort
from mockhub.web.responses import Headers

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

_MAX_HEADER_BYTES = 64 * 1024
_FIRST_FINAL_STATUS = 200
_ADDED_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # by aiohttp


@dataclass(frozen=True)
class UpstreamTimeouts:
    """How long the proxy waits for the upstream, in seconds.

    Attributes:
        connect: For a connection, with its TLS handshake.
        response: For the response to a request that is not safe, such as a generation.
        safe: For the response to GET, HEAD and OPTIONS.
        idle: For the next bytes of a response, and until the next bytes of a request are read.
    """

    connect: float = 10.0
    response: float = 810.0
    safe: float = 60.0
    idle: float = 60.0

    def of(self, method: str) -> float:
        return min(self.safe, self.response) if method in SAFE_METHODS else self.response


@dataclass
class UpstreamRequest:
    """A request to the upstream; *body* yields its parts, if it has one. The URL is not normalized.

    Attributes:
        sent: Whether all of it was sent, so that the upstream may have processed it.
        exchange: Set when it is being sent.
    """

    method: str
    url: str
    headers: Iterable[tuple[bytes, bytes]]
    body: AsyncIterator[bytes] | None = None
    sent: bool = field(default=False, init=False)
    exchange: UpstreamExchange | None = field(default=None, init=False)

    @property
    def may_be_charged(self) -> bool:
        return self.sent and self.method not in SAFE_METHODS


class _Connector(aiohttp.TCPConnector):
    """Resets connections that are closed with unsent data, which might never be read."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        transport, loop = connection.transport, asyncio.get_running_loop()

        def on_release() -> None:
            if transport is not None and transport.get_write_buffer_size():
                loop.call_soon(_reset_unsent, transport)

        connection.add_callback(on_release)
        return connection


def _reset_unsent(transport: asyncio.Transport) -> None:
    if transport.is_closing() and transport.get_write_buffer_size():
        abort(transport, reset=True)


class UpstreamClient:
    """Sends requests to the target, and to the hosts of its images.

    The upstream may close an idle connection at any time. So a request that could be charged gets
    a new one and is never sent again, and a safe request is sent again over a new one by aiohttp.

    Args:
        target: The upstream.
        ca_file: Certificates of the authorities to trust instead of the system's, in PEM.
        timeouts: How long to wait.

    Raises:
        MockhubError: if the file cannot be used, or the target has no TLS.
    """

    def __init__(
        self,
        target: Target,
        *,
        ca_file: Path | None = None,
        timeouts: UpstreamTimeouts | None = None,
    ) -> None:
        self.target = target
        self.timeouts = timeouts or UpstreamTimeouts()
        if ca_file and not target.secure:
            raise MockhubError(f"--ca-file needs a target with https, not {target.url}")
        self.is_closed = False
        self._ssl = _ssl_context(ca_file) if ca_file else True
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # by whether requests are safe
        self._closing: list[asyncio.Task[None]] = []

    async def send(self, request: UpstreamRequest) -> UpstreamExchange:
        """Send a request and wait for the head of the response.

        Raises:
            UpstreamError: if there is no response.
            Exception: what *body* raises; the upstream then never gets the end of the request.
        """
        if self.is_closed:
            raise stopped(may_be_charged=False)
        exchange = request.exchange = UpstreamExchange(self, request)
        is_to_target = exchange.origin == self.target.origin
        session = self._session(request.method in SAFE_METHODS)
        await exchange.start(session, self._ssl if is_to_target else True)
        return exchange

    def close(self) -> None:
        """Close all connections, because the proxy stops."""
        self.is_closed = True
        self._closing += [asyncio.ensure_future(one.close()) for one in self._sessions.values()]
        self._sessions.clear()

    def _session(self, is_safe: bool) -> aiohttp.ClientSession:
        if is_safe not in self._sessions:
            self._sessions[is_safe] = aiohttp.ClientSession(
                connector=_Connector(limit=0, force_close=not is_safe),
                timeout=aiohttp.ClientTimeout(total=None, connect=self.timeouts.connect),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_ADDED_HEADERS,
                auto_decompress=False,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._sessions[is_safe]


class UpstreamExchange:
    """An exchange with the upstream; the head of the response has arrived."""

    def __init__(self, client: UpstreamClient, request: UpstreamRequest) -> None:
        self._client, self._timeouts, self._request = client, client.timeouts, request
        parts = urlsplit(request.url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._is_secure = parts.scheme == "https"
        self._deadline = asyncio.timeout(None)
        self._response: aiohttp.ClientResponse | None = None
        self._body_error: Exception | None = None
        self.status = 0
        self.headers: Headers = ()

    async def start(self, session: aiohttp.ClientSession, ssl: ssl.SSLContext | bool) -> None:
        """Send the request and wait for the head of the response, which may come early."""
        request, timeout = self._request, self._timeouts.of(self._request.method)
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers
        ]
        try:
            async with self._deadline:
                if request.body is None:
                    self._expect_response()
                self._response = await session.request(
                    request.method,
                    URL(request.url, encoded=True),
                    headers=headers,
                    data=None if request.body is None else self._body(request.body),
                    allow_redirects=False,
                    ssl=ssl,
                )
        except TimeoutError as error:
            if isinstance(error, aiohttp.ClientError):
                raise timed_out(f"{self.origin}: {error}") from None
            problem = "did not respond" if request.sent else "read nothing of the request"
            limit = timeout if request.sent else self._timeouts.idle
            raise timed_out(f"{self.origin} {problem} in {limit:g} s") from None
        except aiohttp.ClientError as error:
            if self._body_error is not None:
                raise self._body_error from None
            raise self._to_upstream_error(error) from None
        except ValueError:
            raise invalid_response(f"{request.url[:200]!r} is no URL") from None
        if self._response.status < _FIRST_FINAL_STATUS:
            self.close()
            raise invalid_response("the upstream switched protocols")
        self.status = self._response.status
        raw_headers = self._response.raw_headers
        self.headers = tuple((name.lower(), value) for name, value in raw_headers)

    async def _body(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the body, and note how it ends."""
        try:
            async for part in parts:
                self._limit(self._timeouts.idle)  # until the upstream has read it
                yield part
                self._limit(None)
        except Exception as error:
            self._body_error = error
            raise
        self._expect_response()

    def _expect_response(self) -> None:
        self._request.sent = True
        self._limit(self._timeouts.of(self._request.method))

    def _limit(self, seconds: float | None) -> None:
        if self._response is None:
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(None if seconds is None else now + seconds)

    async def read(self) -> bytes:
        """Return the next part of the body, b"" at its end; raises UpstreamError."""
        assert self._response is not None
        content, idle = self._response.content, self._timeouts.idle
        if content.is_eof() and content.exception() is None:
            return content.read_nowait()
        try:
            async with asyncio.timeout(idle):
                return await content.readany()
        except TimeoutError:
            message = f"{self.origin} sent nothing of its response in {idle:g} s"
            raise timed_out(message) from None
        except aiohttp.ClientError as error:
            raise self._to_upstream_error(error) from None

    async def read_all(self, max_bytes: int) -> bytes:
        """Return the whole body; raises UpstreamError, also if it is longer than *max_bytes*."""
        body, limit = bytearray(), self._timeouts.of(self._request.method)
        end = asyncio.get_running_loop().time() + limit
        while part := await self.read():
            body += part
            if len(body) > max_bytes:
                raise too_large(max_bytes)
            if asyncio.get_running_loop().time() > end:
                raise timed_out(f"the upstream's response did not end in {limit:g} s")
        return bytes(body)

    def abort(self) -> None:
        """Let what waits for the upstream raise an UpstreamError at once."""
        if self._response is not None:
            self._response.close()
        else:
            with suppress(RuntimeError):  # it has failed already
                self._limit(0)

    def close(self) -> None:
        """End the exchange; its connection is used again if the whole response was read."""
        if self._response is not None:
            self._response.close()

    def _to_upstream_error(self, error: aiohttp.ClientError) -> UpstreamError:
        if self._client.is_closed:
            return stopped(may_be_charged=self._request.may_be_charged)
        if isinstance(error, aiohttp.ClientSSLError):
            cause = error.os_error
            reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or cause
            is_untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
            hint = "; give --ca-file FILE to trust it" if is_untrusted else ""
            message = f"the TLS handshake with {self.origin} failed: {reason}{hint}"
            return UpstreamError("upstreamTls", message)
        if isinstance(error, aiohttp.ClientConnectorError):
            cause = error.os_error
            is_refused = isinstance(cause, ConnectionRefusedError)
            if isinstance(cause, ConnectionError) and not is_refused and self._is_secure:
                message = f"{self.origin} closed the connection during the TLS handshake"
                return UpstreamError("upstreamTls", message)
            reason = cause.strerror or str(cause)
            message = f"cannot connect to {self.origin}: {reason}"
            return UpstreamError("upstreamUnreachable", message)
        if isinstance(error, aiohttp.ClientResponseError):
            return invalid_response(f"the upstream's response is not HTTP: {error.message}")
        reason = str(error) or type(error).__name__
        return invalid_response(f"the upstream closed the connection too early: {reason}")


def _ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MockhubError(f"--ca-file {ca_file}: {reason}; expected certificates in PEM") from None
