"""Send requests in parallel, or so that they reach the server at the same moment."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from mockhub.verify.threads import parallel
from mockhub.verify.transport import MAX_RESPONSE_SIZE, RawResponse, with_deadline

_HEAD_START = 0.005  # seconds
_INTERIM_STATUSES = range(102, 200)


class SimultaneousRequest(NamedTuple):
    """A request to send at the same moment as others: a GET of a path, or a POST of a body.

    Attributes:
        key: A role of the profile, a `RawKey`, or None.
        body: The fields of a JSON body, or an encoded body.
        path: What is read, below /api/v1 or as an absolute URL, which is sent as it is; "" for a
            generation.
        cost: The worst case in credits.
        headers: Further headers.
        unspecified: Whether the documentation leaves open how such a request is answered.
    """

    key: str | None
    body: object = None
    path: str = ""
    cost: int = 0
    headers: Mapping[str, str] = MappingProxyType({})
    unspecified: bool = False


@dataclass(frozen=True)
class PendingRequest:
    """A request to send at the same moment as others."""

    url: str
    headers: Mapping[str, str]
    content: bytes = b""
    method: str = "POST"

    def encode(self) -> bytes:
        """Return the request as HTTP/1.1."""
        split = urlsplit(self.url)
        headers = {"Host": split.netloc.rpartition("@")[2], **self.headers}
        if self.method == "POST" and "Transfer-Encoding" not in headers:
            headers["Content-Length"] = str(len(self.content))
        target = (split.path or "/") + (f"?{split.query}" if split.query else "")
        lines = [f"{self.method} {target} HTTP/1.1", *map(": ".join, headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.content


class _FinalResponse(http.client.HTTPResponse):
    """A response without the interim ones that may precede it; http.client skips only 100."""

    def begin(self) -> None:
        super().begin()
        while self.status in _INTERIM_STATUSES:
            vars(self)["headers"] = None  # `begin` reads a status line only without headers
            super().begin()


def send_simultaneously(
    requests: Sequence[PendingRequest],
    timeout: float,
    context: ssl.SSLContext | None = None,
    *,
    ahead: int = 0,
) -> list[RawResponse]:
    """Send all but the last byte of each request, then the last bytes together.

    The first requests, as many as *ahead*, are completed some milliseconds before the others.
    """
    connections = parallel([partial(_open, each, timeout, context) for each in requests])
    for number, (connection, request) in enumerate(zip(connections, requests, strict=True)):
        if number == ahead > 0:
            time.sleep(_HEAD_START)
        if connection is not None:
            with suppress(OSError):
                connection.sock.sendall(request.encode()[-1:])
    return parallel(
        [
            partial(with_deadline, timeout, partial(_read_response, connection, request.method))
            for connection, request in zip(connections, requests, strict=True)
        ]
    )


def _open(
    request: PendingRequest, timeout: float, context: ssl.SSLContext | None
) -> http.client.HTTPConnection | None:
    split = urlsplit(request.url)
    host, port = split.hostname or "", split.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        if split.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=timeout)
    )
    try:
        connection.connect()
        connection.sock.sendall(request.encode()[:-1])
    except OSError:
        connection.close()
        return None
    return connection


def _read_response(connection: http.client.HTTPConnection | None, method: str) -> RawResponse:
    if connection is None:
        return RawResponse(error="unreachable")
    try:
        response = _FinalResponse(connection.sock, method=method)
        response.begin()
        content = response.read(MAX_RESPONSE_SIZE + 1)
        if len(content) > MAX_RESPONSE_SIZE:
            return RawResponse(error="too large")
        headers = {name.lower(): value for name, value in response.getheaders()}
        decoded = httpx.Response(response.status, headers=headers, content=content).content
        return RawResponse(response.status, headers, decoded)
    except TimeoutError:
        return RawResponse(error="timeout")
    except (OSError, http.client.HTTPException, httpx.DecodingError):
        return RawResponse(error="closed")
    finally:
        connection.close()
