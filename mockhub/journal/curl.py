"""Export exchanges as a shell script of curl commands that read the key from MOCKHUB_KEY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from msgspec.structs import asdict

from mockhub._curl import Body, File, FormField, ShellText, curl_command
from mockhub._redaction import REDACTED
from mockhub._text import printable
from mockhub.journal.exchange import Exchange
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM

_MAX_NAMES_CHARS = 200
COPIED_HEADERS = (
    *(b"content-type", b"content-encoding", b"accept", b"x-mockhub", b"prefer", b"origin"),
    *(b"access-control-request-method", b"access-control-request-headers"),
)


def as_curl(exchanges: Iterable[Exchange], public_url: str) -> str:
    """Return a script with one command for each exchange, which holds no keys."""
    return "\n".join(_command(exchange, public_url) for exchange in exchanges)


def _command(exchange: Exchange, public_url: str) -> str:
    status = exchange.status or "nothing"
    body = _body(exchange)
    note = _unread_body_note(exchange) or _body_note(exchange, body)
    comment = f"# {exchange.number}: answered {status}{printable(note)}"
    command = curl_command(
        exchange.method,
        public_url + exchange.raw_target,
        _headers(exchange),
        body,
        separator=" \\\n  ",
    )
    return f"{comment}\n{command}\n"


def _unread_body_note(exchange: Exchange) -> str:
    """Say that the body was not read, as after a fault or a rejected key."""
    content_length = exchange.request_headers.get(b"content-length", b"0")
    if exchange.request.length or not int(content_length):
        return ""
    return f"; its body was not read ({int(content_length)} bytes)"


def _body_note(exchange: Exchange, body: Body | None) -> str:
    """Say what is not known of a body that the journal does not hold."""
    if isinstance(body, File):
        length = exchange.request.length
        return f"; its body ({length} bytes) is not in the journal: put it into the file `body`"
    if not unstored_fields(exchange):
        return ""
    unknown = ", ".join((*exchange.unknown_fields, *exchange.unknown_files))[:_MAX_NAMES_CHARS]
    left_out = f", and unknown ones are left out: {unknown}" if unknown else ""
    return f"; written from its fields: those that were not sent have their defaults{left_out}"


def _headers(exchange: Exchange) -> Iterator[tuple[str, str]]:
    headers = exchange.request_headers
    if b"authorization" in headers:
        is_malformed = exchange.key_digest is None
        value = REDACTED if is_malformed else ShellText("Bearer $MOCKHUB_KEY")
        yield "Authorization", value
    for name in COPIED_HEADERS:
        if name in headers:
            yield name.decode(), headers[name].decode("utf-8", "surrogateescape")


def _body(exchange: Exchange) -> Body | None:
    """Return the stored body, or one that is rebuilt from the parsed request."""
    body = exchange.request
    if not body.length:
        return None
    if body.content is not None and not _is_form(exchange):
        return body.content.decode("utf-8", "surrogateescape")
    fields = unstored_fields(exchange)
    if not fields:
        return File("body")  # too long for the journal, and not a valid request
    return _form_fields(fields) if _is_form(exchange) else orjson.dumps(dict(fields)).decode()


def _form_fields(fields: Iterable[tuple[str, object]]) -> list[FormField]:
    number = 0
    form: list[FormField] = []
    for name, value in fields:
        if value is None:
            number += 1
            form.append((name, File(f"reference-{number}.png")))
        else:
            form.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return form


def unstored_fields(exchange: Exchange) -> list[tuple[str, object]]:
    """Return the fields of a valid body whose text is not in the journal; None for a file."""
    request = exchange.parsed_request
    if request is None or not (exchange.request.content is None or _is_form(exchange)):
        return []
    return [
        *request_fields(request).items(),
        *(("reference_image", None) for _ in request.references),
    ]


def _is_form(exchange: Exchange) -> bool:
    return exchange.request_headers.get(b"content-type", b"").startswith(FORM.encode())


def request_fields(request: GenerationRequest) -> dict[str, Any]:
    """Return the fields of a body that is not in the journal, without its files."""
    fields = {**asdict(request), "async": request.run_async}
    return {name: fields[name] for name in ("model", "prompt", "size", "quality", "n", "async")}
