"""Render images, each a pure function of its `ImageSpec`.

Import this module lazily: it imports Pillow, which is slow and not needed at start.
"""

from __future__ import annotations

from PIL import Image

from mockhub._text import plural
from mockhub.images import captions, formats, palettes, scenes
from mockhub.images.canvas import Canvas, SeededRandom
from mockhub.images.image_spec import ImageSpec

_SUPERSAMPLING = ((1 << 16, 4), (1 << 19, 2))  # (maximum of pixels, factor)
_PALETTE_STEP = 5  # between the palettes of two images of a request


def render(spec: ImageSpec, *, width: int | None = None) -> bytes:
    """Return the file of an image of exactly the requested size, or drawn at another *width*."""
    series_hash = spec.series_hash()
    width = width or spec.width
    image = _paint(spec, series_hash, width, max(1, round(spec.height * width / spec.width)))
    captions.draw_caption(image, spec.prompt, _caption_details(spec))
    image.putpalette(
        palettes.palette((series_hash[1] + spec.index * _PALETTE_STEP) % palettes.PALETTE_COUNT)
    )
    return formats.encode_image(image, spec.format, spec.metadata())


def _paint(spec: ImageSpec, series_hash: bytes, width: int, height: int) -> Image.Image:
    """Draw the scene in grayscale; adjacent images of a request have different scenes."""
    pixels = width * height
    factor = next((factor for bound, factor in _SUPERSAMPLING if pixels <= bound), 1)
    canvas = Canvas(width * factor, height * factor)
    scene = scenes.SCENES[(series_hash[0] + spec.index) % len(scenes.SCENES)]
    scene(canvas, SeededRandom(b"%d " % spec.index + series_hash))
    return canvas.image.reduce(factor) if factor > 1 else canvas.image


def _caption_details(spec: ImageSpec) -> str:
    details = [f"{spec.width}x{spec.height}", f"{spec.index + 1} of {spec.count}"]
    if spec.references:
        details.append(plural(len(spec.references), "reference"))
    return "  \u00b7  ".join(details)
