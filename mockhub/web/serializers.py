"""Convert balances and generations to the documented JSON."""

from __future__ import annotations

from functools import lru_cache

from mockhub._timestamps import format_timestamp
from mockhub.domain.accounts import Account, Balance
from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.images.image_spec import image_spec
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.operations import OperationId
from mockhub.web.responses import error_body

ImageIdsAndUrls = tuple[tuple[str, str], ...]

IMAGES_PREFIX = "/images/"
FILE_EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}


class Links:
    """The URLs in the responses of a hub: absolute, and never built from the Host header."""

    def __init__(self, spec: ApiSpec, base_url: str) -> None:
        self.base_url = base_url
        self._poll_prefix = (
            base_url + spec.operations[OperationId.GET_GENERATION].path.partition("{")[0]
        )
        self._image_prefix = base_url + IMAGES_PREFIX

    def poll_url(self, generation: Generation) -> str:
        """Return the address to poll (ASY-2)."""
        return self._poll_prefix + generation.id

    def images(self, generation: Generation, image_format: str) -> ImageIdsAndUrls:
        """Return the ids and URLs of all requested images (GEN-10).

        The URLs contain a digest of what is drawn, since ids repeat after a restart or a reset: a
        URL that browsers may cache for ever never serves other bytes.
        """
        return _cached_ids_and_urls(self._image_prefix, generation, image_format)

    def new_images(self, generation: Generation, image_format: str) -> ImageIdsAndUrls:
        """Return the same as `images`, of a generation that most clients never read again."""
        return _image_ids_and_urls(self._image_prefix, generation, image_format)


def _image_ids_and_urls(prefix: str, generation: Generation, image_format: str) -> ImageIdsAndUrls:
    digest = image_spec(generation, 0, format=image_format).url_digest()
    id, extension = generation.id, FILE_EXTENSIONS[image_format]
    prefix = f"{prefix}{id}/{digest}/"
    return tuple(  # no other image has the same id (GEN-11)
        [
            (f"{id}-{number}", f"{prefix}{number}.{extension}")
            for number in range(1, generation.request.n + 1)
        ]
    )


# Few, since each keeps a prompt; a client polls the same one many times.
_cached_ids_and_urls = lru_cache(maxsize=256)(_image_ids_and_urls)


def balance(balance: Balance) -> dict[str, object]:
    """Return the balance, account type and next expiration (CRD-1, CRD-2)."""
    expiration = balance.next_expiration
    return {
        "credits": balance.credits,
        "account_type": balance.account_type,
        "next_expiration": None if expiration is None else format_timestamp(expiration),
    }


def generation_result(
    generation: Generation, account: Account, hub: HubBackend, links: Links
) -> dict[str, object]:
    """Return the response to a synchronous generation (GEN-1, GEN-2, GEN-9).

    It states what was charged (GEN-3) and the balance after it (GEN-7).
    """
    content = _generation_fields(generation, "succeeded")
    content["images"] = _images(generation, links.new_images(generation, hub.image_format))
    content["usage"] = {"credits": generation.credits}
    content["balance"] = balance(account.balance_snapshot())
    return content


def generation_log(
    generation: Generation, hub: HubBackend, links: Links, *, now: int
) -> dict[str, object]:
    """Return a generation in its status: queued, processing (ASY-3), succeeded, failed (ASY-7).

    While it runs there is a poll_url (ASY-2), and usage states what was requested (ASY-4).
    """
    status = generation.status_at(now)
    usage = {"credits": generation.credits}
    content = _generation_fields(generation, status)
    content["created_at"] = timestamp(generation.created_at)
    content["images"] = []
    if generation.delivered:
        content["images"] = _images(generation, links.images(generation, hub.image_format))
    content["usage"] = usage
    if generation.ended_at is None:
        usage["credits_requested"] = generation.credits_requested
        content["poll_url"] = links.poll_url(generation)
    if status == "failed":
        content |= error_body(hub.spec.errors.error("generationFailed"))
    return content


@lru_cache(maxsize=1024)
def timestamp(moment: int) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds (GEN-8)."""
    return format_timestamp(moment)


def _generation_fields(generation: Generation, status: str) -> dict[str, object]:
    quote = generation.quote
    return {
        "object": "image_generation",
        "id": generation.id,
        "status": status,
        "model": quote.model,
        "aspect_ratio": quote.aspect_ratio,
        "quality": quote.tier,
    }


def _images(generation: Generation, images: ImageIdsAndUrls) -> list[dict[str, object]]:
    created_at = timestamp(generation.ended_at or generation.created_at)
    return [
        {"id": id, "object": "image", "url": url, "created_at": created_at}
        for id, url in images[: generation.delivered]
    ]
