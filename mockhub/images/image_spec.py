"""What an image depends on, and the digests of it that its URL and its entity tag contain.

This module does not import Pillow, so that URLs can be made without rendering an image.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec.structs import astuple

from mockhub.domain.generations import Generation
from mockhub.spec.frozen_struct import FrozenStruct

RENDERER_VERSION = 2  # increment it when the same spec gives other pixels

_SERIES_HASH_BYTES, _URL_DIGEST_BYTES, _ENTITY_TAG_BYTES = 32, 8, 16


class ImageSpec(FrozenStruct, frozen=True):
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

    def metadata(self) -> dict[str, object]:
        """Return what is written into the image, which is all but its format."""
        return {
            "generator": "mockhub",
            "recipe": RENDERER_VERSION,
            "seed": self.seed,
            "model": self.model,
            "prompt": self.prompt,
            "size": f"{self.width}x{self.height}",
            "index": self.index,
            "count": self.count,
            "references": list(self.references),
            "quality": self.quality,
        }

    def series_hash(self) -> bytes:
        """Return a hash of what the images of a request have in common, to draw them from."""
        drawn = (self.seed, self.model, self.prompt, self.width, self.height)
        return _hash((*drawn, self.count, self.references, self.quality), _SERIES_HASH_BYTES)

    def url_digest(self) -> str:
        """Return the same for all images of a request; other images have another one (GEN-10)."""
        # One text takes less than half of the time of `series_hash` (POST in `make bench`).
        text = (
            f"{RENDERER_VERSION} {self.seed} {self.width} {self.height} {self.count} {self.model}"
            f"\0{self.quality}\0{' '.join(self.references)}\0{self.prompt}"
        )
        content = text.encode("utf-8", "surrogatepass")
        return blake2b(content, digest_size=_URL_DIGEST_BYTES).hexdigest()

    def entity_tag(self) -> str:
        """Return a strong entity tag, without quotes."""
        return _hash(astuple(self), _ENTITY_TAG_BYTES).hex()


def image_spec(generation: Generation, index: int, *, format: str) -> ImageSpec:
    """Return the spec of image *index*, from 0, of a generation."""
    request, size = generation.request, generation.quote.size
    return ImageSpec(
        seed=generation.seed,
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


def _hash(values: tuple[object, ...], size: int) -> bytes:
    return blake2b(ascii((RENDERER_VERSION, *values)).encode(), digest_size=size).digest()
