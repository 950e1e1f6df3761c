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

from mockhub._text import plural
from mockhub.domain.generations import Generation
from mockhub.images import captions, formats, palettes, scenes
from mockhub.images.canvas import Canvas, SeededRandom
from mockhub.images.formats import NotAMockhubImage

__all__ = [
    "Cache",
    "NotAMockhubImage",
    "ImageSpec",
    "digest",
    "render",
    "read_metadata",
    "image_spec",
]

RENDERER_VERSION = 1  # raised whenever the same fields give another picture

MAX_CACHE_BYTES = 64 * 1024 * 1024

_SUPERSAMPLING = (
    (1 << 16, 4),
    (1 << 19, 2),
)  # pixels up to which a picture is painted so much larger
_PALETTE_STEP = 5  # from the palette of one image of a request to that of the next


@dataclass(frozen=True, slots=True)
class ImageSpec:
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


def image_spec(generation: Generation, index: int, *, seed: int, format: str) -> ImageSpec:
    """What image *index*, counted from 0, of a generation looks like."""
    request, size = generation.request, generation.quote.size
    return ImageSpec(
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


def render(spec: ImageSpec) -> bytes:
    """The picture's file, of exactly the size asked; the same bytes for the same fields."""
    series_hash = _hash(_metadata(spec) | {"index": None})
    image = _paint(spec, series_hash)
    captions.draw_caption(image, spec.prompt, _caption_details(spec))
    image.putpalette(
        palettes.palette((series_hash[1] + spec.index * _PALETTE_STEP) % palettes.PALETTE_COUNT)
    )
    return formats.encode_image(image, spec.format, _metadata(spec))


def digest(spec: ImageSpec) -> str:
    """A strong entity tag, without its quotes, known without drawing."""
    return _hash(_metadata(spec) | {"format": spec.format})[:16].hex()


def read_metadata(data: bytes) -> dict[str, Any]:
    """What a picture's file says of the request that it came from.

    Raises:
        NotOurs: if *data* is no picture, or one that was not drawn here.
    """
    return formats.decode_metadata(data)


def _metadata(spec: ImageSpec) -> dict[str, Any]:
    return {
        "generator": "mockhub",
        "recipe": RENDERER_VERSION,
        "seed": spec.seed,
        "model": spec.model,
        "prompt": spec.prompt,
        "size": f"{spec.width}x{spec.height}",
        "index": spec.index,
        "count": spec.count,
        "references": list(spec.references),
        "quality": spec.quality,
    }


def _hash(fields: dict[str, Any]) -> bytes:
    return blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=32).digest()


def _paint(spec: ImageSpec, series_hash: bytes) -> Image.Image:
    """The scene in greys; neighbours in a request never show the same scene."""
    pixels = spec.width * spec.height
    factor = next((factor for bound, factor in _SUPERSAMPLING if pixels <= bound), 1)
    canvas = Canvas(spec.width * factor, spec.height * factor)
    scene = scenes.SCENES[(series_hash[0] + spec.index) % len(scenes.SCENES)]
    scene(canvas, SeededRandom(b"%d " % spec.index + series_hash))
    return canvas.image.reduce(factor) if factor > 1 else canvas.image


def _caption_details(spec: ImageSpec) -> str:
    details = [f"{spec.width}x{spec.height}", f"{spec.index + 1} of {spec.count}"]
    if spec.references:
        details.append(plural(len(spec.references), "reference"))
    return "  \u00b7  ".join(details)


class Cache:
    """Pictures drawn lately, up to a number of bytes; safe to use from several threads."""

    def __init__(self, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self._lock = Lock()
        self._entries: OrderedDict[ImageSpec, bytes] = OrderedDict()

    def peek(self, spec: ImageSpec) -> bytes | None:
        """The picture if it is kept; never draws."""
        with self._lock:
            if (data := self._entries.get(spec)) is not None:
                self._entries.move_to_end(spec)
            return data

    def get(self, spec: ImageSpec) -> bytes:
        """The picture, drawn if it is not kept; one larger than the bound is not kept."""
        if (data := self.peek(spec)) is not None:
            return data
        data = render(spec)  # outside the lock: a slow one holds up nobody
        self._store(spec, data)
        return data

    def _store(self, spec: ImageSpec, data: bytes) -> None:
        with self._lock:
            if len(data) > self.max_bytes or spec in self._entries:
                return
            self._entries[spec] = data
            self.size_bytes += len(data)
            while self.size_bytes > self.max_bytes:
                self.size_bytes -= len(self._entries.popitem(last=False)[1])

    def __len__(self) -> int:
        return len(self._entries)
