"""Looking at pictures that were delivered."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a picture of any format, or None if it is none."""
    try:
        with Image.open(BytesIO(content)) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
