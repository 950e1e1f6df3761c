"""What `mockhub serve` tells of each request, and how it tells anything."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import NamedTuple

import click

from mockhub.web.asgi import Scope
from mockhub.web.visit import HUB_NAME, Visit
from mockhub.world.store import DEFAULT

_FLUSH_SECONDS = 0.05
_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_OUR_FAULT = 500


class Line(NamedTuple):
    """What is told of one request."""

    hub: str
    method: str
    path: str
    operation: str | None
    status: int  # 0: the client got no whole answer
    credits: int  # what it did to the balance
    ms: float
    faults: tuple[str, ...] = ()
    violation: str | None = None
    gone: bool = False


class RequestLog:
    """A line a request, written some times a second: a write each would cost more than they do."""

    def __init__(self, level: str, form: str) -> None:
        self._wants = {"debug": 0, "info": 0, "warning": _OUR_FAULT, "error": 1000}[level]
        self._spelt = _as_json if form == "json" else _as_text
        self._lines: list[str] = []

    def visited(self, visit: Visit) -> None:
        """Note a visit to the API that is over."""
        status = visit.met[1]
        if status < self._wants and visit.violation is None:
            return
        line = Line(
            hub=visit.hub_name or visit.hub.name,
            method=visit.method,
            path=visit.path,
            operation=visit.operation.id if visit.operation else None,
            status=status,
            credits=visit.moved,
            ms=visit.milliseconds,
            faults=visit.struck,
            violation=visit.violation,
            gone=visit.gone,
        )
        self._tell(line)

    def fetched(self, scope: Scope, status: int, milliseconds: float) -> None:
        """Note an image that was fetched."""
        if status < self._wants:
            return
        hub = scope.get(HUB_NAME) or DEFAULT
        self._tell(Line(hub, scope["method"], scope["path"], None, status, 0, milliseconds))

    def flush(self) -> None:
        """Write what has been noted."""
        lines, self._lines = self._lines, []
        if lines:
            say("\n".join(lines))

    def _tell(self, line: Line) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        self._lines.append(self._spelt(line))


def _as_text(line: Line) -> str:
    credits = f"{line.credits:+d} credits" if line.credits else ""
    notes = [
        f"hub {line.hub}" if line.hub != DEFAULT else "",
        " ".join(line.faults),
        "client gone" if line.gone else "",
        f"OUR FAULT: {line.violation}" if line.violation else "",
    ]
    shown = click.style(str(line.status or "---"), fg=_COLOURS.get(line.status // 100))
    target = f"{line.method:<7} {_printable(line.path):<44}"
    return "  ".join(
        [f"{target} {shown} {credits:>14} {line.ms:8.2f} ms", *(note for note in notes if note)]
    )


def _as_json(line: Line) -> str:
    return json.dumps({"event": "request", **line._asdict(), "ms": round(line.ms, 3)})


def say(text: str) -> None:
    """Print *text*; a reader that has gone, such as `head`, is no reason to stop serving."""
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()
