"""Measure images."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return the width and height of an image file, or None if it cannot be read to its end."""
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
