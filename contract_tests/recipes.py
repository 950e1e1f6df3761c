"""The generations that the deck pays for; each is made once and serves many checks."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mockhub.resources import path

from . import oracle
from .forms import File

_MEGABYTE = 1000 * 1000
_ROOM = 20_000  # bytes for what frames the pixels
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


@dataclass(frozen=True)
class Recipe:
    """One generation: what is sent, and how it is meant to end."""

    prompt: str
    size: str | None = "1024x1024"
    quality: str | None = None
    n: int | None = None
    asynchronous: bool | None = None
    form: bool = False
    files: tuple[str, ...] = ()
    trigger: str | None = None  # provider_failure or partial: the profile's prompt is sent
    more: Mapping[str, Any] | None = None
    manner: str = ""  # CHARSET or FILES_FIRST: sent so first, and as usual if that is refused

    @property
    def count(self) -> int:
        return 1 if self.n is None else self.n

    @property
    def worst(self) -> int:
        """The most that it may cost, in credits."""
        return oracle.price(self.size or "auto", self.count)

    def fields(self, prompt: str) -> dict[str, Any]:
        """The fields of the request."""
        given = {
            "model": oracle.MODEL,
            "prompt": prompt,
            "size": self.size,
            "quality": self.quality,
            "n": self.n,
            "async": self.asynchronous,
        }
        return {name: value for name, value in given.items() if value is not None} | {
            **(self.more or {})
        }


CHARSET, FILES_FIRST = "charset", "files first"

PUBLISHED = (None, "auto", "1024x1024")  # the sizes of the page; others may be refused

_ALL_TYPES = ("sunset.png", "sunset.jpg", "sunset.jpeg", "sunset.webp")

RECIPES: Mapping[str, Recipe] = {
    # The page's own examples.
    "page": Recipe("A cinematic product photo with premium studio lighting", quality="high", n=1),
    "page_form": Recipe(
        "Use the reference image and render it as a premium studio product shot",
        quality="high",
        n=1,
        form=True,
        files=("sunset.png",),
    ),
    "page_async": Recipe(
        "A cinematic product photo with premium studio lighting, queued",
        quality="high",
        n=1,
        asynchronous=True,
    ),
    # Other sizes, qualities and counts.
    "portrait": Recipe(
        "A lighthouse at dusk", size="1024x1536", quality="low", n=1, asynchronous=False
    ),
    "auto": Recipe("सुबह का बंदरगाह, 🚢", size="auto", quality="auto", n=1),
    "two_k": Recipe("A glass of water on slate", size="2048x2048", quality="low", n=1),
    "four_k": Recipe("A valley from above", size="3840x2160", quality="medium", n=1),
    "several_async": Recipe("Two boats", size="2048x2048", quality="high", n=2, asynchronous=True),
    "plain_form": Recipe("Four lamps in a row", quality="medium", n=4, form=True),
    "three": Recipe("Three bridges", quality="low", n=3),
    "form_task": Recipe(
        "A boat of this", quality="low", n=1, form=True, files=("sunset.png",), asynchronous=True
    ),
    # References.
    "many_references": Recipe(
        "A market made of these",
        size="1024x1536",
        quality="low",
        n=2,
        form=True,
        files=_ALL_TYPES * 4,
    ),
    "large_reference": Recipe("A coin", quality="low", n=1, form=True, files=("large.png",)),
    # A provider that misbehaves.
    "failure": Recipe("", quality="medium", n=2, trigger="provider_failure"),
    "failure_async": Recipe(
        "", size="2048x2048", n=2, trigger="provider_failure", asynchronous=True
    ),
    "partial": Recipe("", trigger="partial", n=4),
    "partial_async": Recipe("", size="2048x2048", trigger="partial", n=4, asynchronous=True),
    # What the page leaves open.
    "bare": Recipe("Ein Leuchtturm, 灯台, маяк 🏮 " * 1000, size=None),
    "unknown_field": Recipe("A kite", more={"style": "vivid", "user": "someone"}, manner=CHARSET),
    "form_async": Recipe(
        "A kite in a form. " * 1000,
        n=1,
        form=True,
        asynchronous=True,
        files=("strange.bin",),
        manner=FILES_FIRST,
    ),
    "above_1k": Recipe("A fence", size="2208x736"),  # as wide as can be
    "above_2k": Recipe("A wall", size="2064x2048"),
    "wide": Recipe("A horizon", size="2688x1152"),
}


def files(names: tuple[str, ...]) -> list[File]:
    """The files to upload, by name."""
    return [_file(name) for name in names]


@cache
def _file(name: str) -> File:
    if name == "large.png":
        return File(name, png_of(49 * _MEGABYTE), "image/png")
    if name == "strange.bin":
        return File(name, _upload("sunset.png"), "application/octet-stream")
    return File(name, _upload(name), _MEDIA[name.rpartition(".")[2]])


_MEDIA = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "bmp": "image/bmp",
    "html": "text/html",
    "gif": "image/gif",
    "txt": "text/plain",
    "pdf": "application/pdf",
}


def png_of(size: int) -> bytes:
    """A valid PNG of *size* bytes: pixels that are stored as they are, and a comment."""
    side = 4096
    rows = (size - _ROOM) // (3 * side + 1)
    header = side.to_bytes(4, "big") + rows.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    pixels = _chunk(b"IDAT", zlib.compress(bytes(rows * (3 * side + 1)), 0))
    begun = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    left = size - len(begun) - len(pixels) - len(_PNG_END) - 12
    comment = _chunk(b"tEXt", b"Comment\x00".ljust(left, b" "))
    return begun + comment + pixels + _PNG_END


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind)).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + check


def stranger(name: str) -> File:
    """A file that is no reference image, honestly named and declared."""
    if name == "picture.gif":
        return File(name, _upload("gif_named.png"), "image/gif")
    if name == "notes.txt":
        return File(name, _upload("text_named.png"), "text/plain")
    if name == "paper.pdf":
        return File(name, b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n", "application/pdf")
    return File(name, _upload(name), _MEDIA[name.rpartition(".")[2]])


def liar(name: str) -> File:
    """A file that is something else than it says."""
    return File(name, _upload(name), "image/png")


def _upload(name: str) -> bytes:
    return (path("fixtures/uploads") / name).read_bytes()
