"""The HTTP client of the proxy: a pool of connections to one upstream."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mockhub.exceptions import MockhubError
from mockhub.proxy.connection import UpstreamConnection, request_head
from mockhub.proxy.errors import UpstreamError, timed_out, too_large, unreachable
from mockhub.proxy.target import Target

_MAX_IDLE = 32  # connections
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


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
    """A request to the upstream; *body* yields its parts, if it has one.

    Attributes:
        sent: Whether all of it was sent, so that the upstream may have processed it.
        exchange: Set when it is being sent.
    """

    method: str
    target: bytes
    headers: Iterable[tuple[bytes, bytes]]
    body: AsyncIterator[bytes] | None = None
    chunked: bool = False
    sent: bool = field(default=False, init=False)
    exchange: UpstreamExchange | None = field(default=None, init=False)


class UpstreamClient:
    """Sends requests to the target, over connections that are kept open.

    Args:
        target: The upstream.
        ca_file: Certificates of the authorities to trust instead of the system's, in PEM.
        timeouts: How long to wait.

    Raises:
        MockhubError: if the file cannot be used.
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
        self._ssl = _ssl_context(ca_file) if target.secure else None
        self._idle: list[UpstreamConnection] = []
        self._closed = False

    async def send(self, request: UpstreamRequest) -> UpstreamExchange:
        """Send a request and wait for the head of the response.

        The upstream may close an idle connection at any time. So a request that could be charged
        gets a new one, and a safe request is sent again over a new one.

        Raises:
            UpstreamError: if there is no response.
            Exception: what *body* raises; the upstream then never gets the end of the request.
        """
        if request.method in SAFE_METHODS and request.body is None:
            while (connection := self._take_idle()) is not None:
                try:
                    return await self._exchange(connection, request)
                except UpstreamError:
                    if connection.received or not connection.was_lost:
                        raise
        return await self._exchange(await self._connect(), request)

    def close(self) -> None:
        """Close the idle connections, and every other one when its exchange has ended."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def release(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next request, or close it if it cannot be used again."""
        if connection.is_reusable and not self._closed and len(self._idle) < _MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def _take_idle(self) -> UpstreamConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable:
                return connection
        return None

    async def _connect(self) -> UpstreamConnection:
        target, loop = self.target, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.timeouts.connect):
                _, connection = await loop.create_connection(
                    UpstreamConnection, target.host, target.port, ssl=self._ssl
                )
        except TimeoutError:
            limit = self.timeouts.connect
            raise timed_out(f"{target.origin} did not accept a connection in {limit:g} s") from None
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or str(error)
            hint = "; --ca-file trusts another authority" if "certificate" in str(error) else ""
            message = f"the TLS handshake with {target.origin} failed: {reason}{hint}"
            raise UpstreamError("upstreamTls", message) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise unreachable(f"cannot connect to {target.origin}: {reason}") from None
        return connection

    async def _exchange(
        self, connection: UpstreamConnection, request: UpstreamRequest
    ) -> UpstreamExchange:
        connection.start_exchange(request.method)
        exchange = request.exchange = UpstreamExchange(self, connection, request)
        try:
            await exchange.start()
        except BaseException:
            exchange.close()
            raise
        return exchange


class UpstreamExchange:
    """An exchange with the upstream; the head of the response has arrived."""

    def __init__(
        self, client: UpstreamClient, connection: UpstreamConnection, request: UpstreamRequest
    ) -> None:
        self._client = client
        self._connection = connection
        self._request = request
        self._origin = client.target.origin
        self._upload: asyncio.Task[None] | None = None

    @property
    def status(self) -> int:
        return self._connection.status

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return self._connection.headers

    async def start(self) -> None:
        """Send the request and wait for the head of the response, which may come early."""
        request, connection = self._request, self._connection
        head = request_head(request.method, request.target, request.headers)
        if request.body is not None:
            await self._send_body(head, request.body)
        else:
            await connection.write(head)
            request.sent = True
        timeout = self._client.timeouts.of(request.method)
        try:
            async with asyncio.timeout(timeout):
                await connection.wait_for_head()
        except TimeoutError:
            raise timed_out(f"{self._origin} did not respond in {timeout:g} s") from None

    async def _send_body(self, head: bytes, body: AsyncIterator[bytes]) -> None:
        """Send a request with a body, until its end or until a response arrives."""
        self._upload = asyncio.create_task(self._write_body(head, body))
        response = asyncio.create_task(self._connection.wait_for_head())
        try:
            await asyncio.wait((self._upload, response), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not response.cancel():
                response.exception()  # `start` raises it again
        if self._upload.done():
            self._upload.result()

    async def _write_body(self, head: bytes, body: AsyncIterator[bytes]) -> None:
        request = self._request
        await self._write(head)
        async for part in body:
            await self._write(b"%x\r\n%b\r\n" % (len(part), part) if request.chunked else part)
        request.sent = True  # even if the last bytes do not arrive
        if request.chunked:
            await self._write(b"0\r\n\r\n")

    async def _write(self, data: bytes) -> None:
        idle = self._client.timeouts.idle
        try:
            async with asyncio.timeout(idle):
                await self._connection.write(data)
        except TimeoutError:
            message = f"{self._origin} read nothing of the request in {idle:g} s"
            raise timed_out(message) from None

    async def read(self) -> bytes:
        """Return the next part of the body, b"" at its end; raises UpstreamError."""
        idle = self._client.timeouts.idle
        try:
            async with asyncio.timeout(idle):
                return await self._connection.read()
        except TimeoutError:
            message = f"{self._origin} sent nothing of its response in {idle:g} s"
            raise timed_out(message) from None

    async def read_all(self, max_bytes: int) -> bytes:
        """Return the whole body; raises UpstreamError, also if it is longer than *max_bytes*."""
        body = bytearray()
        while part := await self.read():
            body += part
            if len(body) > max_bytes:
                raise too_large(max_bytes)
        return bytes(body)

    def abort(self) -> None:
        """Close the connection; what waits for the response gets an UpstreamError."""
        self._connection.fail("the client disconnected")

    def close(self) -> None:
        """End the exchange; keep the connection if all of it was sent and read."""
        if self._upload is not None:
            if self._upload.done():
                _ = self._upload.cancelled() or self._upload.exception()
            else:
                self._upload.cancel()
                self._connection.close()
        self._client.release(self._connection)


def _ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MockhubError(f"--ca-file {ca_file}: {reason}; expected certificates in PEM") from None
