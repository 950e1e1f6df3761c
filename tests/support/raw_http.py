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


class Reply(NamedTuple):
    """One answer: its status, its head and its body."""

    status: int
    head: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served(Protocol):
    """What is spoken to."""

    @property
    def url(self) -> str: ...


class Client(socket.socket):
    """A bare connection to a server, which remembers what was last sent on it."""

    sent = b""

    def sendall(self, data: bytes) -> None:  # type: ignore[override]
        self.sent = (self.sent + data)[-SHOWN:]
        super().sendall(data)

    def silence(self, heard: bytes) -> AssertionError:
        """The failure that tells of a server that says no more."""
        return AssertionError(
            f"nothing more within {self.gettimeout():g} s, on a machine with a load of"
            f" {os.getloadavg()[0]:.1f}; sent ...{self.sent!r}; heard {heard[-SHOWN:]!r}"
        )


@contextmanager
def connected(server: Served) -> Iterator[Client]:
    """A bare connection to the server."""
    host, port = server.url.removeprefix("http://").split(":")
    with Client(socket.AF_INET, socket.SOCK_STREAM) as line:
        line.settimeout(PATIENCE)
        line.connect((host, int(port)))
        yield line


def post(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """A generation request; *length* may lie."""
    head = [
        b"POST /api/v1/images/generations HTTP/1.1",
        b"Host: mock",
        b"Content-Type: application/json",
        b"Content-Length: %d" % (len(body) if length is None else length),
        *headers,
    ]
    return b"\r\n".join(head) + b"\r\n" + AUTH + b"\r\n" + body


def replies(line: Client, count: int = 1) -> list[Reply]:
    """The next answers; fewer if the server closes before."""
    found: list[Reply] = []
    raw = b""
    while len(found) < count:
        head, end, rest = raw.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if end and len(rest) >= size:
            found.append(Reply(int(head.split()[1]), head, rest[:size]))
            raw = rest[size:]
        elif more := heard(line, found, raw):
            raw += more
        else:
            assert not raw, f"half an answer: {raw!r}"
            break
    return found


def heard(line: Client, found: list[Reply], raw: bytes) -> bytes:
    """The next bytes that come, after answers that were *found* and *raw*."""
    try:
        return line.recv(65536)
    except TimeoutError:
        raise line.silence(b"".join(one.head for one in found) + raw) from None


def ask(server: Served, raw: bytes, count: int = 1) -> list[Reply]:
    """Send *raw* on a connection of its own and read the answers."""
    with connected(server) as line:
        line.sendall(raw)
        return replies(line, count)


def closed(line: Client) -> bool:
    """Whether the server ends the connection, within the patience of the socket."""
    try:
        return line.recv(65536) == b""
    except ConnectionResetError:
        return True


def told(server: Served, raw: bytes) -> bytes:
    """Everything that the server has to say to *raw*, and nothing else, until it closes."""
    said = b""
    with connected(server) as line:
        try:
            with suppress(ConnectionError):  # it has heard enough, and answered
                line.sendall(raw)
                line.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while piece := line.recv(1 << 20):
                    said += piece
        except TimeoutError:
            raise line.silence(said) from None
    return said
