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

    max_json_bytes: int = 2 * 1024 * 1024
    max_text_field_bytes: int = 1024 * 1024
    max_form_parts: int = 100
    max_header_bytes: int = 64 * 1024
    max_headers: int = 100
    header_timeout: float = 10.0
    idle_timeout: float = 30.0
    request_timeout: float = 600.0
    keep_alive_timeout: float = 75.0
    lingering_time: float = 5.0
    max_connections: int = 1000
