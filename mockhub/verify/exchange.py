"""A request with its response: complete for the checks, redacted for the reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from mockhub._curl import Body, ShellText, curl_command
from mockhub.verify.secrets import Secrets

JsonObject = dict[str, Any]

_MAX_SHOWN = 2000  # characters of a body that a report shows


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        content: The body, unless it is large.
        curl_body: The body for the curl command.
        unspecified: Whether the documentation leaves open how such a request is answered.
        files: The files that the curl command reads, by name.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    curl_body: Body | None = None
    unspecified: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Exchange:
    """A request with its response, or with the reason why there is none.

    Attributes:
        status: The HTTP status, 0 without a response.
        headers: The response headers, in lower case.
        seconds: The time until the response was complete.
        error: Why there is no response: "closed", "timeout", "unreachable", "too large" or
            "lost" (of a request that may have been charged).
        secrets: Removes keys from what reports show.
        received_at: When the response arrived, in seconds since the epoch.
        started: When the request was sent, on a clock of its own.
    """

    request: Request
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    seconds: float = 0.0
    error: str = ""
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)
    received_at: float = 0.0
    started: float = 0.0

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @cached_property
    def json_object(self) -> JsonObject:
        """The JSON object in the body, or an empty one."""
        try:
            body = self.parse_json()
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    def parse_json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ValueError: if it is not JSON.
        """
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def curl(self) -> str:
        """Return the request as a curl command. Keys are shell variables."""
        return self._curl

    @cached_property
    def _curl(self) -> str:
        request = self.request
        headers = [
            (self.secrets.redact(name), self._as_shell_text(value))
            for name, value in request.headers.items()
        ]
        url = self._as_shell_text(request.url)
        command = curl_command(request.method, url, headers, request.curl_body)
        return self.secrets.redact(command)

    def _as_shell_text(self, text: str) -> str:
        redacted = self.secrets.redact(text)
        return text if redacted == text else ShellText(redacted)

    def describe(self) -> str:
        """Return the status and the body, redacted and shortened, or why there is none."""
        return self._description

    @cached_property
    def _description(self) -> str:
        if self.error:
            return f"no response: {_ERROR_MESSAGES[self.error]}"
        return f"HTTP {self.status} {self._shorten(self.text)}"

    def describe_headers(self) -> str:
        """Return the response headers in one line, redacted and shortened."""
        return self._shorten("; ".join(f"{name}: {value}" for name, value in self.headers.items()))

    def _shorten(self, text: str) -> str:
        suffix = f"... (cut, {len(text)} characters in all)" if len(text) > _MAX_SHOWN else ""
        return self.secrets.redact(text[:_MAX_SHOWN]) + suffix

    @property
    def label(self) -> str:
        """The request and its status, as in ``GET /api/v1/credits: 200``."""
        status = self.status or _ERROR_MESSAGES.get(self.error, "no response")
        return self.secrets.redact(
            f"{self.request.method} {urlsplit(self.request.url).path}: {status}"
        )

    def repeats(self, other: Exchange) -> bool:
        """Return whether both requests are the same, sent by the same user."""
        requests = (self.request, other.request)
        keys = [request.headers.get("Authorization") for request in requests]
        return keys[0] == keys[1] and requests[0].curl_body == requests[1].curl_body

    def overlaps(self, other: Exchange) -> bool:
        """Return whether both were in progress at the same moment."""
        return (
            self.started < other.started + other.seconds
            and other.started < self.started + self.seconds
        )

    def as_json(self) -> dict[str, object]:
        return {
            "request": self.curl(),
            "headers": {
                self._shorten(name): self._shorten(value) for name, value in self.headers.items()
            },
            "response": self.describe(),
            "status": self.status or None,
            "seconds": round(self.seconds, 3),
        }


_ERROR_MESSAGES = {
    "closed": "the server closed the connection",
    "timeout": "the server did not respond in time",
    "untrusted": "its certificate is not trusted; ca_file in the profile names its authority",
    "unreachable": "the server could not be reached",
    "too large": "the response is larger than 64 MB",
    "lost": "it was lost on its way, and the request was charged or may have been",
}


def concurrent_labels(
    evidence: Sequence[Exchange], exchanges: Sequence[Exchange]
) -> tuple[str, ...]:
    """Describe the requests that were in progress together with the evidence of a check."""
    return tuple(
        exchange.label
        for exchange in exchanges
        if exchange not in evidence and any(exchange.overlaps(shown) for shown in evidence)
    )
