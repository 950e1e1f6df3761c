"""Request bodies: JSON whole, forms as they arrive, never more in memory than the limits say."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mockhub.spec.coerce import Invalid, expected, read_json, read_texts, shown
from mockhub.spec.files import HEAD, media_type
from mockhub.spec.operations import FORM, JSON, Body, FileRule, Operation
from mockhub.web.asgi import Incoming, Receive, Received
from mockhub.web.limits import Limits
from mockhub.web.steps import in_time
from mockhub.world.journal import KEPT_BODY
from mockhub.world.journal import Body as Kept

EMPTY = Kept(0, b"")

_NOTHING: Mapping[str, Any] = {}

_SKIPPED = Limits(idle_seconds=1)

_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")
# python-multipart reads only the plain spelling; older clients send other names as filename*=...
_FILENAME = re.compile(rb";\s*filename\*?[0-9]*\*?\s*=", re.IGNORECASE)

# What it warns of, the client is told.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class ClientGone(Exception):
    """The client closed the connection before it had sent its whole request."""


class Reading:
    """What was read of a request's body so far."""

    media: str = JSON
    values: Mapping[str, Any] = _NOTHING
    references: tuple[str, ...] = ()
    unknown: Set[str] = frozenset()  # the fields that the law does not know
    kept: Kept = EMPTY


async def read(
    reading: Reading,
    incoming: Incoming,
    headers: Mapping[bytes, bytes],
    operation: Operation,
    limits: Limits,
) -> None:
    """Read a body into *reading* by its content type.

    Raises:
        Invalid: if it is of no known type, malformed, or more than the limits allow.
        ClientGone: if it breaks off.
    """
    media_type = _media_type(headers.get(b"content-type", b""))
    if coding := headers.get(b"content-encoding"):
        _check_coding(coding)
    if media_type == JSON and JSON in operation.bodies:
        raw = incoming.arrived()
        if raw is None:
            raw = await _whole(incoming, limits)
        if len(raw) > limits.json_bytes:
            reading.kept = Kept(len(raw), None)
            raise Invalid(
                f"The body is too long; expected at most {limits.json_bytes} bytes of JSON"
            )
        reading.kept = kept(raw)
        reading.values = read_json(raw)
    elif media_type == FORM and FORM in operation.bodies:
        reading.media = FORM
        await _form(reading, incoming, headers[b"content-type"], operation, limits)
    else:
        allowed = " or ".join(operation.bodies)
        given = f"{shown(media_type)} is not valid" if media_type else "is missing"
        raise Invalid(f"Content-Type: {given}; expected {allowed}")
    known = operation.bodies[reading.media].fields
    if not reading.values.keys() <= known.keys():
        reading.unknown = reading.values.keys() - known.keys()


async def skip(receive: Receive) -> None:
    """Let the client finish its sentence, if it is a short one that comes at once.

    Who is interrupted while it still writes may miss the reset that it is to see.
    """
    size = 0
    with suppress(Invalid, ClientGone):
        async for piece in _pieces(Received(receive), _SKIPPED):
            size += len(piece)
            if size > _SKIPPED.json_bytes:
                break


@lru_cache(maxsize=256)
def _media_type(content_type: bytes) -> str:
    """The media type of a Content-Type header; JSON is UTF-8, whatever else the header says."""
    media, options = parse_options_header(content_type)
    media_type = media.decode("latin-1")
    charset = options.get(b"charset", b"utf-8").decode("latin-1").lower()
    if media_type == JSON and charset not in _CHARSETS:
        raise Invalid(f"Content-Type: charset {shown(charset)} is not taken; expected utf-8")
    return media_type


def _check_coding(coding: bytes) -> None:
    text = coding.decode("latin-1").strip().lower()
    if text != "identity":
        raise Invalid(f"Content-Encoding: {shown(text)} is not taken; expected a plain body")


async def _whole(incoming: Incoming, limits: Limits) -> bytes:
    """All of the body, or of a longer one than the limit as much as shows that it is."""
    pieces, size = [], 0
    async for piece in _pieces(incoming, limits):
        pieces.append(piece)
        size += len(piece)
        if size > limits.json_bytes:
            break
    return b"".join(pieces)


def kept(raw: bytes) -> Kept:
    """A body as the journal keeps it."""
    if len(raw) <= KEPT_BODY:
        return Kept(len(raw), raw)
    return Kept(len(raw), None, sha256(raw).hexdigest())


async def _pieces(incoming: Incoming, limits: Limits) -> AsyncIterator[bytes]:
    more = True
    while more:
        try:
            message = incoming.ready()
            if message is None:
                message = await in_time(incoming.receive(), limits.idle_seconds)
        except TimeoutError:
            raise Invalid(
                f"The body broke off; expected its next bytes within {limits.idle_seconds:g} s"
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _form(
    reading: Reading,
    incoming: Incoming,
    content_type: bytes,
    operation: Operation,
    limits: Limits,
) -> None:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Invalid("Content-Type: the boundary is missing; expected one, as RFC 7578 asks for")
    form = _Form(operation, limits)
    digest, size = sha256(), 0
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for piece in _pieces(incoming, limits):
            size += len(piece)
            digest.update(piece)
            reading.kept = Kept(size, None)
            parser.write(piece)
        parser.finalize()
    except FormParserError as error:
        raise Invalid(f"The body is not a valid form: {error}; expected {FORM}") from None
    if not form.ended:
        raise Invalid(
            f"The form breaks off; expected it to end with its boundary ({size} bytes read)"
        )
    reading.kept = Kept(size, None, digest.hexdigest())
    reading.values = read_texts(form.texts, operation.bodies[FORM])
    reading.references = tuple(form.digests)


class _Form:
    """The callbacks of the multipart parser: texts are kept, files are weighed and hashed."""

    def __init__(self, operation: Operation, limits: Limits) -> None:
        self._rules = operation.files
        self._body: Body = operation.bodies[FORM]
        self._limits = limits
        self.texts: list[tuple[str, str]] = []
        self.digests: list[str] = []
        self.ended = False
        self._parts = 0
        self._header = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._part: _Text | _File | None = None

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._close,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise Invalid(f"The form has too many parts; expected at most {self._limits.parts}")
        self._headers, self._part = {}, None

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[name.lower()] = value
        self._header = [b"", b""]

    def _open(self) -> None:
        header = self._headers.get(b"content-disposition", b"")
        disposition, options = parse_options_header(header)
        if disposition != b"form-data" or b"name" not in options:
            raise Invalid(
                f"Part {self._parts} of the form has no name; "
                'expected Content-Disposition: form-data; name="..."'
            )
        name = options[b"name"].decode("utf-8", "replace")
        is_file = _FILENAME.search(header) is not None
        self._part = self._sink(name, is_file, chosen=options.get(b"filename") != b"")

    def _sink(self, name: str, is_file: bool, *, chosen: bool) -> _Text | _File | None:
        rule = self._rules.get(name)
        if rule and not is_file:
            raise Invalid(f"{name} is a text; expected a file with a filename")
        if rule:
            return _File(name, rule, chosen=chosen)
        if is_file and name in self._body.fields:
            raise Invalid(f"{name} is a file; expected {expected(self._body.fields[name])}")
        return None if is_file else _Text(name, self._limits.text_bytes)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part:
            self._part.write(data[start:end])

    def _close(self) -> None:
        if isinstance(self._part, _File):
            if self._part.chosen:
                self.digests.append(self._part.close())
        elif self._part:
            self.texts.append((self._part.name, self._part.close()))

    def _end(self) -> None:
        self.ended = True


class _Text:
    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self._most = most
        self._content = bytearray()

    def write(self, piece: bytes) -> None:
        self._content += piece
        if len(self._content) > self._most:
            raise Invalid(f"{self.name} is too long; expected at most {self._most} bytes of text")

    def close(self) -> str:
        try:
            return self._content.decode()
        except UnicodeDecodeError as error:
            raise Invalid(f"{self.name} is not valid UTF-8 at byte {error.start}") from None


class _File:
    """A file that is only weighed, hashed and looked at: never kept.

    A browser sends an input without a file as an empty one without a name: nothing was *chosen*.
    """

    def __init__(self, name: str, rule: FileRule, *, chosen: bool) -> None:
        self.chosen = chosen
        self._name = name
        self._rule = rule
        self._head = b""
        self._size = 0
        self._digest = sha256()

    def write(self, piece: bytes) -> None:
        if len(self._head) < HEAD:
            self._head = (self._head + piece)[:HEAD]
            if len(self._head) == HEAD:
                self._check_type()
        self.chosen = True
        self._size += len(piece)
        if self._size > self._rule.max_bytes:
            raise Invalid(
                f"{self._name} is too large; expected at most {self._rule.max_bytes} bytes a file"
            )
        self._digest.update(piece)

    def close(self) -> str:
        if len(self._head) < HEAD:
            self._check_type()
        return self._digest.hexdigest()

    def _check_type(self) -> None:
        found = media_type(self._head)
        if found not in self._rule.media_types:
            what = found or (f"a file that begins with {self._head!r}" if self._head else "empty")
            allowed = ", ".join(self._rule.media_types)
            raise Invalid(f"{self._name} is {what}; expected {allowed}, by its content")
