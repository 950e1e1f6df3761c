"""Encode request bodies, and say how curl sends the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

from mockhub import _curl
from mockhub._curl import Body
from mockhub.verify import multipart
from mockhub.verify.multipart import File

_MAX_CURL_BODY = 20_000  # bytes of a body in a curl command; it reads a longer one from a file


class EncodedBody(NamedTuple):
    content: bytes
    media_type: str
    curl_body: Body
    files: Mapping[str, bytes] = MappingProxyType({})


def json_body(value: object) -> EncodedBody:
    text = json.dumps(value, ensure_ascii=False)
    return raw_body("application/json", text.encode("utf-8", "surrogatepass"))


def form_body(fields: Mapping[str, str], uploads: Iterable[File], files_first: bool) -> EncodedBody:
    files = [("reference_image", file) for file in uploads]
    return EncodedBody(
        multipart.encode_form(fields, files, files_first),
        f"multipart/form-data; boundary={multipart.BOUNDARY}",
        multipart.curl_fields(fields, files, files_first),
        {file.name: file.content for _, file in files},
    )


def raw_body(media_type: str, content: bytes) -> EncodedBody:
    if len(content) > _MAX_CURL_BODY:
        name = f"body-{sha256(content).hexdigest()[:8]}"
        return EncodedBody(content, media_type, _curl.File(name), {name: content})
    return EncodedBody(content, media_type, content.decode("utf-8", "surrogateescape"))
