"""Images: URLs, sizes and ids (GEN-10, GEN-11)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urljoin

from mockhub.spec.media_types import KNOWN_MEDIA_TYPES, sniff_media_type
from mockhub.verify import oracle
from mockhub.verify.assertions import require_field
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import SAVED_FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import completed_generations, require_final
from mockhub.verify.outcomes import Failed, Inconclusive

_REDIRECTS, _MAX_REDIRECTS = (301, 302, 303, 307, 308), 3
_SHOWN = 2000  # bytes of an image that a report may show


class ServedImage(NamedTuple):
    """An image that was fetched; its exchange keeps the beginning of it only."""

    generation: ObservedGeneration
    url: str
    exchange: Exchange
    size: tuple[int, int] | None  # None if it is no image, or not a whole one
    digest: bytes

    @property
    def media_type(self) -> str | None:
        """The media type that its first bytes show, if it is a well-known one."""
        return sniff_media_type(self.exchange.content)


@check("GEN-10", fixtures=SAVED_FIXTURES)
def generate_serves_images(context: CheckContext) -> None:
    """Serve images of the requested size at absolute URLs without a key."""
    for image in context.memoize("images", partial(_fetch_images, context)):
        evidence = (image.exchange, image.generation.final_exchange)
        if image.exchange.status != 200:
            raise Failed("the image cannot be fetched", *evidence, expected="HTTP 200")
        size, expected = image.size, oracle.dimensions_of(image.generation.size)
        if size is None:
            raise Failed("the response is not an image", *evidence, expected="a whole image")
        if expected not in (None, size):
            raise Failed(f"the image size is {size}", *evidence, expected=f"{expected}")
        declared = image.exchange.headers.get("content-type", "").partition(";")[0].lower()
        if declared in KNOWN_MEDIA_TYPES and declared != (found := image.media_type):
            raise Failed(f"content-type is {declared}", *evidence, expected=f"{found}")


def _fetch_images(context: CheckContext) -> list[ServedImage]:
    targets = []
    for generation in completed_generations(context, SAVED_FIXTURES):
        exchange = generation.final_exchange
        images = require_final(generation, "images", list)
        urls = [require_field(image, "url", str, exchange) for image in images]
        if len(set(urls)) < len(urls):
            raise Failed("two images have the same URL", exchange, expected="different URLs")
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise Failed(f"the image URL is {url!r}", exchange, expected="an absolute URL")
        targets += [(generation, url) for url in urls]
    exchanges = context.run_batch([partial(_fetch, context, url) for _, url in targets])
    return [
        _to_image(generation, url, exchange)
        for (generation, url), exchange in zip(targets, exchanges, strict=True)
    ]


def _fetch(context: CheckContext, url: str) -> Exchange:
    """GET an image without a key, as a browser does: it follows redirects."""
    exchange = context.client.get(url, None)
    for _ in range(_MAX_REDIRECTS):
        location = exchange.headers.get("location")
        if exchange.status not in _REDIRECTS or not location:
            break
        url = urljoin(url, location)
        exchange = context.client.get(url, None)
    return exchange


def _to_image(generation: ObservedGeneration, url: str, exchange: Exchange) -> ServedImage:
    from mockhub.verify.image_size import image_size  # Pillow takes long to import

    shown = replace(exchange, content=exchange.content[:_SHOWN])
    size, digest = image_size(exchange.content), sha256(exchange.content).digest()
    return ServedImage(generation, url, shown, size, digest)


@check("GEN-10", fixtures=SAVED_FIXTURES, last=True, pays_nothing=True)
def images_are_distinct_and_stable(context: CheckContext) -> None:
    """Serve different images of a generation, and the same bytes again at the end of the run."""
    images = context.memoize("images", partial(_fetch_images, context))
    digests: dict[tuple[str, bytes], ServedImage] = {}
    for image in images:
        if image.size is None:
            raise Inconclusive("an image cannot be read", image.exchange)
        sibling = digests.setdefault((image.generation.name, image.digest), image)
        if sibling is not image:
            exchanges = (sibling.exchange, image.exchange)
            raise Failed("two images of a generation are the same", *exchanges)
    again = [image for image in images for _ in range(2)]  # a download may be limited to a few
    reads = context.run_batch([partial(_fetch, context, image.url) for image in again])
    for image, exchange in zip(again, reads, strict=True):
        if exchange.status != 200 or sha256(exchange.content).digest() != image.digest:
            expected = "the same bytes as before"
            raise Failed("an image has changed", exchange, image.exchange, expected=expected)


@check("GEN-11", fixtures=SAVED_FIXTURES)
def generate_returns_unique_image_ids(context: CheckContext) -> None:
    """Return image ids that are unique within a generation and across generations."""
    seen: dict[str, ObservedGeneration] = {}
    for generation in completed_generations(context, SAVED_FIXTURES):
        for image in require_final(generation, "images", list):
            image_id = require_field(image, "id", str, generation.final_exchange)
            if image_id in seen:
                raise Failed(
                    f"two images have the id {image_id!r}",
                    generation.final_exchange,
                    seen[image_id].final_exchange,
                )
            seen[image_id] = generation
