"""One request and what came back, as evidence: whole for the checks, redacted for the reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mockhub._curl import Body, curl_command

_MAX_SHOWN = 2000  # characters of a body that a report shows


@dataclass(frozen=True)
class Request:
    """A request, with its body both as bytes and as a person would type it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    curl_body: Body | None = None  # the body of the curl command
    unspecified: bool = False  # the page leaves open how such a request is answered


@dataclass(frozen=True)
class Exchange:
    """A request with its answer, or why there is none."""

    request: Request
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    seconds: float = 0.0
    error: str = ""  # "closed", "timeout" or "unreachable": there was no answer
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # raw key -> its name
    received_at: float = 0.0  # when it was answered, in seconds since the epoch

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def parse_json(self) -> Any:
        """The body as JSON; raises ValueError."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def curl(self) -> str:
        """Return the request as a curl command. Keys are shell variables."""
        request = self.request
        headers = [(name, self.redacted(value)) for name, value in request.headers.items()]
        url = self.redacted(request.url)
        return self.redacted(curl_command(request.method, url, headers, request.curl_body))

    def redacted(self, text: str) -> str:
        """*text* with every raw key replaced by its variable."""
        for raw, name in self.secrets.items():
            text = text.replace(raw, name)
        return text

    def describe(self) -> str:
        """What came back, shortened."""
        if self.error:
            return f"no response: {_ERROR_MESSAGES[self.error]}"
        body = self.redacted(self.text)
        suffix = f"... ({len(body)} characters)" if len(body) > _MAX_SHOWN else ""
        return f"HTTP {self.status} {body[:_MAX_SHOWN]}{suffix}"

    def as_json(self) -> dict[str, Any]:
        return {
            "request": self.curl(),
            "response": self.describe(),
            "status": self.status or None,
            "seconds": round(self.seconds, 3),
        }


_ERROR_MESSAGES = {
    "closed": "the server closed the connection",
    "timeout": "the server kept silent for too long",
    "unreachable": "the server could not be reached",
}
