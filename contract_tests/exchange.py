"""One request and what came back, as evidence: whole for the checks, redacted for the reports."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 2000  # characters of a body that a report shows


@dataclass(frozen=True)
class Ask:
    """A request, with its body both as bytes and as a person would type it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    typed: tuple[str, ...] = ()  # curl's arguments for the body
    open: bool = False  # the page leaves open how such a request is answered


@dataclass(frozen=True)
class Exchange:
    """A request with its answer, or why there is none."""

    ask: Ask
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    seconds: float = 0.0
    lost: str = ""  # "closed", "timeout" or "unreachable": there was no answer
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # raw key -> its name
    at: float = 0.0  # when it was answered, in seconds since the epoch

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def parsed(self) -> Any:
        """The body as JSON; raises ValueError."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def curl(self) -> str:
        """The request as a command, its key as a variable of the shell."""
        words = ["curl", shlex.quote(self.ask.url)]
        if self.ask.method not in ("GET", "POST") or (
            self.ask.method == "POST" and not self.ask.typed
        ):
            words += ["-X", self.ask.method]
        for name, value in self.ask.headers.items():
            if not (name == "Content-Type" and "multipart" in value and "-F" in self.ask.typed):
                words += ["-H", _quoted(f"{name}: {self.redacted(value)}")]
        words += [word if word in ("-d", "-F") else shlex.quote(word) for word in self.ask.typed]
        return " ".join(words)

    def redacted(self, text: str) -> str:
        """*text* with every raw key replaced by its variable."""
        for raw, name in self.secrets.items():
            text = text.replace(raw, name)
        return text

    def came(self) -> str:
        """What came back, shortened."""
        if self.lost:
            return f"no answer: {_WHY[self.lost]}"
        body = self.redacted(self.text)
        more = f"... ({len(body)} characters)" if len(body) > _SHOWN else ""
        return f"HTTP {self.status} {body[:_SHOWN]}{more}"

    def as_json(self) -> dict[str, Any]:
        return {
            "request": self.curl(),
            "answer": self.came(),
            "status": self.status or None,
            "seconds": round(self.seconds, 3),
        }


_WHY = {
    "closed": "the server closed the connection",
    "timeout": "the server kept silent for too long",
    "unreachable": "the server could not be reached",
}


def _quoted(text: str) -> str:
    """*text* for the shell, in which `$MOCKHUB_KEY` is still a variable."""
    if "$MOCKHUB_KEY" not in text:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
    return f'"{escaped}"'
