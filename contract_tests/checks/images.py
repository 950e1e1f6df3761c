"""Images: URLs, sizes and ids (GEN-10, GEN-11)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import require_field
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import ALL_FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import completed_generations, require_final
from mockhub.verify.outcomes import Failed


@check("GEN-10", fixtures=ALL_FIXTURES)
def generate_serves_images(context: CheckContext) -> None:
    """Serve images of the requested size at absolute URLs without a key."""
    for generation in completed_generations(context, ALL_FIXTURES):
        exchange = generation.final_exchange
        images = require_final(generation, "images", list)
        urls = [require_field(image, "url", str, exchange) for image in images]
        if len(set(urls)) < len(urls):
            raise Failed("two images have the same URL", exchange, expected="different URLs")
        for url in urls:
            _assert_serves_image(context, generation, url)


def _assert_serves_image(context: CheckContext, generation: ObservedGeneration, url: str) -> None:
    from mockhub.verify.image_size import image_size  # Pillow takes long to import

    evidence = generation.final_exchange
    if not url.startswith(("http://", "https://")):
        raise Failed(f"the image URL is {url!r}", evidence, expected="an absolute URL")
    exchange = context.client.get(url, key=None)
    if exchange.status != 200:
        raise Failed("the image cannot be fetched", exchange, evidence, expected="HTTP 200")
    size, expected = image_size(exchange.content), oracle.dimensions_of(generation.size)
    if size is None:
        raise Failed("the response is not an image", exchange, evidence, expected="an image")
    if expected not in (None, size):
        raise Failed(f"the image size is {size}", exchange, evidence, expected=f"{expected}")


@check("GEN-11", fixtures=ALL_FIXTURES)
def generate_returns_unique_image_ids(context: CheckContext) -> None:
    """Return image ids that are unique within a generation and across generations."""
    seen: dict[str, ObservedGeneration] = {}
    for generation in completed_generations(context, ALL_FIXTURES):
        for image in require_final(generation, "images", list):
            image_id = require_field(image, "id", str, generation.final_exchange)
            if image_id in seen:
                raise Failed(
                    f"two images have the id {image_id!r}",
                    generation.final_exchange,
                    seen[image_id].final_exchange,
                )
            seen[image_id] = generation
