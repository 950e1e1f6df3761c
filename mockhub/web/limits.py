"""How much of a request is read before it is refused; all can be configured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what one request may make the server hold or wait for.

    Attributes:
        json_bytes: the longest JSON body.
        text_bytes: the longest text field of a form.
        parts: the most parts of a form.
        idle_seconds: the longest silence within a body.
    """

    json_bytes: int = 2 * 1024 * 1024
    text_bytes: int = 1024 * 1024
    parts: int = 100
    idle_seconds: float = 30.0
