"""Requests that arrive at the same moment, and their responses."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from contract_tests.checks.body_parsing import in_chunks
from mockhub.verify.concurrent_requests import PendingRequest, send_simultaneously

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
FINAL = b"HTTP/1.1 402 Payment Required\r\nX: 1\r\nContent-Length: 2\r\n\r\n{}"


def test_interim_responses_are_skipped() -> None:
    """Any number of 1xx responses may precede the final one (RFC 9110, 15.2)."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def respond() -> None:
            connection, _ = server.accept()
            with connection:
                while not connection.recv(65536).endswith(b"b"):
                    pass
                connection.sendall(PROCESSING + HINTS + HINTS + FINAL)

        thread = Thread(target=respond)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api/v1/images/generations"
        (response,) = send_simultaneously([PendingRequest(url, {}, b"ab")], 30)
        thread.join()
    assert (response.status, response.headers, response.content) == (
        402,
        {"x": "1", "content-length": "2"},
        b"{}",
    )


@pytest.mark.parametrize("content", [b"{}", b"x" * 85, b"x" * 1000])
def test_only_the_last_chunk_is_empty(content: bytes) -> None:
    """Strict servers take what follows an empty chunk for the next request."""
    sizes = [line for line in in_chunks(content).split(b"\r\n")[::2] if line]
    assert [int(size, 16) == 0 for size in sizes] == [False, False, True]
