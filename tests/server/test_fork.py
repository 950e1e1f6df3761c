"""A process that is forked while the server runs in it, as multiprocessing does on Linux."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from mockhub.faults.grammar import parse_directives
from tests.support.live_server import KEY, LiveHub, serve_hub

# Python warns that a fork of a process with threads may deadlock; this child only waits.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

MODELS = b"GET /api/v1/models HTTP/1.1\r\nHost: mock\r\n\r\n"
TIMEOUT = 20


@contextmanager
def forked_child() -> Iterator[None]:
    """Keep a copy of this process alive that does nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, b"x")
        signal.pause()
    try:
        os.read(reader, 1)  # until the child has run what Python runs after a fork
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


@pytest.fixture
def server() -> Iterator[LiveHub]:
    with serve_hub() as hub:
        yield hub


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset", httpx.ReadError),
        ("reset@after", httpx.ReadError),
        ("truncate", httpx.RemoteProtocolError),
    ],
)
def test_fault_ends_the_connection_although_a_child_has_copied_it(
    server: LiveHub, fault: str, error: type[Exception]
) -> None:
    with httpx.Client(base_url=server.url, timeout=TIMEOUT) as client:
        assert client.get("/api/v1/models").status_code == 200
        with forked_child():
            server.server.call(lambda: server.backend.faults.arm(parse_directives(fault)))
            with pytest.raises(error):
                client.get("/api/v1/models")


def test_port_is_free_after_the_server_stopped_although_a_child_lives() -> None:
    with ExitStack() as stack:
        with serve_hub() as hub:
            address = (httpx.URL(hub.url).host, httpx.URL(hub.url).port)
            stack.enter_context(forked_child())
        with pytest.raises(ConnectionRefusedError), socket.create_connection(address, TIMEOUT):
            pass


def test_fork_does_not_disturb_the_server(server: LiveHub) -> None:
    """Connections of the parent process work on, and so do new ones."""
    with socket.create_connection((httpx.URL(server.url).host, httpx.URL(server.url).port)) as sock:
        sock.sendall(MODELS)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
        with forked_child():
            sock.settimeout(TIMEOUT)
            sock.sendall(MODELS)
            assert b"HTTP/1.1 200 " in sock.recv(100_000)
            assert server.get("credits", KEY).status_code == 200
