"""The access log of `mockhub serve`: one line for each request, as text or JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from functools import partial
from typing import IO, NamedTuple, cast

import click

from mockhub._text import printable
from mockhub._timestamps import format_timestamp
from mockhub.cli.log_writer import LogWriter
from mockhub.domain.clock import SystemClock
from mockhub.domain.hub_registry import DEFAULT
from mockhub.web.context import RequestContext
from mockhub.web.responses import error_message

_FLUSH_SECONDS = 0.05
_CLOSE_TIMEOUT = 1  # seconds
_STATUS_COLORS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_MIN_STATUSES = {"debug": 0, "info": 0, "warning": 500, "error": 1000}


class AccessLogRecord(NamedTuple):
    time: str  # of the machine, when the response was complete
    hub: str
    method: str
    path: str
    operation: str | None
    status: int  # 0 if the client did not get a complete response
    credits: int  # the charge and refunds until then of the generation that it created
    ms: float
    faults: tuple[str, ...] = ()
    spec_violation: str | None = None
    client_disconnected: bool = False
    account: str | None = None
    generation: str | None = None  # that the request created or read
    code: str | None = None
    message: str | None = None  # of the error


class AccessLog:
    """Collects lines and writes them together: a write for each costs more than the request.

    Args:
        level: ``info`` or ``debug`` for every request, ``warning`` for 5xx responses, ``error`` for
            responses that do not match the API spec only.
        log_format: ``text`` or ``json``.
        violation_label: What a text line has before a violation of the spec.
    """

    def __init__(
        self, level: str, log_format: str, *, violation_label: str = "MOCKHUB BUG"
    ) -> None:
        self._is_json = log_format == "json"
        self._writer = LogWriter(sys.stdout, self._format_dropped)
        self._min_status = _MIN_STATUSES[level]
        self._format = _format_json if self._is_json else partial(_format_text, violation_label)
        self._lines: list[str] = []
        self._clock = SystemClock()

    def log_request(self, context: RequestContext) -> None:
        status = context.coverage_key[1]
        if status < self._min_status and context.spec_violation is None:
            return
        redact = context.hub.redactor.redact
        self._append(
            AccessLogRecord(
                time=format_timestamp(self._clock.now()),
                hub=redact(context.hub_name or context.hub.name),
                method=context.method,
                path=redact(context.path),
                operation=context.operation.id if context.operation else None,
                status=status,
                credits=context.credit_delta,
                ms=context.milliseconds,
                faults=context.fired_faults,
                spec_violation=context.spec_violation and redact(context.spec_violation),
                client_disconnected=context.client_disconnected,
                account=redact(context.account.id) if context.account else None,
                generation=redact(context.generation) if context.generation else None,
                code=context.code,
                message=redact(_error_message(context)) if context.code else None,
            )
        )

    def log_event(self, event: str, text: str, **fields: object) -> None:
        """Print a line that is not about a request: *text*, or *event* with *fields* as JSON."""
        self.flush()
        self.print_line(self._format_event(event, text, fields))

    def _format_event(self, event: str, text: str, fields: Mapping[str, object]) -> str:
        time = format_timestamp(self._clock.now())
        if self._is_json:
            return json.dumps({"event": event, "time": time, **fields})
        return f"{_time_of_day(time)}  {printable(text)}"

    def _format_dropped(self, lines: int) -> str:
        text = f"{lines} log lines were dropped, because the log was not read"
        return self._format_event("dropped", text, {"lines": lines})

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self.print_line("\n".join(lines))

    def print_line(self, text: str) -> None:
        """Print without blocking, and with colors only where they belong."""
        click.echo(text, file=cast(IO[str], self._writer))

    def close(self) -> None:
        """Print pending lines, unless the log is not read."""
        self.flush()
        self._writer.close(_CLOSE_TIMEOUT)

    def _append(self, record: AccessLogRecord) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        self._lines.append(self._format(record))


def _error_message(context: RequestContext) -> str:
    """Return the message of an error response, or "" if a fault has corrupted it."""
    stored, response = context.stored_response, context.response
    body = stored.content if stored else response.body if response else None
    return error_message(body) or ""


def _time_of_day(time: str) -> str:
    return time.partition("T")[2]


def _format_text(violation_label: str, record: AccessLogRecord) -> str:
    credits = f"{record.credits:+d} credits" if record.credits else ""
    notes = [
        f"hub {printable(record.hub)}" if record.hub != DEFAULT else "",
        " ".join(record.faults),
        f"{record.code}: {printable(record.message)}" if record.message else "",
        "client disconnected" if record.client_disconnected else "",
        f"{violation_label}: {printable(record.spec_violation)}" if record.spec_violation else "",
    ]
    status_text = click.style(
        str(record.status or "---"), fg=_STATUS_COLORS.get(record.status // 100)
    )
    time = _time_of_day(record.time)
    target = f"{time}  {printable(record.method):<7} {printable(record.path):<44}"
    return "  ".join(
        [
            f"{target} {status_text} {credits:>14} {record.ms:8.2f} ms",
            *(note for note in notes if note),
        ]
    )


def _format_json(record: AccessLogRecord) -> str:
    return json.dumps({"event": "request", **record._asdict(), "ms": round(record.ms, 3)})
