"""Encode images as PNG, JPEG or WebP with the request as JSON metadata, and read it back.

The JSON is ASCII with escapes, so that every format can carry any prompt.
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
_EXIF_IMAGE_DESCRIPTION = 0x010E
_MAX_COMMENT_BYTES = 65_000  # the length of a JPEG comment must fit in 16 bits
_JPEG_QUALITY = 88
_WEBP_QUALITY = 80
_PREVIEW_BYTES = 16  # of an unknown file, for the error message


class ImageMetadataError(MockhubError):
    """A file is not an image of mockhub; the message says what it is."""


def encode_image(image: Image.Image, format: str, metadata: dict[str, Any]) -> bytes:
    """Encode *image*, which has a palette, with its metadata."""
    return _ENCODERS[format](image, json.dumps(metadata))


def _encode_png(image: Image.Image, text: str) -> bytes:
    file, chunks = BytesIO(), PngImagePlugin.PngInfo()
    chunks.add_text(_PNG_KEYWORD, text)
    image.save(file, "PNG", compress_level=1, pnginfo=chunks)
    return file.getvalue()


def _encode_jpeg(image: Image.Image, text: str) -> bytes:
    """Write several comments for a long prompt; Pillow writes one."""
    file, payload = BytesIO(), text.encode()
    image.convert("RGB").save(file, "JPEG", quality=_JPEG_QUALITY)
    data = file.getvalue()
    start = 4 + int.from_bytes(data[4:6], "big")  # after the JFIF header, which must be first
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


def read_metadata(data: bytes) -> dict[str, Any]:
    """Return the metadata of an image that mockhub drew.

    Raises:
        ImageMetadataError: if *data* is not an image, or one of another origin.
    """
    try:
        # The image may be huge; only its header is read.
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(data)) as image:
            text = _metadata_text(image)
            description = f"a {image.format} image of {image.width}x{image.height}"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ImageMetadataError(
            f"this is {_describe(data)}; expected an image drawn by mockhub"
        ) from None
    if text is None:
        raise ImageMetadataError(
            f"this is {description} without mockhub metadata, of another origin or saved again"
        )
    return _parse_metadata(text, description)


def _metadata_text(image: Image.Image) -> str | bytes | None:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        comments = [comment for name, comment in image.applist if name == "COM"]
        parts = [
            comment[len(_JPEG_COMMENT_PREFIX) :]
            for comment in comments
            if comment.startswith(_JPEG_COMMENT_PREFIX)
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
    raise ImageMetadataError(
        f"this is {description} with metadata of another origin: {text[:60]!r}"
    )


def _describe(data: bytes) -> str:
    if not data:
        return "an empty file"
    if (media := sniff_media_type(data)) is not None:
        return f"a damaged or unsupported {media} file of {len(data)} bytes"
    return f"not an image: {len(data)} bytes that begin with {data[:_PREVIEW_BYTES]!r}"
