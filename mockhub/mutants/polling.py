"""Defects of a running task: from queued to its end, and how its end reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import GET, House, around
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.visit import Visit
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


def spelt(status: str, otherwise: str) -> Change:
    """A change that writes one status in another word."""

    def respell(content: Any, made: Generation, reads: int) -> None:
        if content["status"] == status:
            content["status"] = otherwise

    return respell


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
    at_read(house, spelt("succeeded", "completed"))


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
    at_read(house, spelt("failed", "error"))


@mutant("ASY-5")
def failure_ends_succeeded(house: House) -> None:
    """A task whose provider failed is succeeded, with no images."""
    at_read(house, spelt("failed", "succeeded"))


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
