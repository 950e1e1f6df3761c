"""A tiny HTTP server whose answers the test chooses, and our own mock with a profile of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

import httpx

from mockhub.domain.clock import SystemClock
from mockhub.verify.profile import Profile
from tests.support.live_server import EXPIRED, LOW, OTHER, POOR, REVOKED, RICH, LiveHub, serve_hub

_MOCK_KEYS = {
    "rich": RICH,
    "other": OTHER,
    "poor": POOR,
    "low": LOW,
    "expired": EXPIRED,
    "revoked": REVOKED,
}
KEYS = Profile.for_mock("", _MOCK_KEYS).keys


def build_profile(url: str, **changes: Any) -> Profile:
    """The profile of a server in the mock's default scenario."""
    return replace(Profile.for_mock(url, _MOCK_KEYS), **changes)


@contextmanager
def mock() -> Iterator[LiveHub]:
    """The mock on the system's clock, as `mockhub serve` runs it."""
    with serve_hub(clock=SystemClock()) as served:
        yield served


class Request(NamedTuple):
    """What the scripted server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


class Response(NamedTuple):
    """What it is to answer; without a status it closes the connection."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


def json_response(body: Any, status: int = 200) -> Response:
    """A reply of JSON."""
    return Response(status, json.dumps(body).encode())


@contextmanager
def scripted_server(handler: Callable[[Request], Response]) -> Iterator[str]:
    """Serve what *answer* gives; yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
            )
            reply = handler(request)
            if not reply.status:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # the suite may have hung up
                self.wfile.write(reply.body if self.command != "HEAD" else b"")

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _handle

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mock_with_changes(change: Callable[[Request, Response], Response | None]) -> Iterator[str]:
    """Our mock behind a proxy that may change an answer: a defect in two lines."""
    with mock() as served:

        def answer(request: Request) -> Response:
            passed = served.client.request(
                request.method,
                request.path,
                headers=_request_headers(request),
                content=request.body,
            )
            reply = Response(passed.status_code, passed.content, _forwarded_headers(passed))
            return change(request, reply) or reply

        with scripted_server(answer) as url:
            yield url


def _request_headers(request: Request) -> dict[str, str]:
    return {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in ("host", "content-length", "connection", "accept-encoding")
    }


def _forwarded_headers(response: httpx.Response) -> tuple[tuple[str, str], ...]:
    dropped = ("content-length", "transfer-encoding", "connection", "date", "content-encoding")
    return tuple(item for item in response.headers.items() if item[0].lower() not in dropped)
