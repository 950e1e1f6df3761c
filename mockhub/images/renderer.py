"""Render images, each a pure function of its `ImageSpec`.

Import this module lazily: it imports Pillow, which is slow and not needed at start.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from PIL import Image

from mockhub._text import plural
from mockhub.domain.generations import Generation
from mockhub.images import captions, formats, palettes, scenes
from mockhub.images.canvas import Canvas, SeededRandom

RENDERER_VERSION = 1  # increment it when the same spec gives other pixels

_SUPERSAMPLING = ((1 << 16, 4), (1 << 19, 2))  # (maximum of pixels, factor)
_PALETTE_STEP = 5  # between the palettes of two images of a request


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """Everything that an image depends on, which is not the id of its generation."""

    seed: int
    model: str
    prompt: str
    width: int
    height: int
    index: int  # from 0
    count: int
    references: tuple[str, ...]  # digests of the reference images
    quality: str  # as in the request
    format: str  # png, jpeg or webp


def image_spec(generation: Generation, index: int, *, seed: int, format: str) -> ImageSpec:
    """Return the spec of image *index*, from 0, of a generation."""
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
    """Return the file of an image of exactly the requested size."""
    series_hash = _hash(_metadata(spec) | {"index": None})
    image = _paint(spec, series_hash)
    captions.draw_caption(image, spec.prompt, _caption_details(spec))
    image.putpalette(
        palettes.palette((series_hash[1] + spec.index * _PALETTE_STEP) % palettes.PALETTE_COUNT)
    )
    return formats.encode_image(image, spec.format, _metadata(spec))


def digest(spec: ImageSpec) -> str:
    """Return a strong entity tag, without quotes; it does not render the image."""
    return _hash(_metadata(spec) | {"format": spec.format})[:16].hex()


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
    """Draw the scene in grayscale; adjacent images of a request have different scenes."""
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
