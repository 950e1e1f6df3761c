"""The bounds on requests and connections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what a request or a connection may make the server hold or wait for.

    Times are in seconds.

    Attributes:
        max_json_bytes: The longest JSON body.
        max_text_field_bytes: The longest text field of a form.
        max_form_text_bytes: The longest text fields of a form together.
        max_form_parts: The largest number of parts of a form.
        max_header_bytes: The longest request line and headers together.
        max_headers: The largest number of headers. Short ones use more memory than their bytes.
        header_timeout: How long the request line and the headers may take to arrive.
        idle_timeout: How long a client may send nothing within a body, or read nothing.
        request_timeout: How long a whole request may take to arrive.
        keep_alive_timeout: How long a connection may be idle between two requests.
        lingering_time: How long a closing connection still reads and discards what the client
            sends.
        max_connections: The largest number of connections at a time. The last
            `control_connections` of them may call the control plane only.
    """

    max_json_bytes: int = 2 * 1024 * 1024
    max_text_field_bytes: int = 1024 * 1024
    max_form_text_bytes: int = 2 * 1024 * 1024
    max_form_parts: int = 100
    max_header_bytes: int = 64 * 1024
    max_headers: int = 100
    header_timeout: float = 10.0
    idle_timeout: float = 30.0
    request_timeout: float = 600.0
    keep_alive_timeout: float = 75.0
    lingering_time: float = 5.0
    max_connections: int = 1000

    @property
    def control_connections(self) -> int:
        return min(16, self.max_connections // 8)
