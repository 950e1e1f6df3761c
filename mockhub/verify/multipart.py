"""Encode multipart/form-data bodies with full control over every byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mockhub import _curl

BOUNDARY = "mockhub-contract-suite-7d1f0c"


class File(NamedTuple):
    """A file to upload."""

    name: str
    content: bytes
    media_type: str


def encode_form(
    fields: Mapping[str, str], files: Iterable[tuple[str, File]] = (), files_first: bool = False
) -> bytes:
    """Return the body of a multipart/form-data request with `BOUNDARY`."""
    texts, uploads = [], []
    for name, text in fields.items():
        texts.append(_part(f'name="{name}"', text.encode()))
    for name, file in files:
        content_type = f"\r\nContent-Type: {file.media_type}"
        uploads.append(_part(f'name="{name}"; filename="{file.name}"{content_type}', file.content))
    parts = uploads + texts if files_first else texts + uploads
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def _part(parameters: str, content: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {parameters}\r\n\r\n"
    return b"".join((head.encode(), content, b"\r\n"))


def curl_fields(
    fields: Mapping[str, str], files: Iterable[tuple[str, File]] = (), files_first: bool = False
) -> list[_curl.FormField]:
    """Return the same form for a curl command."""
    texts: list[_curl.FormField] = list(fields.items())
    uploads: list[_curl.FormField] = [
        (name, _curl.File(file.name, file.media_type)) for name, file in files
    ]
    return uploads + texts if files_first else texts + uploads


def to_form_text(value: object) -> str:
    """Return *value* as it is written in a form field."""
    return value if isinstance(value, str) else json.dumps(value)
