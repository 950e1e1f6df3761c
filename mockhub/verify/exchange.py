"""One request and what came back, as evidence: whole for the checks, redacted for the reports."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MAX_SHOWN = 2000  # characters of a body that a report shows


@dataclass(frozen=True)
class Request:
    """A request, with its body both as bytes and as a person would type it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    curl_args: tuple[str, ...] = ()  # curl's arguments for the body
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
        """The request as a command, its key as a variable of the shell."""
        arguments = ["curl", shlex.quote(self.request.url)]
        if self.request.method not in ("GET", "POST") or (
            self.request.method == "POST" and not self.request.curl_args
        ):
            arguments += ["-X", self.request.method]
        for name, value in self.request.headers.items():
            if not (
                name == "Content-Type" and "multipart" in value and "-F" in self.request.curl_args
            ):
                arguments += ["-H", _shell_quote(f"{name}: {self.redacted(value)}")]
        arguments += [
            argument if argument in ("-d", "-F") else shlex.quote(argument)
            for argument in self.request.curl_args
        ]
        return " ".join(arguments)

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


def _shell_quote(text: str) -> str:
    """*text* for the shell, in which `$MOCKHUB_KEY` is still a variable."""
    if "$MOCKHUB_KEY" not in text:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
    return f'"{escaped}"'
