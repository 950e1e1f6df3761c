"""What the connections of a server share: the app, the limits and the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from mockhub.spec.errors import ApiError, ErrorCatalog
from mockhub.web import wire
from mockhub.web.limits import Limits
from mockhub.web.outlet import Round

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn.server import ServerState

    from mockhub.web.connection import Connection


@dataclass
class Watch:
    """What the connections of a server share; the time is the loop's, as of the last look."""

    app: ASGIApp
    errors: ErrorCatalog
    limits: Limits
    round: Round = field(default_factory=Round)
    now: float = 0.0
    last_headers: bytes = b"\r\n"
    last_headers_and_close: bytes = b"connection: close\r\n\r\n"

    def look(self, now: float, state: ServerState) -> None:
        """Take note of the time, and end what has taken too long."""
        self.now = now
        headers = state.default_headers
        self.last_headers = b"".join(b"%s: %s\r\n" % header for header in headers) + b"\r\n"
        self.last_headers_and_close = b"connection: close\r\n" + self.last_headers
        ours = cast("set[Connection]", state.connections)
        for connection in tuple(ours):
            if connection.deadline < now:
                connection.overdue()

    def refusal(self, status: int, message: str) -> wire.Answer:
        """The answer to what could not be read as a request."""
        code = self.errors.by_status.get(status, f"http{status}")
        return wire.refusal(ApiError(status, code, message))
