"""The shapes of ASGI that the door is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class BodySource(Protocol):
    """A request's body on its way."""

    @property
    def receive(self) -> Receive:
        """Waits for the next piece."""

    def receive_nowait(self) -> Message | None:
        """What `receive` would tell without a wait; None where only waiting can tell."""

    def body_nowait(self) -> bytes | None:
        """The whole body, where it has come and none of it was taken; else None."""


class AsgiBodySource:
    """A body of which only waiting can tell."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive

    def receive_nowait(self) -> Message | None:
        return None

    def body_nowait(self) -> bytes | None:
        return None


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """A request's headers by name; one that is sent twice reads as a list (RFC 9110, 5.3)."""
    fields: list[tuple[bytes, bytes]] = scope["headers"]
    headers = dict(fields)
    if len(headers) < len(fields):
        headers = {}
        for name, value in fields:
            headers[name] = headers[name] + b", " + value if name in headers else value
    return headers
