"""Picture files: PNG, JPEG and WebP with a chunk of JSON that says where the picture came from.

The JSON is ASCII, other characters escaped, so that any prompt survives in any of the formats.
"""

from __future__ import annotations

import json
import warnings
from io import BytesIO
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin

from mockhub.exceptions import MockhubError
from mockhub.spec.media_types import sniff_media_type

_PNG_KEYWORD = "mockhub"
_JPEG_COMMENT_PREFIX = b"mockhub "
_EXIF_IMAGE_DESCRIPTION = 0x010E  # EXIF's ImageDescription
_MAX_COMMENT_BYTES = 65_000  # bytes of a JPEG comment, whose length must fit 16 bits
_JPEG_QUALITY = 88
_WEBP_QUALITY = 80
_PREVIEW_BYTES = 16  # bytes of a strange file that a message quotes


class NotAMockhubImage(MockhubError):
    """A file that mockhub did not draw; the message says what it is."""


def encode_image(image: Image.Image, format: str, metadata: dict[str, Any]) -> bytes:
    """The file of *sheet*, an image with a palette, and of what is told of it."""
    return _ENCODERS[format](image, json.dumps(metadata))


def _encode_png(image: Image.Image, text: str) -> bytes:
    file, chunks = BytesIO(), PngImagePlugin.PngInfo()
    chunks.add_text(_PNG_KEYWORD, text)
    image.save(file, "PNG", compress_level=1, pnginfo=chunks)
    return file.getvalue()


def _encode_jpeg(image: Image.Image, text: str) -> bytes:
    """Pillow writes one comment; a long prompt needs several."""
    file, payload = BytesIO(), text.encode()
    image.convert("RGB").save(file, "JPEG", quality=_JPEG_QUALITY)
    data = file.getvalue()
    start = 4 + int.from_bytes(data[4:6], "big")  # behind the JFIF header, which has to be first
    comments = b"".join(
        b"\xff\xfe" + (len(part) + 2).to_bytes(2, "big") + part
        for part in (
            _JPEG_COMMENT_PREFIX + payload[i : i + _MAX_COMMENT_BYTES]
            for i in range(0, len(payload), _MAX_COMMENT_BYTES)
        )
    )
    return data[:start] + comments + data[start:]


def _encode_webp(image: Image.Image, text: str) -> bytes:
    file, exif = BytesIO(), Image.Exif()
    exif[_EXIF_IMAGE_DESCRIPTION] = text
    image.convert("RGB").save(file, "WEBP", quality=_WEBP_QUALITY, method=0, exif=exif)
    return file.getvalue()


_ENCODERS = {"png": _encode_png, "jpeg": _encode_jpeg, "webp": _encode_webp}


def decode_metadata(data: bytes) -> dict[str, Any]:
    """What a picture's file tells of itself.

    Raises:
        NotOurs: if *data* is no picture, or one that was not drawn here.
    """
    try:
        # A stranger's picture may be huge; only its header is read.
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(data)) as image:
            text = _metadata_text(image)
            description = f"a {image.format} image of {image.width}x{image.height}"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise NotAMockhubImage(
            f"this is {_describe(data)}; expected an image drawn by mockhub"
        ) from None
    if text is None:
        raise NotAMockhubImage(
            f"this is {description} without a mockhub chunk; it was drawn elsewhere, or re-saved"
        )
    return _parse_metadata(text, description)


def _metadata_text(image: Image.Image) -> str | bytes | None:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        comments = [told for name, told in image.applist if name == "COM"]
        parts = [
            told[len(_JPEG_COMMENT_PREFIX) :]
            for told in comments
            if told.startswith(_JPEG_COMMENT_PREFIX)
        ]
        return b"".join(parts) or None
    if image.format == "WEBP":
        return image.getexif().get(_EXIF_IMAGE_DESCRIPTION)
    return image.info.get(_PNG_KEYWORD)


def _parse_metadata(text: str | bytes, description: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except ValueError:
        metadata = None
    if isinstance(metadata, dict) and metadata.get("generator") == "mockhub":
        return metadata
    raise NotAMockhubImage(
        f"this is {description} whose chunk mockhub did not write: {text[:60]!r}"
    )


def _describe(data: bytes) -> str:
    if not data:
        return "an empty file"
    if (media := sniff_media_type(data)) is not None:
        return f"a damaged or unsupported {media} file of {len(data)} bytes"
    return f"no image: {len(data)} bytes that begin with {data[:_PREVIEW_BYTES]!r}"
