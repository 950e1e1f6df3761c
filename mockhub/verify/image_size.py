"""Measure images."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return the width and height of an image file, or None if it cannot be read to its end."""
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
            return image.size if _has_end(content, image.format or "") else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _has_end(content: bytes, image_format: str) -> bool:
    """Return whether a file has the end of its format, which a reader of its pixels may ignore."""
    match image_format:
        case "PNG":
            return b"IEND\xaeB`\x82" in content
        case "JPEG":
            return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")
    return True
