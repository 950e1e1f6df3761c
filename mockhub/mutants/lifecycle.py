"""Defects of a generation's life: from queued to its end, and what stays as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import GET, POST, House, Proceed, around, with_content
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.generations import Generation

Change = Callable[[Any, Generation, int], object]


def at_read(house: House, change: Change) -> None:
    """Change what a read of a generation answers; *change* knows how many reads there were."""
    reads: dict[str, int] = {}

    @house.on_content(GET, status=200)
    def rewrite(content: Any, visit: Visit) -> object:
        made = house.hub.generations[visit.argument or ""]
        reads[made.id] = reads.get(made.id, 0) + 1
        return change(content, made, reads[made.id])


def at_202(house: House, change: Callable[[Any], object]) -> None:
    """Change the answer to an asynchronous request."""
    house.on_content(POST, status=202)(lambda content, visit: change(content))


# -- the answer to an asynchronous request -------------------------------------------------------


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


# -- polling -------------------------------------------------------------------------------------


@mutant("ASY-5")
def never_ends(house: House) -> None:
    """A task stays as it is for ever."""

    @around(house.hub, "_polled")
    def polled(original: Any, generation: Generation, now: int) -> Generation:
        return generation._replace(polls=1)


@mutant("ASY-5")
def failure_never_ends(house: House) -> None:
    """A task whose provider fails is processing for ever."""

    @around(house.hub, "_polled")
    def polled(original: Any, generation: Generation, now: int) -> Any:
        if generation.outcome.fail:
            return generation._replace(polls=1)
        return original(generation, now)


@mutant("ASY-5")
def ends_completed(house: House) -> None:
    """A task that has its images is `completed`."""
    at_read(
        house,
        lambda content, made, reads: content.update(
            status=content["status"].replace("succeeded", "completed")
        ),
    )


@mutant("ASY-5")
def ends_without_images(house: House) -> None:
    """A task succeeds with no images."""
    at_read(
        house,
        lambda content, made, reads: made.request.run_async and content.update(images=[]) or None,
    )


@mutant("ASY-5")
def ends_with_one_image(house: House) -> None:
    """A task for several images ends with one, at the price of all."""
    at_read(
        house,
        lambda content, made, reads: (
            made.request.run_async and content.update(images=content["images"][:1]) or None
        ),
    )


@mutant("ASY-5")
def ends_in_error(house: House) -> None:
    """A task whose provider failed is in `error`."""
    at_read(
        house,
        lambda content, made, reads: content.update(
            status=content["status"].replace("failed", "error")
        ),
    )


@mutant("ASY-5")
def failure_ends_succeeded(house: House) -> None:
    """A task whose provider failed is succeeded, with no images."""
    at_read(
        house,
        lambda content, made, reads: content.update(
            status=content["status"].replace("failed", "succeeded")
        ),
    )


@mutant("ASY-5")
def polls_are_202(house: House) -> None:
    """A poll of a task that has ended is answered 202 still."""

    @house.on_answer(GET, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        made = house.hub.generations[visit.argument or ""]
        return answer._replace(status=202) if made.request.run_async else answer


@mutant("ASY-5")
def usage_stays_zero(house: House) -> None:
    """A task that succeeded still says that it cost nothing."""
    at_read(
        house,
        lambda content, made, reads: (
            made.request.run_async and content["usage"].update(credits=0) or None
        ),
    )


@mutant("ASY-6")
def status_goes_back(house: House) -> None:
    """A task that was processing is queued again at the next poll."""
    at_read(
        house,
        lambda content, made, reads: (
            content["status"] == "processing"
            and content.update(status="queued" if reads % 2 == 0 else "processing")
            or None
        ),
    )


@mutant("ASY-6")
def end_reopens(house: House) -> None:
    """A task that has succeeded is processing at every second read."""

    def reopen(content: Any, made: Generation, reads: int) -> None:
        if made.request.run_async and made.ended and reads % 2:
            content.update(status="processing", images=[])

    at_read(house, reopen)


@mutant("ASY-6")
def end_turns_to_failure(house: House) -> None:
    """A task that has succeeded is failed from the second read of its end on."""
    seen: set[str] = set()

    def turn(content: Any, made: Generation, reads: int) -> None:
        if made.status == "succeeded" and made.id in seen:
            error = {"message": "Image generation failed", "code": "generationFailed"}
            content.update(status="failed", images=[], error=error)
        if made.ended:
            seen.add(made.id)

    at_read(house, turn)


@mutant("ASY-6")
def failure_turns_to_success(house: House) -> None:
    """A task that has failed is succeeded, with no images, from the second read on."""
    seen: set[str] = set()

    def turn(content: Any, made: Generation, reads: int) -> None:
        if made.status == "failed" and made.id in seen:
            content.pop("error", None)
            content.update(status="succeeded")
        if made.ended:
            seen.add(made.id)

    at_read(house, turn)


@mutant("ASY-7")
def failure_reads_500(house: House) -> None:
    """A poll of a task that has failed is answered 500."""

    @house.on_answer(GET, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        made = house.hub.generations[visit.argument or ""]
        return wire.refusal(house.error("generationFailed")) if made.status == "failed" else answer


@mutant("ASY-7", tolerable=True)
def failure_unexplained(house: House) -> None:
    """A task that has failed has no error."""
    at_read(house, lambda content, made, reads: content.pop("error", None) and None)


@mutant("ASY-7", tolerable=True)
def failure_explained_in_words(house: House) -> None:
    """The error of a task that has failed is a sentence."""
    at_read(
        house,
        lambda content, made, reads: (
            content.get("error") and content.update(error=content["error"]["message"]) or None
        ),
    )


@mutant("ASY-7", tolerable=True)
def failure_coded_otherwise(house: House) -> None:
    """The error of a task that has failed has the code provider_error."""
    at_read(
        house,
        lambda content, made, reads: (
            content.get("error") and content["error"].update(code="provider_error") or None
        ),
    )


@mutant("ASY-7")
def failure_shows_images(house: House) -> None:
    """A task that has failed lists images."""

    def show(content: Any, made: Generation, reads: int) -> None:
        if made.status == "failed":
            url = house.pipeline.links(house.hub.name).image(made, 0, "png")
            at = content["created_at"]
            content["images"] = [
                {"id": "clx_lost", "object": "image", "url": url, "created_at": at}
            ]

    at_read(house, show)


# -- what was made is read back ------------------------------------------------------------------


@mutant("RET-1")
def sync_not_kept(house: House) -> None:
    """A synchronous generation cannot be read back."""

    @house.on_answer(GET, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if house.hub.generations[visit.argument or ""].request.run_async:
            return answer
        return wire.refusal(house.error("notFound"))


@mutant("RET-1")
def only_the_last_kept(house: House) -> None:
    """An account's generation is forgotten when its next one but two is made."""

    @house.on_answer(GET, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        own = [
            made.id
            for made in house.hub.generations.values()
            if visit.account and made.account == visit.account.id
        ]
        return answer if visit.argument in own[-3:] else wire.refusal(house.error("notFound"))


@mutant("RET-1")
def found_once(house: House) -> None:
    """A generation that has ended can be read once."""
    read: set[str] = set()

    @house.on_answer(GET, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        made = house.hub.generations[visit.argument or ""]
        if made.id in read:
            return wire.refusal(house.error("notFound"))
        if made.ended:
            read.add(made.id)
        return answer


@mutant("RET-1")
def reads_the_newest(house: House) -> None:
    """Whatever id is asked for, the account's newest generation is shown."""

    @around(house.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        original(account, id)
        own = [made.id for made in house.hub.generations.values() if made.account == account.id]
        return original(account, own[-1])


@mutant("RET-1")
def images_not_saved(house: House) -> None:
    """A synchronous generation reads back without its images."""
    at_read(
        house,
        lambda content, made, reads: (
            not made.request.run_async and content.update(images=[]) or None
        ),
    )


@mutant("RET-1")
def first_image_saved(house: House) -> None:
    """Of several images the first is saved."""
    at_read(house, lambda content, made, reads: content.update(images=content["images"][:1]))


@mutant("RET-1")
def log_wrapped(house: House) -> None:
    """The log is wrapped in `data`."""
    at_read(house, lambda content, made, reads: {"data": content})


@mutant("RET-1")
def log_without_status(house: House) -> None:
    """The log has no status."""
    at_read(house, lambda content, made, reads: content.pop("status") and None)


@mutant("RET-1")
def log_of_another_model(house: House) -> None:
    """The log names the provider's model instead of the API's."""
    at_read(house, lambda content, made, reads: content.update(model="gpt-image-1"))


@mutant("RET-1")
def log_of_another_size(house: House) -> None:
    """The log has the ratio of a square, whatever was made."""
    at_read(house, lambda content, made, reads: content.update(aspect_ratio="1:1"))


@mutant("RET-1")
def log_cost_per_image(house: House) -> None:
    """The log's usage is the price of one image."""
    at_read(
        house,
        lambda content, made, reads: (
            made.delivered and content["usage"].update(credits=made.quote.unit) or None
        ),
    )


@mutant("RET-4")
def created_at_drifts(house: House) -> None:
    """created_at is the moment of the read."""
    at_read(
        house,
        lambda content, made, reads: content.update(
            created_at=wire.timestamp(house.hub.clock.now() + 1000 * reads)
        ),
    )


@mutant("RET-4")
def created_at_moves_at_the_end(house: House) -> None:
    """created_at becomes the moment of the end when a task ends."""

    def move(content: Any, made: Generation, reads: int) -> None:
        if made.ended_at and made.request.run_async:
            content["created_at"] = wire.timestamp(made.ended_at + 1000)

    at_read(house, move)


@mutant("RET-4")
def image_ids_change(house: House) -> None:
    """Image ids are made anew at each read."""

    def renew(content: Any, made: Generation, reads: int) -> None:
        for image in content["images"]:
            image["id"] += str(reads)

    at_read(house, renew)


@mutant("RET-4")
def image_order_changes(house: House) -> None:
    """The images come in another order at each read."""
    at_read(
        house,
        lambda content, made, reads: reads % 2 and content["images"].reverse() or None,
    )


@mutant("RET-4")
def image_urls_change(house: House) -> None:
    """A read's images are those of another generation, made for the occasion."""

    def change(content: Any, made: Generation, reads: int) -> None:
        for index, image in enumerate(content["images"]):
            image["url"] = image["url"].replace(".png", ".jpg" if (index + reads) % 2 else ".webp")

    at_read(house, change)


@mutant("RET-4")
def image_times_drift(house: House) -> None:
    """An image's created_at is the moment of the read."""

    def drift(content: Any, made: Generation, reads: int) -> None:
        for image in content["images"]:
            image["created_at"] = wire.timestamp(house.hub.clock.now() + 1000 * reads)

    at_read(house, drift)


@mutant("RET-4")
def usage_grows(house: House) -> None:
    """usage.credits grows by a credit at each read, in the log only."""
    at_read(
        house,
        lambda content, made, reads: content["usage"].update(
            credits=content["usage"]["credits"] + reads - 1
        ),
    )


@mutant("RET-4")
def images_expire(house: House) -> None:
    """From the third read of a generation's end on, its images are gone."""
    at_read(
        house,
        lambda content, made, reads: reads > 4 and content.update(images=[]) or None,  # noqa: PLR2004
    )


@mutant("GEN-1")
def sync_answers_202(house: House) -> None:
    """A synchronous request is answered 202, queued."""
    house.on_asked(lambda asked: asked.values.update({"async": True}))


@mutant("GEN-1")
def sync_answers_201(house: House) -> None:
    """A synchronous request is answered 201 Created."""
    house.on_answer(POST, status=200)(lambda answer, visit: answer._replace(status=201))


@mutant("GEN-1")
def sync_does_not_wait(house: House) -> None:
    """A synchronous request is answered 200 at once, processing, with no images."""
    house.on_content(POST, status=200)(
        lambda content, visit: content.update(status="processing", images=[])
    )


@mutant("GEN-1")
def sync_completed(house: House) -> None:
    """A finished generation's status is `completed`."""
    house.on_content(POST, status=200)(lambda content, visit: content.update(status="completed"))


@mutant("GEN-1")
def sync_shouted(house: House) -> None:
    """Statuses are written in capitals."""
    house.on_generation(
        lambda content, visit: content.update(status=str(content.get("status")).upper())
    )


@mutant("LIM-1")
def sync_cut_off(house: House) -> None:
    """A gateway gives up after half a second, although a generation takes longer."""

    @house.handle(POST)
    async def generate(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
        answer = await proceed(visit, account)
        if answer.status != 200:  # noqa: PLR2004
            return answer
        await asyncio.sleep(0.5)
        content = {"error": {"message": "upstream timed out", "code": "gatewayTimeout"}}
        return with_content(answer, content)._replace(status=504)
