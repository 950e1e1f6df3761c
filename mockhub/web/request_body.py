"""Request bodies: JSON whole, forms as they arrive, never more in memory than the limits say."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mockhub._text import format_value
from mockhub.exceptions import ValidationError
from mockhub.journal.exchange import MAX_STORED_BODY, StoredBody
from mockhub.spec.operations import FORM, JSON, Operation
from mockhub.spec.request_validation import coerce_form_fields, parse_json_object
from mockhub.web.asgi import AsgiBodySource, BodySource, Receive, wait_for
from mockhub.web.limits import Limits
from mockhub.web.multipart import CHARSETS, MultipartHandler

EMPTY_BODY = StoredBody(0, b"")

_NO_VALUES: Mapping[str, Any] = {}

_DRAIN_LIMITS = Limits(idle_timeout=1)


# What it warns of, the client is told.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class ClientDisconnected(Exception):
    """The client closed the connection before it had sent its whole request."""


class ParsedBody:
    """What was read of a request's body so far."""

    media_type: str = JSON
    values: Mapping[str, Any] = _NO_VALUES
    references: tuple[str, ...] = ()
    unknown_fields: Set[str] = frozenset()  # the fields that the law does not know
    stored_body: StoredBody = EMPTY_BODY


async def read_body(
    body: ParsedBody,
    source: BodySource,
    headers: Mapping[bytes, bytes],
    operation: Operation,
    limits: Limits,
) -> None:
    """Read a body into *reading* by its content type.

    Raises:
        Invalid: if it is of no known type, malformed, or more than the limits allow.
        ClientGone: if it breaks off.
    """
    media_type = _parse_media_type(headers.get(b"content-type", b""))
    if content_encoding := headers.get(b"content-encoding"):
        _check_content_encoding(content_encoding)
    if media_type == JSON and JSON in operation.bodies:
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
    elif media_type == FORM and FORM in operation.bodies:
        body.media_type = FORM
        await _read_form(body, source, headers[b"content-type"], operation, limits)
    else:
        allowed = " or ".join(operation.bodies)
        problem = f"{format_value(media_type)} is not valid" if media_type else "is missing"
        raise ValidationError(f"Content-Type: {problem}; expected {allowed}")
    known = operation.bodies[body.media_type].fields
    if not body.values.keys() <= known.keys():
        body.unknown_fields = body.values.keys() - known.keys()


async def drain(receive: Receive) -> None:
    """Let the client finish its sentence, if it is a short one that comes at once.

    Who is interrupted while it still writes may miss the reset that it is to see.
    """
    size = 0
    with suppress(ValidationError, ClientDisconnected):
        async for chunk in _chunks(AsgiBodySource(receive), _DRAIN_LIMITS):
            size += len(chunk)
            if size > _DRAIN_LIMITS.max_json_bytes:
                break


@lru_cache(maxsize=256)
def _parse_media_type(content_type: bytes) -> str:
    """The media type of a Content-Type header; JSON is UTF-8, whatever else the header says."""
    media, options = parse_options_header(content_type)
    media_type = media.decode("latin-1")
    charset = options.get(b"charset", b"utf-8").decode("latin-1").lower()
    if media_type == JSON and charset not in CHARSETS:
        raise ValidationError(
            f"Content-Type: charset {format_value(charset)} is not taken; expected utf-8"
        )
    return media_type


def _check_content_encoding(content_encoding: bytes) -> None:
    text = content_encoding.decode("latin-1").strip().lower()
    if text != "identity":
        raise ValidationError(
            f"Content-Encoding: {format_value(text)} is not taken; expected a plain body"
        )


async def _read_all(source: BodySource, limits: Limits) -> bytes:
    """All of the body, or of a longer one than the limit as much as shows that it is."""
    chunks, size = [], 0
    async for chunk in _chunks(source, limits):
        chunks.append(chunk)
        size += len(chunk)
        if size > limits.max_json_bytes:
            break
    return b"".join(chunks)


def to_stored_body(raw: bytes) -> StoredBody:
    """A body as the journal keeps it."""
    if len(raw) <= MAX_STORED_BODY:
        return StoredBody(len(raw), raw)
    return StoredBody(len(raw), None, sha256(raw).hexdigest())


async def _chunks(source: BodySource, limits: Limits) -> AsyncIterator[bytes]:
    more = True
    while more:
        try:
            message = source.receive_nowait()
            if message is None:
                message = await wait_for(source.receive(), limits.idle_timeout)
        except TimeoutError:
            raise ValidationError(
                f"The body broke off; expected its next bytes within {limits.idle_timeout:g} s"
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _read_form(
    body: ParsedBody,
    source: BodySource,
    content_type: bytes,
    operation: Operation,
    limits: Limits,
) -> None:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise ValidationError(
            "Content-Type: the boundary is missing; expected one, as RFC 7578 asks for"
        )
    form = MultipartHandler(operation, limits)
    digest, size = sha256(), 0
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in _chunks(source, limits):
            size += len(chunk)
            digest.update(chunk)
            body.stored_body = StoredBody(size, None)
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise ValidationError(f"The body is not a valid form: {error}; expected {FORM}") from None
    if not form.complete:
        raise ValidationError(
            f"The form breaks off; expected it to end with its boundary ({size} bytes read)"
        )
    body.stored_body = StoredBody(size, None, digest.hexdigest())
    body.values = coerce_form_fields(form.texts, operation.bodies[FORM])
    body.references = tuple(form.digests)
