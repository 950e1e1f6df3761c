"""How `mockhub serve` ends: soon, whole, and without a word."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

from tests.conftest import ROOT
from tests.support.live_server import KEY

OPEN = 50
SECONDS = 2.0
PATIENCE = 3  # a machine with other things to do takes longer


def request(prompt: str, *, length: int | None = None) -> bytes:
    body = f'{{"model": "gpt-image-2", "prompt": "{prompt}", "size": "1024x1024"}}'.encode()
    head = (
        "POST /api/v1/images/generations HTTP/1.1\r\nHost: mock\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    return head.encode() + body


MODELS = b"GET /api/v1/models HTTP/1.1\r\nHost: answered, and kept alive\r\n\r\n"
STATES = (
    request("[[duration=600s]] a job that takes its time"),
    request("[[hang]] a server that says nothing"),
    request("[[hang@after]] the same, but the money moved"),
    request("[[delay=600s]] a slow gateway"),
    request("[[drip=600s]] a slow answer"),
    request("an upload that is still on its way", length=1_000_000),
    b"GET /api/v1/models HTTP/1.1\r\nHost: a head that is still on its way",
    MODELS,
    b"",
)


def test_server_ends_soon_whatever_is_open() -> None:
    """SIGTERM ends the server within two seconds, with exit code 0 and no word of complaint."""
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
            greeting = iter(process.stdout.readline, "")
            address = next(found for line in greeting if (found := re.search(r"1:([0-9]+)", line)))
            for number in range(OPEN):
                stack.enter_context(opened(int(address[1]), number))
            with opened(int(address[1]), STATES.index(MODELS)) as last:
                assert last.recv(100), "the server has read them all"
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS * PATIENCE) == 0
            assert process.stderr
            assert process.stderr.read() == ""
        finally:
            process.kill()


def opened(port: int, number: int) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), timeout=10)
    line.sendall(STATES[number % len(STATES)])
    return line
