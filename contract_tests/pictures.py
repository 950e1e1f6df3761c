"""Looking at pictures that were delivered."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def measure(content: bytes) -> tuple[int, int] | None:
    """Width and height of a picture of any format, or None if it is none."""
    try:
        with Image.open(BytesIO(content)) as picture:
            return picture.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
