"""What the connections of a server share, and the periodic check of their deadlines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from mockhub.exceptions import ApiError
from mockhub.server.write_buffer import WriteBatch
from mockhub.spec.error_catalog import ErrorCatalog
from mockhub.web import responses
from mockhub.web.asgi import AsgiApp
from mockhub.web.cors import with_cors_headers
from mockhub.web.limits import Limits


class Connection(Protocol):
    @property
    def deadline(self) -> float: ...

    def on_timeout(self) -> None: ...

    def detect_disconnect(self) -> None: ...


@dataclass
class ServerContext:
    """What the connections of a server share.

    Attributes:
        app: The ASGI application.
        errors: The error codes, for requests that never reach the application.
        limits: The bounds on requests and connections.
        write_batch: Batches the responses of all connections.
        now: The event loop's time at the last tick, in seconds.
        default_headers: The last lines of every response head.
        default_headers_and_close: The same for the last response on a connection.
    """

    app: AsgiApp
    errors: ErrorCatalog
    limits: Limits
    write_batch: WriteBatch = field(default_factory=WriteBatch)
    now: float = 0.0
    default_headers: bytes = b"\r\n"
    default_headers_and_close: bytes = b"connection: close\r\n\r\n"

    def set_default_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.default_headers = b"".join([b"%s: %s\r\n" % header for header in headers]) + b"\r\n"
        self.default_headers_and_close = b"connection: close\r\n" + self.default_headers

    def expire_timeouts(self, now: float, connections: Iterable[Connection]) -> None:
        """Set the time; call `on_timeout` of every connection whose deadline has passed."""
        self.now = now
        for connection in tuple(connections):
            if connection.deadline < now:
                connection.on_timeout()
            else:
                connection.detect_disconnect()

    def error_response(self, status: int, message: str) -> responses.Response:
        """Return the response to a request that never reached the application."""
        code = self.errors.code_by_status.get(status, f"http{status}")
        return with_cors_headers(responses.error_response(ApiError(status, code, message)))
