"""Defects of what is given back: when the provider fails, and when it delivers too little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import GET, POST, House, around
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.generations import Generation

Rule = Callable[[int, Generation], int]


def give_back(house: House, credits: Rule) -> None:
    """Refund *credits*, a function of the right refund and the generation."""
    house.on_entry("refund")(
        lambda entry, account, made: [entry._replace(credits=credits(entry.credits, made))]
    )


def failed(made: Generation) -> bool:
    return not made.delivered


@mutant("LED-2")
def failure_kept(house: House) -> None:
    """A generation that failed is not refunded."""
    give_back(house, lambda credits, made: 0 if failed(made) else credits)


@mutant("LED-2")
def sync_failure_kept(house: House) -> None:
    """A synchronous generation that failed is not refunded; an asynchronous one is."""
    give_back(
        house, lambda credits, made: 0 if failed(made) and not made.request.run_async else credits
    )


@mutant("LED-2")
def async_failure_kept(house: House) -> None:
    """An asynchronous generation that failed is not refunded; a synchronous one is."""
    give_back(
        house, lambda credits, made: 0 if failed(made) and made.request.run_async else credits
    )


@mutant("LED-2")
def failure_refunded_by_half(house: House) -> None:
    """A failed generation gives half of its charge back."""
    give_back(house, lambda credits, made: credits // 2 if failed(made) else credits)


@mutant("LED-2")
def failure_fee(house: House) -> None:
    """A failed generation gives its charge back but for a credit."""
    give_back(house, lambda credits, made: credits - 1 if failed(made) else credits)


@mutant("LED-2")
def failure_refunded_twice(house: House) -> None:
    """A failed generation gives twice its charge back."""
    give_back(house, lambda credits, made: 2 * credits if failed(made) else credits)


@mutant("LED-2")
def failure_refunds_one_image(house: House) -> None:
    """A failed generation of several images gives the price of one back."""
    give_back(house, lambda credits, made: made.quote.unit if failed(made) else credits)


@mutant("LED-2")
def failure_refunded_to_another(house: House) -> None:
    """A failed generation's charge goes to somebody else's account."""

    @house.on_entry("refund")
    def refund(entry: Any, account: Any, made: Generation) -> Any:
        if failed(made):
            house.move(house.stranger(account), entry.credits)
            return ()
        return [entry]


@mutant("LED-2")
def failure_refunded_at_every_read(house: House) -> None:
    """Each read of a failed task refunds it once more."""

    @around(house.hub, "get_generation")
    def read(original: Any, account: Any, id: str) -> Any:
        generation = house.hub.generations.get(id)
        found = original(account, id)
        if generation and generation.status == "failed":
            house.move(account, generation.credits_requested)
        return found


@mutant("LED-2")
def failure_refunded_late(house: House) -> None:
    """A failed generation is refunded when the account's next one is made, not before."""
    owed: dict[str, int] = {}

    @house.on_entry("refund")
    def refund(entry: Any, account: Any, made: Generation) -> Any:
        owed[account.id] = owed.get(account.id, 0) + entry.credits
        return ()

    @around(house.hub, "create_generation")
    def create(original: Any, account: Any, *rest: Any) -> Any:
        due = owed.pop(account.id, 0)
        made = original(account, *rest)
        if due:
            house.move(account, due)
        return made


@mutant("LED-2")
def failure_costs_in_usage(house: House) -> None:
    """A failed task is refunded, and its usage still names the whole price."""

    @house.on_content(GET)
    def rewrite(content: Any, visit: Visit) -> None:
        if content.get("status") == "failed":
            made = house.hub.generations[content["id"]]
            content["usage"]["credits"] = made.credits_requested


@mutant("LED-3")
def missing_images_kept(house: House) -> None:
    """Fewer images than asked for cost as much as all, while usage names the delivered ones."""
    give_back(house, lambda credits, made: credits if failed(made) else 0)


@mutant("LED-3")
def async_missing_images_kept(house: House) -> None:
    """An asynchronous generation of fewer images than asked for costs as much as all."""
    give_back(
        house, lambda credits, made: 0 if made.delivered and made.request.run_async else credits
    )


@mutant("LED-3")
def missing_images_refunded_twice(house: House) -> None:
    """Images that are missing are refunded twice."""
    give_back(house, lambda credits, made: credits if failed(made) else 2 * credits)


@mutant("LED-3")
def missing_images_refund_all(house: House) -> None:
    """If an image is missing everything is refunded, while usage names the delivered ones."""
    give_back(house, lambda credits, made: made.credits_requested)


@mutant("LED-3")
def missing_images_in_usage(house: House) -> None:
    """Missing images are refunded, and usage names the price of all that were asked for."""

    @house.on_content(POST, GET, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        made = house.hub.generations[content["id"]]
        if 0 < made.delivered < made.request.n:
            content["usage"]["credits"] = made.credits_requested


@mutant("LED-3")
def missing_images_fail_all(house: House) -> None:
    """If an image is missing the whole generation fails, and is refunded."""

    @around(house.hub, "_begin")
    def begin(
        original: Any, account: Any, request: Any, quote: Any, outcome: Any, *rest: Any
    ) -> Any:
        short = outcome.deliver is not None and outcome.deliver < request.n
        return original(
            account, request, quote, outcome._replace(fail=outcome.fail or short), *rest
        )


@mutant("LED-3")
def missing_images_padded(house: House) -> None:
    """Missing images are made up for by the first one again, with the usage of the delivered."""

    @house.on_content(POST, GET, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        asked = house.hub.generations[content["id"]].request.n
        images = content["images"]
        content["images"] = images + images[:1] * (asked - len(images)) if images else images


@mutant("LED-3")
def missing_images_cost_before_refund(house: House) -> None:
    """The balance beside fewer images than asked for is the one before their refund."""

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        made = house.hub.generations[content["id"]]
        content["balance"]["credits"] -= made.credits_requested - made.credits


@mutant("ERR-6")
def failure_succeeds_with_nothing(house: House) -> None:
    """A synchronous generation that failed answers 200, succeeded, with no images."""

    @house.on_answer(POST, code="generationFailed")
    def rewrite(answer: Any, visit: Visit) -> Any:
        made = house.hub.generations[visit.generation or ""]
        links = house.pipeline.links(house.hub.name)
        assert visit.account
        return wire.answer(200, wire.generated(made, visit.account, house.hub, links))


def at_the_lowest_price(house: House, wanted: Callable[[Generation], bool]) -> None:
    """Refund missing images at the price of 1K where *wanted*, whatever they cost."""
    lowest = min(house.model["credits_per_image"].values())
    give_back(
        house,
        lambda credits, made: (
            lowest * (made.request.n - made.delivered) if wanted(made) else credits
        ),
    )


@mutant("LED-2")
def failure_refunded_as_1k(house: House) -> None:
    """A failed generation is refunded at the price of 1K, whatever its tier."""
    at_the_lowest_price(house, failed)


@mutant("LED-3")
def missing_images_refunded_as_1k(house: House) -> None:
    """Missing images are refunded at the price of 1K, whatever their tier."""
    at_the_lowest_price(house, lambda made: not failed(made))


@mutant("LED-3")
def async_missing_images_in_usage(house: House) -> None:
    """A task's missing images are refunded, and its usage names the price of all."""

    @house.on_content(GET, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        made = house.hub.generations[content["id"]]
        if made.request.run_async and 0 < made.delivered < made.request.n:
            content["usage"]["credits"] = made.credits_requested


@mutant("ERR-6")
def failure_is_200(house: House) -> None:
    """A synchronous generation that failed answers 200 with status failed."""

    @house.on_answer(POST, code="generationFailed")
    def rewrite(answer: Any, visit: Visit) -> Any:
        made = house.hub.generations[visit.generation or ""]
        links = house.pipeline.links(house.hub.name)
        return wire.answer(200, wire.log(made, house.hub, links, now=house.hub.clock.now()))
