"""Exchanges as curl commands that can be pasted; the key is left to the variable MOCKHUB_KEY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import Any

import orjson
from msgspec.structs import asdict

from mockhub.spec.law import Law
from mockhub.spec.operations import FORM
from mockhub.web.visit import redacted
from mockhub.world.generations import Request
from mockhub.world.journal import Record

_TOLD = (b"content-type", b"accept", b"x-mockhub", b"prefer")
_KEY = '"Authorization: Bearer $MOCKHUB_KEY"'


def as_curl(records: Iterable[Record], base_url: str, law: Law) -> str:
    """A script of one command an exchange."""
    script = "\n".join(_command(record, base_url) for record in records)
    return redacted(script, law.key_format.prefix)


def _command(record: Record, base_url: str) -> str:
    parts = [f"curl -X {record.method} {quote(base_url + record.target)}", *_headers(record)]
    head = f"# {record.number}: answered {record.status or 'nothing'}{_unread(record)}\n"
    return head + " \\\n  ".join([*parts, *_body(record)]) + "\n"


def _unread(record: Record) -> str:
    """A fault, or a refused key, may come before the body is read."""
    sent = record.request_headers.get(b"content-length", b"0")
    return (
        ""
        if record.request.length or sent == b"0"
        else f"; its body was not read ({int(sent)} bytes)"
    )


def _headers(record: Record) -> Iterator[str]:
    headers = record.request_headers
    if b"authorization" in headers:
        yield f"-H {_KEY}"
    form = _is_form(record)
    for name in _TOLD:
        if name in headers and not (form and name == b"content-type"):  # curl makes its own
            yield "-H " + quote(f"{name.decode()}: {headers[name].decode('latin-1')}")


def _body(record: Record) -> Iterator[str]:
    """The body as it was kept, or made again from what was asked for."""
    body = record.request
    if not body.length:
        return
    if body.content is not None and not _is_form(record):
        yield "--data-binary " + quote(body.content.decode("utf-8", "replace"))
    elif record.asked and _is_form(record):
        for name, value in _fields(record.asked).items():
            yield "--form-string " + quote(f"{name}={_spelt(value)}")
        for number, _ in enumerate(record.asked.references, 1):
            yield f"-F reference_image=@reference-{number}.png"  # the files are not kept
    elif record.asked:
        yield "--data-binary " + quote(orjson.dumps(_fields(record.asked)).decode())
    else:
        yield "--data-binary @body"  # more than the journal keeps, and nothing valid


def _fields(asked: Request) -> dict[str, Any]:
    fields = {**asdict(asked), "async": asked.run_async}
    return {name: fields[name] for name in ("model", "prompt", "size", "quality", "n", "async")}


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_form(record: Record) -> bool:
    return record.request_headers.get(b"content-type", b"").startswith(FORM.encode())
