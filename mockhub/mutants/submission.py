"""Defects of the answer to an asynchronous request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import POST, House, Proceed
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account


def at_202(house: House, change: Callable[[Any], object]) -> None:
    """Change the answer to an asynchronous request."""
    house.on_content(POST, status=202)(lambda content, visit: change(content))


@mutant("ASY-1")
def async_answers_200(house: House) -> None:
    """An asynchronous request is answered 200 instead of 202."""
    house.on_answer(POST, status=202)(lambda answer, visit: answer._replace(status=200))


@mutant("ASY-1")
def async_answers_201(house: House) -> None:
    """An asynchronous request is answered 201 Created."""
    house.on_answer(POST, status=202)(lambda answer, visit: answer._replace(status=201))


@mutant("ASY-1")
def async_ignored(house: House) -> None:
    """`async` is not looked at: the answer waits and is 200."""
    house.on_asked(lambda asked: asked.values.pop("async", None) and None)


@mutant("ASY-1")
def async_is_pending(house: House) -> None:
    """A task that was just submitted is `pending`."""
    at_202(house, lambda content: content.update(status="pending"))


@mutant("ASY-1")
def async_is_done_at_once(house: House) -> None:
    """The 202 says succeeded."""
    at_202(house, lambda content: content.update(status="succeeded"))


@mutant("ASY-1")
def async_images_null(house: House) -> None:
    """The images of a queued task are null."""
    at_202(house, lambda content: content.update(images=None))


@mutant("ASY-1")
def async_images_promised(house: House) -> None:
    """The 202 lists the images that are still to be made."""

    @house.on_content(POST, status=202)
    def rewrite(content: Any, visit: Visit) -> None:
        made = house.hub.generations[content["id"]]
        links = house.pipeline.links(house.hub.name)
        content["images"] = [
            {
                "id": house.hub.ids.image(made.id, index),
                "object": "image",
                "url": links.image(made, index, "png"),
                "created_at": content["created_at"],
            }
            for index in range(made.request.n)
        ]


@mutant("ASY-1")
def async_waits(house: House) -> None:
    """The 202 is sent only when the images are there."""

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        answer = await proceed(visit, account)
        if answer.status != 202:  # noqa: PLR2004
            return answer
        made = house.hub.finish(visit.generation or "")
        links = house.pipeline.links(house.hub.name)
        await asyncio.sleep(0.2)
        return wire.answer(202, wire.log(made, house.hub, links, now=house.hub.clock.now()))


@mutant("ASY-2")
def poll_url_relative(house: House) -> None:
    """poll_url is a path without a host."""
    house.on_generation(
        lambda content, visit: (
            content.get("poll_url")
            and content.update(poll_url=content["poll_url"].removeprefix(house.url))
        )
    )


@mutant("ASY-2")
def poll_url_of_another(house: House) -> None:
    """poll_url has another id than the task."""
    at_202(house, lambda content: content.update(poll_url=content["poll_url"][:-1] + "_"))


@mutant("ASY-2")
def poll_url_elsewhere(house: House) -> None:
    """poll_url leads to a path that there is not."""
    at_202(
        house,
        lambda content: content.update(
            poll_url=content["poll_url"].replace("/api/v1/", "/api/v1/images/")
        ),
    )


@mutant("ASY-2")
def poll_url_unversioned(house: House) -> None:
    """poll_url leaves the version out of its path."""
    at_202(house, lambda content: content.update(poll_url=content["poll_url"].replace("/v1/", "/")))


@mutant("ASY-2")
def poll_url_template(house: House) -> None:
    """poll_url ends with the name of the id, not with the id."""
    at_202(
        house,
        lambda content: content.update(
            poll_url=content["poll_url"].replace(content["id"], ":generationId")
        ),
    )


@mutant("ASY-2")
def poll_url_missing(house: House) -> None:
    """The 202 has no poll_url."""
    at_202(house, lambda content: content.pop("poll_url") and None)


@mutant("ASY-4")
def queued_usage_charged(house: House) -> None:
    """A queued task's usage.credits is its price."""
    at_202(
        house,
        lambda content: content["usage"].update(credits=content["usage"]["credits_requested"]),
    )


@mutant("ASY-4")
def requested_unnamed(house: House) -> None:
    """A queued task does not say what it will cost."""
    at_202(house, lambda content: content["usage"].pop("credits_requested") and None)


@mutant("ASY-4")
def requested_for_one(house: House) -> None:
    """credits_requested is the price of one image, whatever n is."""

    @house.on_content(POST, status=202)
    def rewrite(content: Any, visit: Visit) -> None:
        made = house.hub.generations[content["id"]]
        content["usage"]["credits_requested"] = made.quote.unit


@mutant("ASY-4")
def requested_as_text(house: House) -> None:
    """credits_requested is a string of digits."""
    at_202(
        house,
        lambda content: content["usage"].update(
            credits_requested=str(content["usage"]["credits_requested"])
        ),
    )


@mutant("ASY-4")
def requested_counts_images(house: House) -> None:
    """credits_requested counts the images."""

    @house.on_content(POST, status=202)
    def rewrite(content: Any, visit: Visit) -> None:
        made = house.hub.generations[content["id"]]
        content["usage"]["credits_requested"] = made.request.n


@mutant("ASY-2", level="inferred")
def poll_url_encrypted(house: House) -> None:
    """poll_url begins with https, which the server does not speak."""
    at_202(
        house,
        lambda content: content.update(poll_url=content["poll_url"].replace("http:", "https:")),
    )


@mutant("GEN-1")
def async_false_is_async(house: House) -> None:
    """async=false is taken for true, being there."""
    house.on_asked(
        lambda asked: asked.values.update({"async": True}) if "async" in asked.values else None
    )
