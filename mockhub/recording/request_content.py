"""Digest a request body as it arrives: JSON and text are kept, files of a form are hashed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mockhub.spec.media_types import SNIFF_BYTES, sniff_media_type
from mockhub.spec.operations import FORM
from mockhub.web.multipart_delimiters import DelimiterNormalizer

Content = dict[str, Any]  # of a body, as a recording has it: at most one of its keys and its value
Clean = Callable[[bytes], bytes]  # removes keys and the address of the server

_MAX_HEADER = 1000  # bytes of a Content-Type
_PART_BYTES = 2000  # of memory, about, that a part of a form takes
_MAX_BYTES = 2 * 1024 * 1024  # of a body, or the parts of a form without files, that are kept

_SILENT_LOGGER = logging.Logger("mockhub.recording")
_SILENT_LOGGER.disabled = True


class RequestContentReader:
    """Reads a request body chunk by chunk, in little memory.

    Attributes:
        complete: Whether the body was read to its end.
    """

    def __init__(self, headers: dict[bytes, bytes]) -> None:
        media_type, options = parse_options_header(headers.get(b"content-type", b"")[:_MAX_HEADER])
        boundary = options.get(b"boundary") if media_type == FORM.encode() else None
        length = headers.get(b"content-length", b"0")
        self._stated_size = int(length) if length.isdigit() else 0
        self.complete = not self._stated_size and b"transfer-encoding" not in headers
        self._form = _FormReader(boundary) if boundary else None
        self._raw: bytearray | None = bytearray()
        self._size, self._digest = 0, sha256()

    def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._digest.update(chunk)
        if self._form:
            self._form.feed(chunk)
        elif self._raw is not None:
            self._raw += chunk
            if len(self._raw) > _MAX_BYTES:
                self._raw = None

    @property
    def digest(self) -> str:
        """The SHA-256 of what was read."""
        return self._digest.hexdigest()

    def content(self, clean: Clean) -> Content:
        """Return the content of the body, with *clean* applied to its text."""
        if not self.complete:
            return {"unread": self._stated_size}  # 0 if it is not known
        if not self._size:
            return {}
        if self._form and (parts := self._form.parts(clean)) is not None:
            return {"form": parts}
        if self._raw and not self._form and (content := text_content(clean(bytes(self._raw)))):
            return content
        return {"sha256": self.digest, "size": self._size}


def text_content(raw: bytes, *, exact: bool = False) -> Content | None:
    """Return a body as JSON or as text, or None if it is binary.

    Args:
        exact: Whether the JSON has to be written in the same bytes again.
    """
    with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):  # nested too deeply
        value = orjson.loads(raw)
        if orjson.dumps(value) == raw or not exact:
            return {"json": value}
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else {"text": text}


class _Part:
    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.content = bytearray()  # only the first bytes of a file
        self.is_file = False
        self.size, self.digest = 0, sha256()

    def begin(self) -> None:
        """Read the headers, which are complete."""
        header = self.headers.get(b"content-disposition", b"")
        self.options = parse_options_header(header)[1]
        media_type = self.headers.get(b"content-type", b"text/plain")
        self.is_file = b"filename" in self.options or not media_type.startswith(b"text/")

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)
        self.content += data[: SNIFF_BYTES - len(self.content)] if self.is_file else data

    def describe(self, clean: Clean) -> Content:
        name = clean(self.options.get(b"name", b"")).decode("utf-8", "replace")
        if not self.is_file:
            value = clean(bytes(self.content)).decode("utf-8", "replace")
            return {"name": name, "value": value}
        return {
            "name": name,
            "media_type": sniff_media_type(bytes(self.content)) or "application/octet-stream",
            "size": self.size,
            "sha256": self.digest.hexdigest(),
        }


class _FormReader:
    def __init__(self, boundary: bytes) -> None:
        self._parts: list[_Part] = []
        self._header = [b"", b""]
        self._ended = self._failed = False
        self._kept = 0
        self._delimiters = DelimiterNormalizer(boundary)
        callbacks: Any = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": lambda: self._parts[-1].begin(),
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
            self._parser.logger = _SILENT_LOGGER
        except FormParserError:
            self._failed = True

    def feed(self, chunk: bytes) -> None:
        self._write(self._delimiters.feed(chunk))

    def parts(self, clean: Clean) -> list[Content] | None:
        """Return the parts, or None if the form is malformed."""
        self._write(self._delimiters.finish())
        if self._failed or not self._ended:
            return None
        return [part.describe(clean) for part in self._parts]

    def _write(self, data: bytes) -> None:
        if data and not self._failed:
            try:
                self._parser.write(data)
            except FormParserError:
                self._failed = True

    def _keep(self, size: int) -> None:
        self._kept += size
        if self._kept > _MAX_BYTES:
            raise FormParserError("too many parts, or too long headers or texts")

    def _on_part_begin(self) -> None:
        self._keep(_PART_BYTES)
        self._parts.append(_Part())

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._parts[-1]
        self._keep(0 if part.is_file else end - start)
        part.write(data[start:end])

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._keep(end - start)
        self._header[0] += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._keep(end - start)
        self._header[1] += data[start:end]

    def _on_header_end(self) -> None:
        name, value = self._header
        self._parts[-1].headers[name.lower()] = value
        self._header = [b"", b""]

    def _on_end(self) -> None:
        self._ended = True
