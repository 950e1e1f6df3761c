"""What `mockhub serve` tells of each request, and how it tells anything."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import click

from mockhub.web.visit import Visit
from mockhub.web.wire import Answer
from mockhub.world.store import DEFAULT

_FLUSH_SECONDS = 0.05
_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_OUR_FAULT = 500


class RequestLog:
    """A line a request, written some times a second: a write each would cost more than they do."""

    def __init__(self, level: str, form: str) -> None:
        self._wants = {"debug": 0, "info": 0, "warning": _OUR_FAULT, "error": 1000}[level]
        self._line = self._as_json if form == "json" else self._as_text
        self._lines: list[str] = []

    def add(self, visit: Visit, answer: Answer | None) -> None:
        """Note a visit that is over."""
        status = answer.status if answer else 0
        if status < self._wants and not visit.violation:
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        self._lines.append(self._line(visit, status))

    def flush(self) -> None:
        """Write what has been noted."""
        lines, self._lines = self._lines, []
        if lines:
            say("\n".join(lines))

    def _as_text(self, visit: Visit, status: int) -> str:
        credits = f"{visit.credits:+d} credits" if visit.credits else ""
        faults = f"  {' '.join(visit.struck)}" if visit.struck else ""
        ours = f"  OUR FAULT: {visit.violation}" if visit.violation else ""
        gone = "  client gone" if visit.gone else ""
        shown = click.style(str(status or "---"), fg=_COLOURS.get(status // 100))
        hub = "" if visit.hub.name == DEFAULT else f"  hub {visit.hub.name}"
        target = f"{visit.method:<7} {_printable(visit.path):<44}"
        took = f"{visit.milliseconds:8.2f} ms"
        return f"{target} {shown} {credits:>14} {took}{hub}{faults}{gone}{ours}"

    def _as_json(self, visit: Visit, status: int) -> str:
        return json.dumps(
            {
                "event": "request",
                "hub": visit.hub.name,
                "method": visit.method,
                "path": visit.path,
                "operation": visit.operation.id if visit.operation else None,
                "status": status,
                "credits": visit.credits,
                "ms": round(visit.milliseconds, 3),
                "faults": visit.struck,
                "violation": visit.violation,
            }
        )


def say(text: str) -> None:
    """Print *text*; a reader that has gone, such as `head`, is no reason to stop serving."""
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()
