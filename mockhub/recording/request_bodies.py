"""Build the bodies of recorded requests again, from their content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from mockhub.spec.media_types import FIRST_BYTES
from mockhub.spec.operations import JSON

_BOUNDARY = "mockhub-recording"


def encode_content(content: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the Content-Type and the body; files have the recorded size and type."""
    content_type = headers.get("content-type", JSON)
    if "json" in content:
        return content_type, orjson.dumps(content["json"])
    if "form" in content:
        return f"multipart/form-data; boundary={_BOUNDARY}", _encode_form(content["form"])
    return content_type, content.get("text", "").encode()


def _encode_form(parts: Iterable[Mapping[str, Any]]) -> bytes:
    body = b""
    for part in parts:
        name = part["name"].replace('"', "%22").encode()
        body += b'--%s\r\nContent-Disposition: form-data; name="%s"' % (_BOUNDARY.encode(), name)
        if "value" in part:
            body += b"\r\n\r\n%s\r\n" % part["value"].encode()
            continue
        media_type, size = part.get("media_type", "image/png"), part.get("size", 100)
        start = FIRST_BYTES.get(media_type, b"")
        content = (start + bytes(max(0, size - len(start))))[:size]
        header = b'; filename="file"\r\nContent-Type: %s\r\n\r\n' % media_type.encode()
        body += header + content + b"\r\n"
    return body + b"--%s--\r\n" % _BOUNDARY.encode()
