"""Detect the media type of a file by its first bytes (REQ-17)."""

from __future__ import annotations

SNIFF_BYTES = 12  # enough for every signature

FIRST_BYTES = {  # of a file of each known media type; webp has its length between
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/bmp": b"BM",
    "application/pdf": b"%PDF",
    "image/webp": b"RIFF\0\0\0\0WEBP",
}
KNOWN_MEDIA_TYPES = frozenset(FIRST_BYTES)


def sniff_media_type(first_bytes: bytes) -> str | None:
    """Return the media type of the file that begins with *first_bytes*, or None if unknown."""
    if first_bytes[:4] == b"RIFF" and first_bytes[8:12] == b"WEBP":
        return "image/webp"
    return next(
        (name for name, start in FIRST_BYTES.items() if first_bytes.startswith(start)), None
    )
