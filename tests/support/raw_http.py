"""Requests as bytes, and what comes back on the socket."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from tests.support.live_server import KEY

EXAMPLES = int(os.environ.get("MOCKHUB_HOSTILE", "400"))  # requests that are generated
SHOWN = 3000  # bytes of a conversation that a failure tells
PATIENCE = 30  # seconds until a silent server counts as hanging

MODELS = b"GET /api/v1/models HTTP/1.1\r\nHost: mock\r\n\r\n"
AUTH = b"Authorization: Bearer " + KEY.encode() + b"\r\n"
_LENGTH = re.compile(rb"content-length: ([0-9]+)")


class RawResponse(NamedTuple):
    """One answer: its status, its head and its body."""

    status: int
    head: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HasUrl(Protocol):
    """What is spoken to."""

    @property
    def url(self) -> str: ...


class RawClient(socket.socket):
    """A bare connection to a server, which remembers what was last sent on it."""

    sent = b""

    def sendall(self, data: bytes) -> None:  # type: ignore[override]
        self.sent = (self.sent + data)[-SHOWN:]
        super().sendall(data)

    def timeout_error(self, heard: bytes) -> AssertionError:
        """The failure that tells of a server that says no more."""
        return AssertionError(
            f"nothing more within {self.gettimeout():g} s, on a machine with a load of"
            f" {os.getloadavg()[0]:.1f}; sent ...{self.sent!r}; heard {heard[-SHOWN:]!r}"
        )


@contextmanager
def connect(server: HasUrl) -> Iterator[RawClient]:
    """A bare connection to the server."""
    host, port = server.url.removeprefix("http://").split(":")
    with RawClient(socket.AF_INET, socket.SOCK_STREAM) as line:
        line.settimeout(PATIENCE)
        line.connect((host, int(port)))
        yield line


def post_request(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """A generation request; *length* may lie."""
    head = [
        b"POST /api/v1/images/generations HTTP/1.1",
        b"Host: mock",
        b"Content-Type: application/json",
        b"Content-Length: %d" % (len(body) if length is None else length),
        *headers,
    ]
    return b"\r\n".join(head) + b"\r\n" + AUTH + b"\r\n" + body


def read_responses(line: RawClient, count: int = 1) -> list[RawResponse]:
    """The next answers; fewer if the server closes before."""
    found: list[RawResponse] = []
    raw = b""
    while len(found) < count:
        head, end, rest = raw.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if end and len(rest) >= size:
            found.append(RawResponse(int(head.split()[1]), head, rest[:size]))
            raw = rest[size:]
        elif more := receive_more(line, found, raw):
            raw += more
        else:
            assert not raw, f"half an answer: {raw!r}"
            break
    return found


def receive_more(line: RawClient, found: list[RawResponse], raw: bytes) -> bytes:
    """The next bytes that come, after answers that were *found* and *raw*."""
    try:
        return line.recv(65536)
    except TimeoutError:
        raise line.timeout_error(b"".join(one.head for one in found) + raw) from None


def exchange(server: HasUrl, raw: bytes, count: int = 1) -> list[RawResponse]:
    """Send *raw* on a connection of its own and read the answers."""
    with connect(server) as line:
        line.sendall(raw)
        return read_responses(line, count)


def is_closed(line: RawClient) -> bool:
    """Whether the server ends the connection, within the patience of the socket."""
    try:
        return line.recv(65536) == b""
    except ConnectionResetError:
        return True


def read_until_closed(server: HasUrl, raw: bytes) -> bytes:
    """Everything that the server has to say to *raw*, and nothing else, until it closes."""
    said = b""
    with connect(server) as line:
        try:
            with suppress(ConnectionError):  # it has heard enough, and answered
                line.sendall(raw)
                line.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while piece := line.recv(1 << 20):
                    said += piece
        except TimeoutError:
            raise line.timeout_error(said) from None
    return said
