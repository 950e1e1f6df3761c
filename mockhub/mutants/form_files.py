"""The files of a form, taken from its bytes, for mutants that judge them by other things."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from mockhub.spec.media_types import SNIFF_BYTES, sniff_media_type
from mockhub.spec.operations import FileConstraints
from mockhub.web.asgi import Message, Receive

_BOUNDARY = re.compile(rb'boundary="?([^";,]+)"?')
_FILENAME = re.compile(rb'filename="([^"]*)"')
_CONTENT_TYPE = re.compile(rb"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Upload(NamedTuple):
    """One file of a form."""

    filename: str
    declared_type: str
    content: bytes

    @property
    def detected_type(self) -> str | None:
        """The type that its content shows."""
        return sniff_media_type(self.content[:SNIFF_BYTES])


def recording_receive(receive: Receive) -> tuple[Receive, bytearray]:
    """A way to receive a body that keeps what came."""
    raw = bytearray()

    async def receive_and_record() -> Message:
        message = await receive()
        raw.extend(message.get("body", b""))
        return message

    return receive_and_record, raw


def parse_files(raw: bytes, headers: Mapping[bytes, bytes]) -> tuple[Upload, ...]:
    """The files of a form that was found to be well-formed."""
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


class _AnyMediaType(tuple[str, ...]):
    """A list of types in which every type is."""

    __slots__ = ()

    def __contains__(self, key: object) -> bool:
        return True


def accept_all(rule: FileConstraints) -> FileConstraints:
    """A rule that takes every file."""
    return replace(rule, media_types=_AnyMediaType(rule.media_types), max_bytes=sys.maxsize)
