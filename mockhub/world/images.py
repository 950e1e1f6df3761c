"""Images: pure functions of what was asked for and the seed, drawn when they are fetched.

Import this module only when a picture is wanted: it brings Pillow, which a start does not need.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import Any

from PIL import Image

from mockhub.world import captions, palettes, picture_files, scenes
from mockhub.world.canvas import Canvas, Dice
from mockhub.world.generations import Generation
from mockhub.world.picture_files import NotOurs

__all__ = ["Cache", "NotOurs", "Picture", "digest", "draw", "inspect", "picture_of"]

RECIPE = 1  # raised whenever the same fields give another picture

CACHE_BYTES = 64 * 1024 * 1024

_FINE = ((1 << 16, 4), (1 << 19, 2))  # pixels up to which a picture is painted so much larger
_STRIDE = 5  # from the palette of one image of a request to that of the next


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a picture depends on; the generation's id is not among it."""

    seed: int
    model: str
    prompt: str
    width: int
    height: int
    index: int  # from 0
    count: int
    references: tuple[str, ...]  # digests of the reference images
    quality: str  # as the client asked
    format: str  # png, jpeg or webp


def picture_of(generation: Generation, index: int, *, seed: int, format: str) -> Picture:
    """What image *index*, counted from 0, of a generation looks like."""
    request, size = generation.request, generation.quote.size
    return Picture(
        seed=seed,
        model=request.model,
        prompt=request.prompt,
        width=size.width,
        height=size.height,
        index=index,
        count=request.n,
        references=request.references,
        quality=request.quality,
        format=format,
    )


def draw(picture: Picture) -> bytes:
    """The picture's file, of exactly the size asked; the same bytes for the same fields."""
    row = _hash(_told(picture) | {"index": None})
    sheet = _paint(picture, row)
    captions.write(sheet, picture.prompt, _facts(picture))
    sheet.putpalette(palettes.ramp((row[1] + picture.index * _STRIDE) % palettes.COUNT))
    return picture_files.encode(sheet, picture.format, _told(picture))


def digest(picture: Picture) -> str:
    """A strong entity tag, without its quotes, known without drawing."""
    return _hash(_told(picture) | {"format": picture.format})[:16].hex()


def inspect(data: bytes) -> dict[str, Any]:
    """What a picture's file says of the request that it came from.

    Raises:
        NotOurs: if *data* is no picture, or one that was not drawn here.
    """
    return picture_files.read(data)


def _told(picture: Picture) -> dict[str, Any]:
    return {
        "generator": "mockhub",
        "recipe": RECIPE,
        "seed": picture.seed,
        "model": picture.model,
        "prompt": picture.prompt,
        "size": f"{picture.width}x{picture.height}",
        "index": picture.index,
        "count": picture.count,
        "references": list(picture.references),
        "quality": picture.quality,
    }


def _hash(fields: dict[str, Any]) -> bytes:
    return blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=32).digest()


def _paint(picture: Picture, row: bytes) -> Image.Image:
    """The scene in greys; neighbours in a request never show the same scene."""
    pixels = picture.width * picture.height
    factor = next((factor for bound, factor in _FINE if pixels <= bound), 1)
    canvas = Canvas(picture.width * factor, picture.height * factor)
    scene = scenes.SCENES[(row[0] + picture.index) % len(scenes.SCENES)]
    scene(canvas, Dice(b"%d " % picture.index + row))
    return canvas.sheet.reduce(factor) if factor > 1 else canvas.sheet


def _facts(picture: Picture) -> str:
    facts = [f"{picture.width}x{picture.height}", f"{picture.index + 1} of {picture.count}"]
    if picture.references:
        many = len(picture.references)
        facts.append(f"{many} reference{'s' if many > 1 else ''}")
    return "  \u00b7  ".join(facts)


class Cache:
    """Pictures drawn lately, up to a number of bytes; safe to use from several threads."""

    def __init__(self, *, bound: int = CACHE_BYTES) -> None:
        self.bound = bound
        self.used = 0
        self._lock = Lock()
        self._kept: OrderedDict[Picture, bytes] = OrderedDict()

    def peek(self, picture: Picture) -> bytes | None:
        """The picture if it is kept; never draws."""
        with self._lock:
            if (data := self._kept.get(picture)) is not None:
                self._kept.move_to_end(picture)
            return data

    def get(self, picture: Picture) -> bytes:
        """The picture, drawn if it is not kept; one larger than the bound is not kept."""
        if (data := self.peek(picture)) is not None:
            return data
        data = draw(picture)  # outside the lock: a slow one holds up nobody
        self._keep(picture, data)
        return data

    def _keep(self, picture: Picture, data: bytes) -> None:
        with self._lock:
            if len(data) > self.bound or picture in self._kept:
                return
            self._kept[picture] = data
            self.used += len(data)
            while self.used > self.bound:
                self.used -= len(self._kept.popitem(last=False)[1])

    def __len__(self) -> int:
        return len(self._kept)
