"""How much of a client is borne before it is refused; all can be configured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what one request or connection may make the server hold or wait for.

    Attributes:
        json_bytes: the longest JSON body.
        text_bytes: the longest text field of a form.
        parts: the most parts of a form.
        head_bytes: the longest request line and headers together.
        headers: the most of them; short ones cost more memory than their bytes tell.
        head_seconds: the longest time that they may take to arrive.
        idle_seconds: the longest silence within a body, or of a client that does not read.
        read_seconds: the longest time that a whole request may take to arrive.
        keep_alive_seconds: the longest silence between two requests.
        linger_seconds: how long a connection that is over still hears out its client.
        connections: the most of them at a time.
    """

    json_bytes: int = 2 * 1024 * 1024
    text_bytes: int = 1024 * 1024
    parts: int = 100
    head_bytes: int = 64 * 1024
    headers: int = 100
    head_seconds: float = 10.0
    idle_seconds: float = 30.0
    read_seconds: float = 600.0
    keep_alive_seconds: float = 75.0
    linger_seconds: float = 5.0
    connections: int = 1000
