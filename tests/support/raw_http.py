"""Send requests as bytes over a socket, and read the responses."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from tests.support.live_server import KEY

EXAMPLES = int(os.environ.get("MOCKHUB_HOSTILE", "400"))  # generated requests
TIMEOUT = 30  # seconds until a silent server counts as hanging
_MAX_SHOWN = 3000  # bytes of a connection that a failure shows

MODELS = b"GET /api/v1/models HTTP/1.1\r\nHost: mock\r\n\r\n"
AUTH = b"Authorization: Bearer " + KEY.encode() + b"\r\n"
_CONTENT_LENGTH = re.compile(rb"content-length: ([0-9]+)")


class RawResponse(NamedTuple):
    """A response: its status, its head and its body."""

    status: int
    head: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HasUrl(Protocol):
    @property
    def url(self) -> str: ...


class RawClient(socket.socket):
    """A socket that remembers what was last sent."""

    sent = b""

    def sendall(self, data: bytes) -> None:  # type: ignore[override]
        self.sent = (self.sent + data)[-_MAX_SHOWN:]
        super().sendall(data)

    def timeout_error(self, received: bytes) -> AssertionError:
        """Return the failure for a server that sends nothing more."""
        return AssertionError(
            f"nothing more within {self.gettimeout():g} s, on a machine with a load of"
            f" {os.getloadavg()[0]:.1f}; sent ...{self.sent!r};"
            f" received {received[-_MAX_SHOWN:]!r}"
        )


@contextmanager
def connect(server: HasUrl) -> Iterator[RawClient]:
    host, port = server.url.removeprefix("http://").split(":")
    with RawClient(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(TIMEOUT)
        client.connect((host, int(port)))
        yield client


def post_request(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """Return a generation request, whose Content-Length may be wrong."""
    head = [
        b"POST /api/v1/images/generations HTTP/1.1",
        b"Host: mock",
        b"Content-Type: application/json",
        b"Content-Length: %d" % (len(body) if length is None else length),
        *headers,
    ]
    return b"\r\n".join(head) + b"\r\n" + AUTH + b"\r\n" + body


def read_responses(client: RawClient, count: int = 1) -> list[RawResponse]:
    """Read *count* responses, or fewer if the server closes the connection before."""
    responses: list[RawResponse] = []
    raw = b""
    while len(responses) < count:
        head, end, rest = raw.partition(b"\r\n\r\n")
        content_length = _CONTENT_LENGTH.search(head)
        size = int(content_length[1]) if content_length else 0
        if end and len(rest) >= size:
            responses.append(RawResponse(int(head.split()[1]), head, rest[:size]))
            raw = rest[size:]
        elif more := _receive(client, responses, raw):
            raw += more
        else:
            assert not raw, f"incomplete response: {raw!r}"
            break
    return responses


def _receive(client: RawClient, responses: list[RawResponse], raw: bytes) -> bytes:
    try:
        return client.recv(65536)
    except TimeoutError:
        heads = b"".join(response.head for response in responses)
        raise client.timeout_error(heads + raw) from None


def exchange(server: HasUrl, raw: bytes, count: int = 1) -> list[RawResponse]:
    """Send *raw* on a new connection and read the responses."""
    with connect(server) as client:
        client.sendall(raw)
        return read_responses(client, count)


def is_closed(client: RawClient) -> bool:
    """Return whether the server closes the connection, once it does or sends more."""
    try:
        return client.recv(65536) == b""
    except ConnectionResetError:
        return True


def read_until_closed(server: HasUrl, raw: bytes) -> bytes:
    """Send *raw*, half-close the connection, and return everything that the server sends."""
    received = b""
    with connect(server) as client:
        try:
            with suppress(ConnectionError):  # the server may respond and close before the end
                client.sendall(raw)
                client.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while data := client.recv(1 << 20):
                    received += data
        except TimeoutError:
            raise client.timeout_error(received) from None
    return received
