"""Conforming servers that read the documentation's open points otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from mockhub.mutants.house import (
    CREDITS,
    GET,
    MODELS,
    POST,
    Asked,
    House,
    around,
    refused,
    with_content,
)
from mockhub.mutants.lifecycle import at_read
from mockhub.mutants.pictures import on_fetch, on_images
from mockhub.mutants.registry import variant
from mockhub.spec.sizes import parse
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.clock import SECOND
from mockhub.world.faults import outcome
from mockhub.world.generations import Generation
from mockhub.world.provider import Provider

_MONTH = 30 * 24 * 3600 * SECOND
_STANDARD = ("1024x1024", "1536x1024", "1024x1536")


# -- ids -----------------------------------------------------------------------------------------


def identified(house: House, spell: Callable[[str], str]) -> None:
    """Make ids otherwise, out of ours."""
    ids = house.hub.ids
    around(ids, "generation")(lambda original: spell(original()))
    around(ids, "image")(lambda original, made, index: spell(original(made, index)))


@variant()
def uuids(house: House) -> None:
    """Ids are UUIDs."""
    identified(house, lambda id: str(uuid.uuid5(uuid.NAMESPACE_URL, id)))


@variant()
def numbers_as_ids(house: House) -> None:
    """Ids are digits."""
    identified(house, lambda id: str(int(id[-12:], 16)))


@variant()
def long_ids(house: House) -> None:
    """Ids are long, with capitals, dots, dashes and underscores."""
    identified(house, lambda id: f"gen_01HV-{id.upper()}.{id[3:]}~v2")


# -- time ----------------------------------------------------------------------------------------


@variant()
def no_processing(house: House) -> None:
    """A task stays queued until it ends."""
    at_read(
        house,
        lambda content, made, reads: content.update(
            status=content["status"].replace("processing", "queued")
        ),
    )


@variant()
def many_polls(house: House) -> None:
    """A task is processing for several polls."""
    house.hub.provider = Provider([outcome("polls=6")])


@variant()
def done_at_the_first_poll(house: House) -> None:
    """A task has ended when it is first polled."""
    house.hub.provider = Provider()


@variant()
def slow_jobs(house: House) -> None:
    """A generation takes most of a second, whether it is waited for or polled."""
    house.hub.provider = Provider([outcome("take=700ms")])


# -- money ---------------------------------------------------------------------------------------


def charged_later(house: House, waiting: Callable[[Generation], bool]) -> None:
    """Tell what is reserved for some running generations as still there."""

    def pending(account: str) -> int:
        running = (made for made in house.hub.generations.values() if not made.ended)
        return sum(
            made.credits_requested for made in running if made.account == account and waiting(made)
        )

    @house.on_content(CREDITS, POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.account:
            content.get("balance", content)["credits"] += pending(visit.account.id)


@variant("documented")
def charged_at_the_start(house: House) -> None:
    """A task is charged when its generation starts, not when it is submitted."""
    charged_later(house, lambda made: not made.polls)


@variant("documented")
def charged_at_the_end(house: House) -> None:
    """A task is queued until the moment at which it is charged, made and done."""
    charged_later(house, lambda made: True)
    no_processing(house)


@variant("documented")
def fractions_of_credits(house: House) -> None:
    """A balance may have fractions: half a credit is left over from elsewhere."""

    @house.on_content(CREDITS, POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        balance = content.get("balance", content)
        balance["credits"] += 0.5


@variant()
def expiring_credits(house: House) -> None:
    """Everybody has credits that expire in a month."""
    now = house.hub.clock.now()
    for account in house.hub.accounts.values():
        if credits := account.balance // 2:
            house.move(account, -credits)
            house.hub.grant(account, credits, expires_at=now + _MONTH)


@variant()
def other_account_types(house: House) -> None:
    """Account types are small and long: `enterprise_annual`."""
    for account in house.hub.accounts.values():
        account.account_type = "enterprise_annual"


@variant("documented")
def balance_before_body(house: House) -> None:
    """Who cannot pay for any image is answered 402, whatever the body says."""

    @house.handle(POST)
    async def generate(proceed: Any, visit: Visit, account: Account) -> Any:
        if account.balance < min(house.law.catalog.models["gpt-image-2"].prices.values()):
            raise house.error("insufficientCredits")
        return await proceed(visit, account)


# -- images --------------------------------------------------------------------------------------


@variant("documented")
def images_elsewhere(house: House) -> None:
    """Images lie on another host, which cannot be reached from here."""
    on_images(
        house,
        lambda image, index: image.update(
            url=f"https://cdn.example.com/generations/user/{image['id']}.png"
        ),
    )


@variant()
def signed_images(house: House) -> None:
    """Image URLs carry a signature in their query."""
    query = "?X-Amz-Expires=3600&X-Amz-Signature=8c1f%2F..&response-content-type=image%2Fpng"
    on_images(house, lambda image, index: image.update(url=image["url"] + query))


@variant("documented")
def freshly_signed_images(house: House) -> None:
    """Image URLs are signed anew at each read."""
    signed = iter(range(1 << 30))
    on_images(
        house,
        lambda image, index: image.update(url=f"{image['url']}?expires=3600&sig={next(signed)}"),
    )


@variant()
def jpeg_images(house: House) -> None:
    """Images are JPEG."""
    house.hub.image_format = "jpeg"


@variant()
def webp_images(house: House) -> None:
    """Images are WebP."""
    house.hub.image_format = "webp"


@variant("documented")
def images_as_bytes(house: House) -> None:
    """Images are served as application/octet-stream."""

    def untyped(answer: wire.Answer, scope: Any, headers: dict[bytes, bytes]) -> wire.Answer:
        kept = tuple(one for one in answer.headers if one[0] != b"content-type")
        return answer._replace(headers=(*kept, (b"content-type", b"application/octet-stream")))

    on_fetch(house, untyped)


@variant("documented")
def images_redirected(house: House) -> None:
    """An image's URL leads on to another one."""

    def redirect(answer: wire.Answer, scope: Any, headers: dict[bytes, bytes]) -> wire.Answer:
        if b"direct" in scope["query_string"]:
            return answer
        where = (house.url + scope["path"] + "?direct=1").encode()
        return wire.Answer(302, b"", ((b"location", where), (b"content-length", b"0")))

    on_fetch(house, redirect)


# -- sizes ---------------------------------------------------------------------------------------


@variant("documented")
def standard_sizes_only(house: House) -> None:
    """Of sizes only the three standard ones and auto are offered."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        size = asked.values.get("size", "auto")
        if isinstance(size, str) and size not in (*_STANDARD, "auto"):
            raise refused("size: expected 1024x1024, 1536x1024, 1024x1536 or auto")


@variant("documented")
def sizes_snapped(house: House) -> None:
    """A size that is not offered is taken for the nearest that is, of about the same ratio."""
    rules = house.law.catalog.sizes

    def snapped(side: int, scale: float) -> int:
        return max(rules.multiple, int(side / scale) // rules.multiple * rules.multiple)

    @house.on_asked
    def snap(asked: Asked) -> None:
        with suppress(ValueError, KeyError, TypeError):
            size = parse(asked.values["size"])
            scale = max(1.0, max(size) / rules.longest, (size.pixels / rules.largest.pixels) ** 0.5)
            asked.values["size"] = f"{snapped(size.width, scale)}x{snapped(size.height, scale)}"


@variant()
def auto_resolved(house: House) -> None:
    """The ratio of size auto is the one that was chosen."""
    house.on_generation(
        lambda content, visit: (
            content.update(aspect_ratio="1:1") if content.get("aspect_ratio") == "auto" else None
        )
    )


# -- what else there is --------------------------------------------------------------------------


def _listed(id: str, name: str, tiers: list[str], references: int) -> dict[str, Any]:
    return {
        "id": id,
        "object": "model",
        "name": name,
        "provider": "gemini",
        "supported_aspect_ratios": ["auto", "1:1", "16:9"],
        "supported_qualities": tiers,
        "default_options": {"aspect_ratio": "1:1", "quality": tiers[0]},
        "reference_image_limit": references,
        "credits_per_image": {tier: 4 + at for at, tier in enumerate(tiers)},
    }


@variant()
def more_models(house: House) -> None:
    """There are other models, which stand before ours in the list."""
    listing = house.document["components"]["examples"]["Models"]["value"]["data"]
    listing.insert(0, _listed("nanobananapro", "Nano Banana Pro", ["1K", "2K", "4K"], 14))
    listing.insert(0, _listed("nanobanana", "Nano Banana", ["1K"], 3))


def relisted(house: House, change: Callable[[dict[str, Any]], Any]) -> None:
    """Describe each model otherwise."""
    house.on_content(MODELS, status=200)(
        lambda content, visit: {**content, "data": [change(one) for one in content["data"]]}
    )


@variant("documented")
def models_in_camel_case(house: House) -> None:
    """The model's fields have names in camel case, but for the one that the page names."""

    def camel(name: str) -> str:
        head, *rest = name.split("_")
        return name if name == "reference_image_limit" else head + "".join(map(str.title, rest))

    relisted(house, lambda model: {camel(name): value for name, value in model.items()})


@variant("documented")
def models_nested(house: House) -> None:
    """What a model can do, and what it costs, are objects within it."""

    def nest(model: dict[str, Any]) -> dict[str, Any]:
        prices = model["credits_per_image"]
        return {
            "id": model["id"],
            "title": model["name"],
            "provider": {"id": model["provider"]},
            "reference_image_limit": model["reference_image_limit"],
            "capabilities": {
                "ratios": [{"value": one} for one in model["supported_aspect_ratios"]],
                "qualities": model["supported_qualities"],
                "defaults": ["auto", "1K"],
            },
            "pricing": [{"quality": tier, "credits": unit} for tier, unit in prices.items()],
        }

    relisted(house, nest)


@variant()
def other_methods_not_found(house: House) -> None:
    """A method that a path does not have answers 404."""
    house.document["x-unrouted"]["method"]["status"] = "404"


@variant("documented")
def key_before_path(house: House) -> None:
    """Without a key, an unknown path answers 401."""

    @house.on_answer(status=404)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        known = visit.digest in house.hub.keys
        return answer if known else wire.refusal(house.error("missingApiKey"))


@variant()
def other_schemes_are_missing(house: House) -> None:
    """An Authorization header of another scheme is answered as a missing key."""

    @house.on_content(code="invalidApiKey")
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.digest is None:
            content["error"]["code"] = "missingApiKey"


@variant()
def failures_named(house: House) -> None:
    """The error of a failed generation names its id, which reads back as failed."""

    @house.on_content(POST, code="generationFailed")
    def rewrite(content: Any, visit: Visit) -> None:
        content["error"]["generation_id"] = visit.generation


@variant()
def failures_forgotten(house: House) -> None:
    """A synchronous generation that failed leaves nothing behind."""

    @house.on_answer(POST, code="generationFailed")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        house.hub.generations.pop(visit.generation or "", None)
        return answer


@variant()
def talkative_logs(house: House) -> None:
    """Logs keep poll_url and what was requested, and tell the balance."""

    @house.on_generation
    def rewrite(content: Any, visit: Visit) -> None:
        made = house.hub.generations.get(str(content.get("id")))
        if made and visit.account:
            content.setdefault("poll_url", house.pipeline.links(house.hub.name).poll(made))
            content["usage"].setdefault("credits_requested", made.credits_requested)
            content.setdefault("balance", wire.balance(visit.account.read()))
            content.setdefault("created_at", wire.timestamp(made.created_at))
            content.setdefault("error", None)


@variant("documented")
def images_while_processing(house: House) -> None:
    """While a task is processing, its first image is shown already."""

    def show(content: Any, made: Generation, reads: int) -> None:
        if content["status"] == "processing" and not made.outcome.fail:
            url = house.pipeline.links(house.hub.name).image(made, 0, "png")
            id, at = house.hub.ids.image(made.id, 0), content["created_at"]
            content["images"] = [{"id": id, "object": "image", "url": url, "created_at": at}]

    at_read(house, show)


@variant()
def polled_by_name(house: House) -> None:
    """poll_url has the name of the host, not its number."""
    house.on_generation(
        lambda content, visit: (
            content.update(poll_url=content["poll_url"].replace("127.0.0.1", "localhost"))
            if content.get("poll_url")
            else None
        )
    )


@variant("documented")
def failed_images_missing(house: House) -> None:
    """A failed task has no usage and no images in its log."""

    @house.on_answer(GET, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        content = orjson.loads(answer.body)
        if content.get("status") == "failed":
            del content["usage"], content["images"]
        return with_content(answer, content)
