"""What the connections of a server share: the app, the limits and the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from mockhub.exceptions import ApiError
from mockhub.server.write_buffer import WriteBatch
from mockhub.spec.error_catalog import ErrorCatalog
from mockhub.web import responses
from mockhub.web.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn.server import ServerState

    from mockhub.server.protocol import HttpProtocol


@dataclass
class ServerContext:
    """What the connections of a server share; the time is the loop's, as of the last look."""

    app: ASGIApp
    errors: ErrorCatalog
    limits: Limits
    write_batch: WriteBatch = field(default_factory=WriteBatch)
    now: float = 0.0
    default_headers: bytes = b"\r\n"
    default_headers_and_close: bytes = b"connection: close\r\n\r\n"

    def expire_timeouts(self, now: float, state: ServerState) -> None:
        """Take note of the time, and end what has taken too long."""
        self.now = now
        headers = state.default_headers
        self.default_headers = b"".join(b"%s: %s\r\n" % header for header in headers) + b"\r\n"
        self.default_headers_and_close = b"connection: close\r\n" + self.default_headers
        protocols = cast("set[HttpProtocol]", state.connections)
        for protocol in tuple(protocols):
            if protocol.deadline < now:
                protocol.on_timeout()

    def error_response(self, status: int, message: str) -> responses.Response:
        """The answer to what could not be read as a request."""
        code = self.errors.code_by_status.get(status, f"http{status}")
        return responses.error_response(ApiError(status, code, message))
