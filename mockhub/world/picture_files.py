"""Picture files: PNG, JPEG and WebP with a chunk of JSON that says where the picture came from.

The JSON is ASCII, other characters escaped, so that any prompt survives in any of the formats.
"""

from __future__ import annotations

import json
import warnings
from io import BytesIO
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin

from mockhub.spec.files import media_type

_KEYWORD = "mockhub"
_COMMENT = b"mockhub "
_DESCRIPTION = 0x010E  # EXIF's ImageDescription
_SEGMENT = 65_000  # bytes of a JPEG comment, whose length must fit 16 bits
_JPEG_QUALITY = 88
_WEBP_QUALITY = 80
_SHOWN = 16  # bytes of a strange file that a message quotes


class NotOurs(ValueError):
    """A file that mockhub did not draw; the message says what it is."""


def encode(sheet: Image.Image, format: str, told: dict[str, Any]) -> bytes:
    """The file of *sheet*, an image with a palette, and of what is told of it."""
    return _ENCODERS[format](sheet, json.dumps(told))


def _png(sheet: Image.Image, text: str) -> bytes:
    file, chunks = BytesIO(), PngImagePlugin.PngInfo()
    chunks.add_text(_KEYWORD, text)
    sheet.save(file, "PNG", compress_level=1, pnginfo=chunks)
    return file.getvalue()


def _jpeg(sheet: Image.Image, text: str) -> bytes:
    """Pillow writes one comment; a long prompt needs several."""
    file, told = BytesIO(), text.encode()
    sheet.convert("RGB").save(file, "JPEG", quality=_JPEG_QUALITY)
    data = file.getvalue()
    start = 4 + int.from_bytes(data[4:6], "big")  # behind the JFIF header, which has to be first
    comments = b"".join(
        b"\xff\xfe" + (len(part) + 2).to_bytes(2, "big") + part
        for part in (_COMMENT + told[i : i + _SEGMENT] for i in range(0, len(told), _SEGMENT))
    )
    return data[:start] + comments + data[start:]


def _webp(sheet: Image.Image, text: str) -> bytes:
    file, exif = BytesIO(), Image.Exif()
    exif[_DESCRIPTION] = text
    sheet.convert("RGB").save(file, "WEBP", quality=_WEBP_QUALITY, method=0, exif=exif)
    return file.getvalue()


_ENCODERS = {"png": _png, "jpeg": _jpeg, "webp": _webp}


def read(data: bytes) -> dict[str, Any]:
    """What a picture's file tells of itself.

    Raises:
        NotOurs: if *data* is no picture, or one that was not drawn here.
    """
    try:
        # A stranger's picture may be huge; only its header is read.
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(data)) as image:
            text = _text(image)
            what = f"a {image.format} image of {image.width}x{image.height}"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise NotOurs(f"this is {_describe(data)}; expected an image drawn by mockhub") from None
    if text is None:
        raise NotOurs(
            f"this is {what} without a mockhub chunk; it was drawn elsewhere, or re-saved"
        )
    return _parse(text, what)


def _text(image: Image.Image) -> str | bytes | None:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        comments = [told for name, told in image.applist if name == "COM"]
        parts = [told[len(_COMMENT) :] for told in comments if told.startswith(_COMMENT)]
        return b"".join(parts) or None
    if image.format == "WEBP":
        return image.getexif().get(_DESCRIPTION)
    return image.info.get(_KEYWORD)


def _parse(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if isinstance(told, dict) and told.get("generator") == "mockhub":
        return told
    raise NotOurs(f"this is {what} whose chunk mockhub did not write: {text[:60]!r}")


def _describe(data: bytes) -> str:
    if not data:
        return "an empty file"
    if (media := media_type(data)) is not None:
        return f"a damaged or unsupported {media} file of {len(data)} bytes"
    return f"no image: {len(data)} bytes that begin with {data[:_SHOWN]!r}"
