"""An HTTP server whose responses a test scripts, and our own mock with its profile."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import httpx

from mockhub.domain.clock import SystemClock
from mockhub.verify.outcomes import Outcome
from mockhub.verify.profile import Profile
from mockhub.verify.report import Report
from tests.support.live_server import EXPIRED, LOW, OTHER, POOR, REVOKED, RICH, LiveHub, serve_hub

CERTIFICATE = Path(__file__).parent / "tls" / "certificate.pem"  # self-signed, for localhost
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
    """Return the profile of a server with the keys of the mock's default scenario."""
    return replace(Profile.for_mock(url, _MOCK_KEYS), **changes)


def problems(report: Report) -> list[tuple[str, str]]:
    """Return the clauses of a report that failed or are inconclusive, with the reasons."""
    clauses = report.with_outcome(Outcome.FAILED, Outcome.INCONCLUSIVE)
    return [(clause.id, clause.reason) for clause in clauses]


@contextmanager
def mock() -> Iterator[LiveHub]:
    """Serve the mock on the system clock, as `mockhub serve` does."""
    with serve_hub(clock=SystemClock()) as served:
        yield served


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Response(NamedTuple):
    """A response; without a status the server closes the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)

    def json(self) -> Any:
        """Return the body as JSON, or {} if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


Change = Callable[[Request, Response], Response | None]


def json_response(body: object, status: int = 200) -> Response:
    return Response(status, json.dumps(body).encode())


@contextmanager
def scripted_server(handler: Callable[[Request], Response], *, tls: bool = False) -> Iterator[str]:
    """Serve the responses of *handler* and yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
            )
            response = handler(request)
            if not response.status:
                self.close_connection = True
                return
            self.send_response(response.status)
            for name, value in (*response.headers, ("Content-Length", str(len(response.body)))):
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # the client may have closed the connection
                self.wfile.write(response.body if self.command != "HEAD" else b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.handle_request)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mock_with_changes(change: Change, *, tls: bool = False) -> Iterator[str]:
    """Serve the mock behind a proxy that replaces responses; None keeps a response."""
    with mock() as served:

        def forward(request: Request) -> Response:
            response = forward_to(served.client, request)
            return change(request, response) or response

        with scripted_server(forward, tls=tls) as url:
            yield url


def forward_to(client: httpx.Client, request: Request, *, base_url: str = "") -> Response:
    """Send a request to the mock and return its response."""
    url, headers = base_url + request.path, _request_headers(request)
    forwarded = client.request(request.method, url, headers=headers, content=request.body)
    return Response(forwarded.status_code, forwarded.content, _forwarded_headers(forwarded))


def _request_headers(request: Request) -> dict[str, str]:
    return {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in ("host", "content-length", "connection", "accept-encoding")
    }


def _forwarded_headers(response: httpx.Response) -> tuple[tuple[str, str], ...]:
    dropped = ("content-length", "transfer-encoding", "connection", "date", "content-encoding")
    return tuple(item for item in response.headers.items() if item[0].lower() not in dropped)
