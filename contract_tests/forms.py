"""Multipart bodies, written byte by byte, so that what is sent is what was meant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

BOUNDARY = "mockhub-contract-suite-7d1f0c"


class File(NamedTuple):
    """A file to upload."""

    name: str
    content: bytes
    media_type: str


def encode(fields: Mapping[str, str], files: Iterable[tuple[str, File]] = ()) -> bytes:
    """The body of a multipart/form-data request."""
    pieces: list[bytes] = []
    for name, text in fields.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        pieces += (head.encode(), text.encode(), b"\r\n")
    for name, file in files:
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; '
            f'filename="{file.name}"\r\nContent-Type: {file.media_type}\r\n\r\n'
        )
        pieces += (head.encode(), file.content, b"\r\n")
    pieces.append(f"--{BOUNDARY}--\r\n".encode())
    return b"".join(pieces)


def typed(fields: Mapping[str, str], files: Iterable[tuple[str, File]] = ()) -> tuple[str, ...]:
    """The same as arguments of curl."""
    words: list[str] = []
    for name, text in fields.items():
        words += ("-F", f"{name}={text[:200]}")
    for name, file in files:
        words += ("-F", f"{name}=@{file.name};type={file.media_type}")
    return tuple(words)


def as_text(value: Any) -> str:
    """A value as a form's text."""
    return value if isinstance(value, str) else json.dumps(value)
