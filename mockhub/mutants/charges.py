"""Defects of what is charged: how much, how often, from whom, and when."""

from __future__ import annotations

import asyncio
from typing import Any

from mockhub.mutants.house import CREDITS, GET, POST, House, around
from mockhub.mutants.registry import mutant
from mockhub.spec.errors import ApiError
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.generations import Generation
from mockhub.world.ledger import Entry


def pay(house: House, credits: Any) -> None:
    """Charge *credits*, a function of the right charge (below zero) and of the generation."""
    house.on_entry("charge")(
        lambda entry, account, made: [entry._replace(credits=credits(entry.credits, made))]
    )


@mutant("LED-1")
def charged_twice(house: House) -> None:
    """The account pays twice what the answer says."""
    pay(house, lambda credits, made: 2 * credits)


@mutant("LED-1")
def never_charged(house: House) -> None:
    """The answer names a cost that is never taken from the balance."""
    pay(house, lambda credits, made: 0)


@mutant("LED-1")
def charged_a_credit_more(house: House) -> None:
    """Each generation costs one credit more than the answer says."""
    pay(house, lambda credits, made: credits - 1)


@mutant("LED-1")
def charged_for_one(house: House) -> None:
    """The account pays for one image, however many are made."""
    pay(house, lambda credits, made: -made.quote.unit)


@mutant("LED-1")
def extra_images_free(house: House) -> None:
    """Four images cost the account what three do, while the answer names the price of four."""
    pay(house, lambda credits, made: max(credits, -3 * made.quote.unit))


@mutant("LED-1")
def charged_to_another(house: House) -> None:
    """Somebody else's account pays."""
    house.on_entry("charge")(
        lambda entry, account, made: house.move(house.stranger(account), entry.credits)
    )


@mutant("CRD-3")
def the_richest_pays(house: House) -> None:
    """What a user of the same plan generates is taken from whoever has the most."""

    @house.on_entry("charge")
    def charged(entry: Entry, account: Account, made: Generation) -> tuple[Entry, ...]:
        richest = house.somebody()
        if richest is account or richest.account_type != account.account_type:
            return (entry,)
        return house.move(richest, entry.credits)


@mutant("LED-1")
def async_never_charged(house: House) -> None:
    """An asynchronous generation is free."""
    pay(house, lambda credits, made: 0 if made.request.run_async else credits)


@mutant("LED-1")
def async_charged_at_both_ends(house: House) -> None:
    """An asynchronous generation is charged when it is submitted and again when it ends."""

    @around(house.hub, "_end")
    def end(original: Any, generation: Generation, now: int, *, failed: bool) -> Generation:
        ended: Generation = original(generation, now, failed=failed)
        house.move(house.hub.accounts[ended.account], -ended.credits)
        return ended


@mutant("LED-1")
def references_free(house: House) -> None:
    """A generation with a reference image is free."""
    pay(house, lambda credits, made: 0 if made.request.references else credits)


@mutant("LED-1")
def references_charged_for_one(house: House) -> None:
    """With a reference image, n images cost what one does."""
    pay(house, lambda credits, made: -made.quote.unit if made.request.references else credits)


@mutant("GEN-9")
def references_cost_extra(house: House) -> None:
    """Each reference image costs a credit that no price list names."""
    pay(house, lambda credits, made: credits - len(made.request.references))


@mutant("LED-1")
def polls_cost(house: House) -> None:
    """Each poll of a running generation costs a credit."""

    @around(house.hub, "_polled")
    def polled(original: Any, generation: Generation, now: int) -> Any:
        house.move(house.hub.accounts[generation.account], -1)
        return original(generation, now)


@mutant("CRD-4")
def reading_a_generation_costs(house: House) -> None:
    """Reading a generation costs a credit."""
    house.after(GET)(lambda visit, account: house.move(account, -1))


@mutant("CRD-4")
def reading_the_balance_costs(house: House) -> None:
    """Reading the balance costs a credit."""
    house.after(CREDITS)(lambda visit, account: house.move(account, -1))


@mutant("CRD-4")
def invalid_requests_cost(house: House) -> None:
    """A request that is refused as invalid costs what a valid one would."""
    house.after_refusal(POST)(
        lambda account, error: isinstance(error, ApiError) or house.move(account, -8)
    )


@mutant("CRD-4")
def unknown_ids_cost(house: House) -> None:
    """A read that finds nothing costs a credit."""
    house.after_refusal(GET)(lambda account, error: house.move(account, -1))


@mutant("GEN-4")
def quality_sets_the_tier(house: House) -> None:
    """The request's quality, not its size, decides the tier: 1024x1024 at high is billed as 4K."""
    tiers = {"low": "1K", "medium": "2K", "high": "4K"}
    prices = house.model["credits_per_image"]

    @house.on_quote
    def quote(quote: Any, request: Any) -> Any:
        tier = tiers.get(request.quality, quote.tier)
        return quote._replace(tier=tier, unit=prices[tier])


@mutant("GEN-6")
def high_quality_costs_more(house: House) -> None:
    """A 1K image at quality high costs 12 credits, although its tier costs 8."""
    dear = house.model["credits_per_image"]["4K"]
    house.on_quote(
        lambda quote, asked: quote._replace(unit=dear) if asked.quality == "high" else quote
    )


@mutant("GEN-6")
def low_quality_costs_less(house: House) -> None:
    """A 1K image at quality low costs half of what its tier costs."""
    house.on_quote(
        lambda quote, asked: (
            quote._replace(unit=quote.unit // 2) if asked.quality == "low" else quote
        )
    )


@mutant("GEN-6")
def all_tiers_cost_alike(house: House) -> None:
    """2K and 4K images are named so and cost what 1K does."""
    cheapest = house.model["credits_per_image"]["1K"]
    house.on_quote(lambda quote, asked: quote._replace(unit=cheapest))


@mutant("GEN-6")
def several_cost_less(house: House) -> None:
    """Each image of several costs a credit less, in the answer and in the ledger."""
    house.on_quote(
        lambda quote, asked: quote._replace(unit=quote.unit - 1) if asked.n > 1 else quote
    )


@mutant("MOD-3")
def raised_price(house: House) -> None:
    """1K images are listed, charged and reported at 9 credits."""
    house.model["credits_per_image"]["1K"] = 9


@mutant("MOD-3")
def dear_4k(house: House) -> None:
    """4K images are listed, charged and reported at 16 credits."""
    house.model["credits_per_image"]["4K"] = 16


@mutant("LED-1")
def charged_late(house: House) -> None:
    """What /credits tells sinks only some seconds after the generation's answer."""
    owed: dict[str, int] = {}

    @around(house.hub, "create_generation")
    def create(original: Any, account: Account, *rest: Any) -> Any:
        before = account.balance
        made = original(account, *rest)
        spent = before - account.balance
        owed[account.id] = owed.get(account.id, 0) + spent
        asyncio.get_running_loop().call_later(
            5, lambda: owed.update({account.id: owed[account.id] - spent})
        )
        return made

    @house.on_content(CREDITS, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.account:
            content["credits"] += owed.get(visit.account.id, 0)


@mutant("LED-1")
def async_charged_as_1k(house: House) -> None:
    """Each image of a task is charged at the price of 1K, whatever its tier."""
    lowest = min(house.model["credits_per_image"].values())
    pay(
        house,
        lambda credits, made: -lowest * made.request.n if made.request.run_async else credits,
    )


@mutant("LED-1")
def cents_kept(house: House) -> None:
    """The charge for three images is a credit less than three times the price."""
    pay(house, lambda credits, made: credits + (made.request.n == 3))  # noqa: PLR2004
