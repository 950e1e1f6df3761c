"""The graceful shutdown of `mockhub serve`."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

from tests.conftest import ROOT
from tests.support.live_server import KEY

OPEN_CONNECTIONS = 50
TIMEOUT = 6.0  # seconds; takes less than 2 on an idle machine


def request(prompt: str, *, length: int | None = None) -> bytes:
    body = f'{{"model": "gpt-image-2", "prompt": "{prompt}", "size": "1024x1024"}}'.encode()
    head = (
        "POST /api/v1/images/generations HTTP/1.1\r\nHost: mock\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    return head.encode() + body


MODELS = b"GET /api/v1/models HTTP/1.1\r\nHost: answered\r\n\r\n"
STATES = (
    request("[[duration=600s]] a slow generation"),
    request("[[hang]] no response"),
    request("[[hang@after]] no response, but a charge"),
    request("[[delay=600s]] a slow gateway"),
    request("[[drip=600s]] a slow response"),
    request("an upload in progress", length=1_000_000),
    request("an upload after its response", length=1_000_000).replace(KEY.encode(), b"unknown"),
    b"GET /api/v1/models HTTP/1.1\r\nHost: headers in progress",
    MODELS,
    b"",
)


def test_sigterm_ends_the_server_soon() -> None:
    """The exit code is 0 and stderr is empty, whatever the open requests are waiting for."""
    command = [sys.executable, "-m", "mockhub", "serve", "--port", "0", "--scenario", "endless"]
    with (
        ExitStack() as stack,
        subprocess.Popen(
            [*command, "--log-level", "warning"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process,
    ):
        try:
            assert process.stdout
            lines = iter(process.stdout.readline, "")
            port = next(
                int(match[1]) for line in lines if (match := re.search(r"1:([0-9]+)", line))
            )
            for number in range(OPEN_CONNECTIONS):
                stack.enter_context(open_connection(port, number))
            with open_connection(port, STATES.index(MODELS)) as last:
                assert last.recv(100)  # so the server has read them all
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 0
            assert process.stderr
            assert process.stderr.read() == ""
        finally:
            process.kill()


def open_connection(port: int, number: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(STATES[number % len(STATES)])
    return client
