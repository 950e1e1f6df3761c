"""The files of a multipart form, parsed from its bytes for mutants that check them differently."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from mockhub.spec.media_types import KNOWN_MEDIA_TYPES, SNIFF_BYTES, sniff_media_type
from mockhub.spec.operations import FileConstraints
from mockhub.web.asgi import Message, Receive

_BOUNDARY = re.compile(rb'boundary="?([^";,]+)"?')
_FILENAME = re.compile(rb'filename="([^"]*)"')
_CONTENT_TYPE = re.compile(rb"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)

# None is what `sniff_media_type` returns for content of no known type.
_ANY_MEDIA_TYPE = cast("tuple[str, ...]", (*KNOWN_MEDIA_TYPES, None))
ANY_FILE = FileConstraints(_ANY_MEDIA_TYPE, max_bytes=sys.maxsize)


class Upload(NamedTuple):
    """One file of a form."""

    filename: str
    declared_type: str
    content: bytes

    @property
    def detected_type(self) -> str | None:
        return sniff_media_type(self.content[:SNIFF_BYTES])


def recording_receive(receive: Receive) -> tuple[Receive, bytearray]:
    """Wrap an ASGI *receive*; the second item collects the bytes of the body."""
    raw = bytearray()

    async def receive_and_record() -> Message:
        message = await receive()
        raw.extend(message.get("body", b""))
        return message

    return receive_and_record, raw


def parse_files(raw: bytes, headers: Mapping[bytes, bytes]) -> tuple[Upload, ...]:
    """Return the files of a well-formed form."""
    return tuple(_files(raw, headers.get(b"content-type", b"")))


def _files(raw: bytes, content_type: bytes) -> Iterator[Upload]:
    match = _BOUNDARY.search(content_type)
    if match is None:
        return
    for part in raw.split(b"--" + match[1])[1:-1]:
        headers, _, content = part.partition(b"\r\n\r\n")
        if name := _FILENAME.search(headers):
            declared_type = _CONTENT_TYPE.search(headers)
            yield Upload(
                name[1].decode("latin-1"),
                declared_type[1].decode("latin-1") if declared_type else "",
                content.removesuffix(b"\r\n"),
            )
