"""Defects of what is charged: how much, how often, from whom, and when."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.ledger import Entry
from mockhub.exceptions import ApiError
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext


def replace_charge(server: PatchedServer, amount: Any) -> None:
    """Charge *credits*, a function of the right charge (below zero) and of the generation."""
    server.on_ledger_entry("charge")(
        lambda entry, account, generation: [
            replace(entry, credits=amount(entry.credits, generation))
        ]
    )


@mutant("LED-1", "The account pays twice what the answer says.")
def charged_twice(server: PatchedServer) -> None:
    replace_charge(server, lambda credits, generation: 2 * credits)


@mutant("LED-1", "The answer names a cost that is never taken from the balance.")
def never_charged(server: PatchedServer) -> None:
    replace_charge(server, lambda credits, generation: 0)


@mutant("LED-1", "Each generation costs one credit more than the answer says.")
def charged_one_credit_extra(server: PatchedServer) -> None:
    replace_charge(server, lambda credits, generation: credits - 1)


@mutant("LED-1", "The account pays for one image, however many are made.")
def charged_for_one_image(server: PatchedServer) -> None:
    replace_charge(server, lambda credits, generation: -generation.quote.unit)


@mutant(
    "LED-1", "Four images cost the account what three do, while the answer names the price of four."
)
def fourth_image_free(server: PatchedServer) -> None:
    replace_charge(server, lambda credits, generation: max(credits, -3 * generation.quote.unit))


@mutant("LED-1", "Somebody else's account pays.")
def charged_to_other_account(server: PatchedServer) -> None:
    server.on_ledger_entry("charge")(
        lambda entry, account, generation: server.adjust_balance(
            server.other_account(account), entry.credits
        )
    )


@mutant("CRD-3", "What a user of the same plan generates is taken from whoever has the most.")
def charged_to_richest_account(server: PatchedServer) -> None:
    @server.on_ledger_entry("charge")
    def charged(entry: Entry, account: Account, generation: Generation) -> tuple[Entry, ...]:
        richest = server.richest_account()
        if richest is account or richest.account_type != account.account_type:
            return (entry,)
        return server.adjust_balance(richest, entry.credits)


@mutant("LED-1", "An asynchronous generation is free.")
def async_never_charged(server: PatchedServer) -> None:
    replace_charge(
        server, lambda credits, generation: 0 if generation.request.run_async else credits
    )


@mutant(
    "LED-1", "An asynchronous generation is charged when it is submitted and again when it ends."
)
def async_charged_again_at_completion(server: PatchedServer) -> None:
    @wrap(server.hub, "complete_generation")
    def end(original: Any, generation: Generation, now: int, *, failed: bool) -> Generation:
        ended: Generation = original(generation, now, failed=failed)
        server.adjust_balance(server.hub.accounts[ended.account], -ended.credits)
        return ended


@mutant("LED-1", "A generation with a reference image is free.")
def references_free(server: PatchedServer) -> None:
    replace_charge(
        server, lambda credits, generation: 0 if generation.request.references else credits
    )


@mutant("LED-1", "With a reference image, n images cost what one does.")
def references_charged_for_one_image(server: PatchedServer) -> None:
    replace_charge(
        server,
        lambda credits, generation: (
            -generation.quote.unit if generation.request.references else credits
        ),
    )


@mutant("GEN-9", "Each reference image costs a credit that no price list names.")
def references_cost_extra(server: PatchedServer) -> None:
    replace_charge(server, lambda credits, generation: credits - len(generation.request.references))


@mutant("LED-1", "Each poll of a running generation costs a credit.")
def polls_charged(server: PatchedServer) -> None:
    @wrap(server.hub, "record_poll")
    def polled(original: Any, generation: Generation, now: int) -> Any:
        server.adjust_balance(server.hub.accounts[generation.account], -1)
        return original(generation, now)


@mutant("CRD-4", "Reading a generation costs a credit.")
def generation_reads_charged(server: PatchedServer) -> None:
    server.after_success(OperationId.GET_GENERATION)(
        lambda context, account: server.adjust_balance(account, -1)
    )


@mutant("CRD-4", "Reading the balance costs a credit.")
def balance_reads_charged(server: PatchedServer) -> None:
    server.after_success(OperationId.GET_CREDITS)(
        lambda context, account: server.adjust_balance(account, -1)
    )


@mutant("CRD-4", "A request that is refused as invalid costs what a valid one would.")
def invalid_requests_charged(server: PatchedServer) -> None:
    server.after_error(OperationId.CREATE_GENERATION)(
        lambda account, error: isinstance(error, ApiError) or server.adjust_balance(account, -8)
    )


@mutant("CRD-4", "A read that finds nothing costs a credit.")
def unknown_ids_charged(server: PatchedServer) -> None:
    server.after_error(OperationId.GET_GENERATION)(
        lambda account, error: server.adjust_balance(account, -1)
    )


@mutant(
    "GEN-4",
    "The request's quality, not its size, decides the tier: 1024x1024 at high is billed as 4K.",
)
def quality_determines_tier(server: PatchedServer) -> None:
    tiers = {"low": "1K", "medium": "2K", "high": "4K"}
    prices = server.model["credits_per_image"]

    @server.on_quote
    def quote(quote: Any, request: Any) -> Any:
        tier = tiers.get(request.quality, quote.tier)
        return quote._replace(tier=tier, credits_per_image=prices[tier])


@mutant("GEN-6", "A 1K image at quality high costs 12 credits, although its tier costs 8.")
def high_quality_costs_more(server: PatchedServer) -> None:
    high_price = server.model["credits_per_image"]["4K"]
    server.on_quote(
        lambda quote, request: (
            quote._replace(credits_per_image=high_price) if request.quality == "high" else quote
        )
    )


@mutant("GEN-6", "A 1K image at quality low costs half of what its tier costs.")
def low_quality_costs_less(server: PatchedServer) -> None:
    server.on_quote(
        lambda quote, request: (
            quote._replace(credits_per_image=quote.credits_per_image // 2)
            if request.quality == "low"
            else quote
        )
    )


@mutant("GEN-6", "2K and 4K images are named so and cost what 1K does.")
def all_tiers_same_price(server: PatchedServer) -> None:
    cheapest = server.model["credits_per_image"]["1K"]
    server.on_quote(lambda quote, request: quote._replace(credits_per_image=cheapest))


@mutant("GEN-6", "Each image of several costs a credit less, in the answer and in the ledger.")
def multiple_images_discounted(server: PatchedServer) -> None:
    server.on_quote(
        lambda quote, request: (
            quote._replace(credits_per_image=quote.credits_per_image - 1)
            if request.n > 1
            else quote
        )
    )


@mutant("MOD-3", "1K images are listed, charged and reported at 9 credits.")
def overpriced_1k(server: PatchedServer) -> None:
    server.model["credits_per_image"]["1K"] = 9


@mutant("MOD-3", "4K images are listed, charged and reported at 16 credits.")
def overpriced_4k(server: PatchedServer) -> None:
    server.model["credits_per_image"]["4K"] = 16


@mutant("LED-1", "What /credits tells sinks only some seconds after the generation's answer.")
def charge_delayed(server: PatchedServer) -> None:
    owed: dict[str, int] = {}

    @wrap(server.hub, "create_generation")
    def create(original: Any, account: Account, *rest: Any) -> Any:
        before = account.balance
        generation = original(account, *rest)
        spent = before - account.balance
        owed[account.id] = owed.get(account.id, 0) + spent
        asyncio.get_running_loop().call_later(
            5, lambda: owed.update({account.id: owed[account.id] - spent})
        )
        return generation

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        if context.account:
            content["credits"] += owed.get(context.account.id, 0)


@mutant("LED-1", "Each image of a task is charged at the price of 1K, whatever its tier.")
def async_charged_as_1k(server: PatchedServer) -> None:
    lowest = min(server.model["credits_per_image"].values())
    replace_charge(
        server,
        lambda credits, generation: (
            -lowest * generation.request.n if generation.request.run_async else credits
        ),
    )


@mutant("LED-1", "The charge for three images is a credit less than three times the price.")
def three_images_undercharged(server: PatchedServer) -> None:
    replace_charge(server, lambda credits, generation: credits + (generation.request.n == 3))  # noqa: PLR2004
