"""Read request bodies: JSON at once, forms as they arrive, within the limits on memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

from mockhub._text import format_value
from mockhub.exceptions import ValidationError
from mockhub.journal.exchange import MAX_STORED_BODY, StoredBody
from mockhub.spec.operations import FORM, JSON, Operation
from mockhub.spec.request_validation import coerce_form_fields, parse_json_object
from mockhub.web.asgi import BodySource
from mockhub.web.limits import Limits

EMPTY_BODY = StoredBody(0, b"")

_MAX_CONTENT_TYPE = 1000  # bytes of a Content-Type; boundaries have at most 70 (RFC 2046)
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")
_DRAIN_LIMITS = Limits(idle_timeout=1)


class ClientDisconnected(Exception):
    """The client closed the connection before it had sent its whole request."""


@dataclass(slots=True)
class ParsedBody:
    """What has been read of a request body so far.

    Attributes:
        references: The digests of the reference images.
        unknown_fields: The fields that are not in the API spec.
        unknown_files: The files of a form that are not in the API spec.
        incomplete: Whether the client disconnected before it had sent all of it.
        stored_body: The body, as the journal keeps it.
    """

    media_type: str = JSON
    values: Mapping[str, Any] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    unknown_fields: Set[str] = frozenset()
    unknown_files: Set[str] = frozenset()
    incomplete: bool = False
    stored_body: StoredBody = EMPTY_BODY


async def read_body(
    body: ParsedBody,
    source: BodySource,
    headers: Mapping[bytes, bytes],
    operation: Operation,
    limits: Limits,
) -> None:
    """Read a request body into *body*: JSON or a form, by its content type (REQ-2).

    Raises:
        ValidationError: if the content type is not supported, the body is malformed (REQ-14), or it
            exceeds the limits. What was read until then is in *body*.
        ClientDisconnected: if the client disconnects before the end.
    """
    media_type = _parse_media_type(headers.get(b"content-type", b"")[:_MAX_CONTENT_TYPE])
    if content_encoding := headers.get(b"content-encoding"):
        _check_content_encoding(content_encoding)
    if media_type not in operation.bodies:
        allowed = " or ".join(operation.bodies)
        problem = f": {format_value(media_type)} is not valid" if media_type else " is missing"
        raise ValidationError(f"Content-Type{problem}; expected {allowed}")
    body.media_type = media_type
    try:
        if media_type == JSON:
            await _read_json(body, source, limits)
        else:
            await _read_form(body, source, headers[b"content-type"], operation, limits)
    except ClientDisconnected:
        body.incomplete = True
        raise
    known = operation.bodies[media_type].fields
    if not body.values.keys() <= known.keys():
        body.unknown_fields = body.values.keys() - known.keys()


async def drain(source: BodySource) -> None:
    """Read and discard a body, if it is short and arrives at once.

    A client that is still sending when the connection is reset might not notice the reset.
    """
    size = 0
    with suppress(ValidationError, ClientDisconnected):
        async for chunk in chunks(source, _DRAIN_LIMITS):
            size += len(chunk)
            if size > _DRAIN_LIMITS.max_json_bytes:
                break


async def discard(source: BodySource) -> None:
    """Read and discard a body, however long; raises ClientDisconnected."""
    more = True
    while more:
        message = source.receive_nowait() or await source.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        more = message.get("more_body", False)


def to_stored_body(raw: bytes) -> StoredBody:
    """Return a body as the journal keeps it: whole, or its length and digest if it is long."""
    if len(raw) <= MAX_STORED_BODY:
        return StoredBody(len(raw), raw)
    return StoredBody(len(raw), None, sha256(raw).hexdigest())


@lru_cache(maxsize=256)
def _parse_media_type(content_type: bytes) -> str:
    from python_multipart.multipart import parse_options_header  # slow to import at start

    media, options = parse_options_header(content_type)
    media_type = media.decode("latin-1")
    charset = options.get(b"charset", b"utf-8").decode("latin-1").lower()
    if media_type == JSON and charset not in _CHARSETS:
        raise ValidationError(
            f"Content-Type: charset {format_value(charset)} is not supported; expected utf-8"
        )
    return media_type


def _check_content_encoding(content_encoding: bytes) -> None:
    text = content_encoding.decode("latin-1").strip().lower()
    if text != "identity":
        raise ValidationError(
            f"Content-Encoding: {format_value(text)} is not supported; "
            "expected a body without an encoding"
        )


async def _read_json(body: ParsedBody, source: BodySource, limits: Limits) -> None:
    raw = source.body_nowait()
    if raw is None:
        raw = await _read_all(source, limits)
    if len(raw) > limits.max_json_bytes:
        body.stored_body = StoredBody(len(raw), None)
        raise ValidationError(
            f"The body is too long; expected at most {limits.max_json_bytes} bytes of JSON"
        )
    body.stored_body = to_stored_body(raw)
    body.values = parse_json_object(raw)


async def _read_all(source: BodySource, limits: Limits) -> bytes:
    """Read until the end of the body, or until it is longer than the limit."""
    body = bytearray()
    async for chunk in chunks(source, limits):
        body += chunk
        if len(body) > limits.max_json_bytes:
            break
    return bytes(body)


async def _read_form(
    body: ParsedBody,
    source: BodySource,
    content_type: bytes,
    operation: Operation,
    limits: Limits,
) -> None:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import parse_options_header

    from mockhub.web.multipart import FormParser, require_charset

    parameters = parse_options_header(content_type)[1]
    boundary, charset = parameters.get(b"boundary"), parameters.get(b"charset", b"utf-8")
    if not boundary:
        raise ValidationError("Content-Type: the boundary is missing; expected one (RFC 7578)")
    charset_name = require_charset(charset.decode("latin-1"), "Content-Type")
    digest, size = sha256(), 0
    try:
        form = FormParser(boundary, operation, limits, charset=charset_name)
        async for chunk in chunks(source, limits):
            size += len(chunk)
            digest.update(chunk)
            body.stored_body = StoredBody(size, None)
            form.write(chunk)
        form.finalize()
    except FormParserError as error:
        raise ValidationError(f"The body is not a valid form: {error}; expected {FORM}") from None
    if not form.complete:
        raise ValidationError(
            f"The form is incomplete; expected its last boundary ({size} bytes read)"
        )
    body.stored_body = StoredBody(size, None, digest.hexdigest())
    body.values = coerce_form_fields(form.texts(), operation.bodies[FORM])
    body.references = tuple(form.digests)
    body.unknown_files = form.unknown_files


async def chunks(source: BodySource, limits: Limits) -> AsyncIterator[bytes]:
    """Yield a body as it arrives; raises ClientDisconnected, or ValidationError if it stalls."""
    more = True
    while more:
        try:
            message = source.receive_nowait()
            if message is None:
                message = await asyncio.wait_for(source.receive(), limits.idle_timeout)
        except TimeoutError:
            raise ValidationError(
                f"The body is incomplete; expected its next bytes within {limits.idle_timeout:g} s"
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        yield message.get("body", b"")
        more = message.get("more_body", False)
