"""A run always ends with a report, whatever a server sends."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner

from mockhub.cli.verify import verify
from mockhub.verify import transport
from mockhub.verify.concurrent_requests import PendingRequest, send_simultaneously
from mockhub.verify.transport import RawResponse, Transport
from tests.support.scripted_server import (
    KEYS,
    Request,
    Response,
    build_profile,
    mock_with_changes,
    scripted_server,
)

_BODY = b'{"credits": 1}'
_NONSENSE = "wrong \\ud800 \\u0000 \\u001b[31m ]]> </script> \\ufffe"


@contextmanager
def _raw_server(respond: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve every connection with *respond*, once the head of a request has come."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            respond(connection)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # unread data would reset the connection
                pass

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def _get(url: str, timeout: float = 20) -> RawResponse:
    sender = Transport(build_profile(url))
    try:
        return sender.send("GET", f"{url}/", {}, None, timeout)
    finally:
        sender.close()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_dripping_response_has_a_deadline(head: bytes) -> None:
    """A response that comes byte by byte, in its head or its body, ends at the deadline."""
    over = Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while not over.wait(0.05):
            connection.sendall(b"x")

    with _raw_server(drip) as url:
        response = _get(url, timeout=0.4)
        over.set()
    assert response.error == "timeout"


def test_huge_response_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a response only so much is read as the limit allows."""
    monkeypatch.setattr(transport, "MAX_RESPONSE_SIZE", 1000)
    with scripted_server(lambda request: Response(200, b"x" * 1001)) as url:
        assert _get(url).error == "too large"
    with scripted_server(lambda request: Response(200, b"x" * 1000)) as url:
        assert len(_get(url).content) == 1000


_LEGITIMATE = {
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 102 Processing\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n" + _BODY,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;a=b\r\n" + _BODY[:3] + b"\r\nb\r\n" + _BODY[3:] + b"\r\n0\r\nX: y\r\n\r\n",
    "http-1.0": b"HTTP/1.0 200 OK\r\n\r\n" + _BODY,
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(_BODY),
}


@pytest.mark.parametrize("raw", _LEGITIMATE.values(), ids=_LEGITIMATE)
def test_legitimate_framing_is_read(raw: bytes) -> None:
    """1xx responses, chunks, HTTP/1.0 and gzip are read alike, alone and sent at one moment."""

    def respond(connection: socket.socket) -> None:
        connection.sendall(raw)

    with _raw_server(respond) as url:
        alone = _get(url)
        together = send_simultaneously([PendingRequest(f"{url}/", {}, b"{}")] * 2, 20)
    assert [(one.status, one.content) for one in (alone, *together)] == [(200, _BODY)] * 3


def test_nonsense_in_responses_reaches_every_report(tmp_path: Path) -> None:
    """Lone surrogates, NUL and markup in an error are printed and written, and nothing crashes."""

    def change(request: Request, response: Response) -> Response | None:
        if response.status < 400:
            return None
        body = f'{{"error": {{"message": "{_NONSENSE}", "code": "{_NONSENSE}"}}}}'
        return Response(response.status, body.encode())

    reports = [tmp_path / f"report.{kind}" for kind in ("json", "html", "junit")]
    options = [f"--report-{file.suffix[1:]}={file}" for file in reports]
    with mock_with_changes(change) as url:
        profile = tmp_path / "target.yaml"
        keys = ", ".join(f"{role}: {key}" for role, key in KEYS.items())
        profile.write_text(f"base_url: {url}\nkeys: {{{keys}}}\n")
        arguments = ["--target", str(profile), "-k", "AUTH-3", "--no-fuzz", *options]
        result = CliRunner().invoke(verify, arguments, env={"GITHUB_STEP_SUMMARY": ""})
    assert result.exit_code == 1, result.output
    assert "AUTH-3" in result.output
    assert all(file.stat().st_size > 500 for file in reports)
