"""Requests as bytes, and what comes back on the socket."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from tests.live import KEY

EXAMPLES = int(os.environ.get("MOCKHUB_HOSTILE", "400"))  # requests that are generated
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


@contextmanager
def connected(server: Served) -> Iterator[socket.socket]:
    """A bare connection to the server."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
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


def replies(line: socket.socket, count: int = 1) -> list[Reply]:
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
        elif more := line.recv(65536):
            raw += more
        else:
            assert not raw, f"half an answer: {raw!r}"
            break
    return found


def ask(server: Served, raw: bytes, count: int = 1) -> list[Reply]:
    """Send *raw* on a connection of its own and read the answers."""
    with connected(server) as line:
        line.sendall(raw)
        return replies(line, count)


def closed(line: socket.socket) -> bool:
    """Whether the server ends the connection, within the patience of the socket."""
    try:
        return line.recv(65536) == b""
    except ConnectionResetError:
        return True
