"""Builds multipart/form-data bodies byte for byte."""

from __future__ import annotations

from tests.support.live_server import PNG

MODEL = b'Content-Disposition: form-data; name="model"\r\n\r\ngpt-image-2'
PROMPT = b'Content-Disposition: form-data; name="prompt"\r\n\r\nx'
FORM = "multipart/form-data; boundary=B"


def text_part(name: str, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name.encode(), raw)


def file_part(
    content: bytes = PNG, *, name: str = "reference_image", rest: str = '; filename="r.png"'
) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"{rest}\r\n'
    return disposition.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content


def form_body(*parts: bytes, boundary: bytes = b"B") -> bytes:
    """Return a form with a model, a prompt and these parts."""
    lines = [b"--%s\r\n%s\r\n" % (boundary, part) for part in (MODEL, PROMPT, *parts)]
    return b"".join(lines) + b"--%s--\r\n" % boundary
