"""Images: URLs, sizes and ids (GEN-10, GEN-11)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import require_field
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import ALL_FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import completed_generations
from mockhub.verify.outcomes import Failed


@check("GEN-10", fixtures=ALL_FIXTURES)
def generate_serves_images(context: CheckContext) -> None:
    """Image URLs are absolute, need no key, and serve an image of the requested size."""
    from mockhub.verify.image_size import image_size

    for generation in completed_generations(context, ALL_FIXTURES):
        images = require_field(generation.final_body, "images", list, generation.final_exchange)
        if len(
            {require_field(image, "url", str, generation.final_exchange) for image in images}
        ) < len(images):
            raise Failed(
                "two images have one address", generation.final_exchange, expected="one each"
            )
        for image in images:
            exchange = context.client.get(
                require_field(image, "url", str, generation.final_exchange), key=None
            )
            if not image["url"].startswith(("http://", "https://")) or exchange.status != 200:
                raise Failed(
                    "the image cannot be fetched",
                    exchange,
                    generation.final_exchange,
                    expected="HTTP 200",
                )
            actual_size = image_size(exchange.content)
            expected_size = oracle.dimensions_of(generation.size)
            if actual_size is None or (expected_size is not None and actual_size != expected_size):
                raise Failed(
                    f"the image is {actual_size}",
                    exchange,
                    generation.final_exchange,
                    expected=f"{expected_size}",
                )


@check("GEN-11", fixtures=ALL_FIXTURES)
def generate_returns_unique_image_ids(context: CheckContext) -> None:
    """Image ids are unique, within a generation and across them."""
    seen: dict[str, ObservedGeneration] = {}
    for generation in completed_generations(context, ALL_FIXTURES):
        for image in require_field(
            generation.final_body, "images", list, generation.final_exchange
        ):
            image_id = require_field(image, "id", str, generation.final_exchange)
            if image_id in seen:
                raise Failed(
                    f"the image id {image_id!r} comes twice",
                    generation.final_exchange,
                    seen[image_id].final_exchange,
                )
            seen[image_id] = generation
