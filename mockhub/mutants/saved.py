"""Defects of what is read back of a generation that has ended."""

from __future__ import annotations

from typing import Any

from mockhub.mutants.house import GET, House, around
from mockhub.mutants.polling import at_read
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.generations import Generation


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


def log_without(name: str) -> None:
    """Register a mutant whose log lacks a field that the page names for the answer alone."""
    mutant(
        "RET-1",
        level="inferred",
        name=f"log-without-{name}".replace("_", "-"),
        says=f"The log has no {name}.",
    )(lambda house: at_read(house, lambda content, made, reads: content.pop(name) and None))


for _name in ("object", "created_at", "aspect_ratio", "quality", "usage"):
    log_without(_name)
