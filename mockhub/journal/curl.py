"""Exchanges as curl commands that can be pasted; the key is left to the variable MOCKHUB_KEY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import Any

import orjson
from msgspec.structs import asdict

from mockhub.journal.exchange import Exchange
from mockhub.journal.redaction import redact
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM

_COPIED_HEADERS = (b"content-type", b"accept", b"x-mockhub", b"prefer")
_AUTHORIZATION_HEADER = '"Authorization: Bearer $MOCKHUB_KEY"'


def as_curl(exchanges: Iterable[Exchange], base_url: str, spec: ApiSpec) -> str:
    """A script of one command an exchange."""
    script = "\n".join(_command(exchange, base_url) for exchange in exchanges)
    return redact(script, spec.key_format.prefix)


def _command(exchange: Exchange, base_url: str) -> str:
    parts = [f"curl -X {exchange.method} {quote(base_url + exchange.target)}", *_headers(exchange)]
    comment = f"# {exchange.number}: answered {exchange.status or 'nothing'}{_unread_body_note(exchange)}\n"  # noqa: E501
    return comment + " \\\n  ".join([*parts, *_body(exchange)]) + "\n"


def _unread_body_note(exchange: Exchange) -> str:
    """A fault, or a refused key, may come before the body is read."""
    content_length = exchange.request_headers.get(b"content-length", b"0")
    return (
        ""
        if exchange.request.length or content_length == b"0"
        else f"; its body was not read ({int(content_length)} bytes)"
    )


def _headers(exchange: Exchange) -> Iterator[str]:
    headers = exchange.request_headers
    if b"authorization" in headers:
        yield f"-H {_AUTHORIZATION_HEADER}"
    form = _is_form(exchange)
    for name in _COPIED_HEADERS:
        if name in headers and not (form and name == b"content-type"):  # curl makes its own
            yield "-H " + quote(f"{name.decode()}: {headers[name].decode('latin-1')}")


def _body(exchange: Exchange) -> Iterator[str]:
    """The body as it was kept, or made again from what was asked for."""
    body = exchange.request
    if not body.length:
        return
    if body.content is not None and not _is_form(exchange):
        yield "--data-binary " + quote(body.content.decode("utf-8", "replace"))
    elif exchange.parsed_request and _is_form(exchange):
        for name, value in _fields(exchange.parsed_request).items():
            yield "--form-string " + quote(f"{name}={_format_value(value)}")
        for number, _ in enumerate(exchange.parsed_request.references, 1):
            yield f"-F reference_image=@reference-{number}.png"  # the files are not kept
    elif exchange.parsed_request:
        yield "--data-binary " + quote(orjson.dumps(_fields(exchange.parsed_request)).decode())
    else:
        yield "--data-binary @body"  # more than the journal keeps, and nothing valid


def _fields(request: GenerationRequest) -> dict[str, Any]:
    fields = {**asdict(request), "async": request.run_async}
    return {name: fields[name] for name in ("model", "prompt", "size", "quality", "n", "async")}


def _format_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_form(exchange: Exchange) -> bool:
    return exchange.request_headers.get(b"content-type", b"").startswith(FORM.encode())
