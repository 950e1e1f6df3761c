"""Mutants of what the ledger charges for a generation (LED-1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.ledger import Entry
from mockhub.mutants.hooks import every, replace_charge
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json
from mockhub.mutants.wrapping import wrap
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext

_CACHE_TIME = 10_000  # milliseconds


mutant_table("LED-1", replace_charge)(
    charged_twice=(
        "The account is charged twice the cost in the response.",
        lambda credits, generation: 2 * credits,
    ),
    never_charged=("The cost in the response is never charged.", lambda credits, generation: 0),
    charged_one_credit_extra=(
        "The account is charged one credit more than the response says.",
        lambda credits, generation: credits + 1,
    ),
    charged_for_one_image=(
        "The account is charged for one image, whatever n is.",
        lambda credits, generation: generation.quote.credits_per_image,
    ),
    fourth_image_free=(
        "Four images are charged as three; the response has the price of four.",
        lambda credits, generation: min(credits, 3 * generation.quote.credits_per_image),
    ),
    three_images_undercharged=(
        "Three images are charged one credit less than three times the price.",
        lambda credits, generation: {3: credits - 1}.get(generation.request.n, credits),
    ),
    async_never_charged=(
        "Asynchronous generations are free.",
        lambda credits, generation: 0 if generation.request.run_async else credits,
    ),
    references_free=(
        "Generations with a reference image are free.",
        lambda credits, generation: 0 if generation.request.references else credits,
    ),
    references_charged_for_one_image=(
        "With a reference image, the account is charged for one image, whatever n is.",
        lambda credits, generation: (
            generation.quote.credits_per_image if generation.request.references else credits
        ),
    ),
)


@mutant("LED-1", "The images of a task are charged at the price of 1K, whatever their tier is.")
def async_charged_as_1k(server: PatchedServer) -> None:
    lowest = min(server.model["credits_per_image"].values())
    replace_charge(
        lambda credits, generation: (
            lowest * generation.request.n if generation.request.run_async else credits
        )
    )(server)


@mutant("LED-1", "Another account is charged.")
def charged_to_other_account(server: PatchedServer) -> None:
    server.on_ledger_entry("charge")(
        lambda entry, account, generation: server.adjust_balance(
            server.other_account(account), entry.credits
        )
    )


@mutant("LED-1", "An asynchronous generation is charged at submission and again at its end.")
def async_charged_again_at_completion(server: PatchedServer) -> None:
    @wrap(server.hub, "complete_generation")
    def complete(
        original: Callable[..., Generation], generation: Generation, now: int, *, failed: bool
    ) -> Generation:
        completed = original(generation, now, failed=failed)
        server.adjust_balance(server.hub.accounts[completed.account], -completed.credits)
        return completed


@mutant("LED-1", "Each poll of a running generation costs a credit.")
def polls_charged(server: PatchedServer) -> None:
    @wrap(server.hub, "record_poll")
    def poll(original: Callable[..., Generation], generation: Generation, now: int) -> Generation:
        server.adjust_balance(server.hub.accounts[generation.account], -1)
        return original(generation, now)


@mutant("LED-1", "The balance of /credits sinks only some seconds after the response.")
def charge_delayed(server: PatchedServer) -> None:
    owed: dict[str, int] = {}

    @wrap(server.hub, "create_generation")
    def create(original: Callable[..., Generation], account: Account, *rest: object) -> Generation:
        before = account.balance
        generation = original(account, *rest)
        spent = before - account.balance
        owed[account.id] = owed.get(account.id, 0) + spent
        asyncio.get_running_loop().call_later(
            5, lambda: owed.update({account.id: owed[account.id] - spent})
        )
        return generation

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def mutate(content: Json, context: RequestContext) -> None:
        if context.account:
            content["credits"] += owed.get(context.account.id, 0)


@mutant("LED-1", "Every third generation is charged twice.")
def every_third_charged_twice(server: PatchedServer) -> None:
    third = every(3)

    @server.after_success(OperationId.CREATE_GENERATION)
    def charge(context: RequestContext, account: Account) -> None:
        if third():
            server.adjust_balance(account, context.current_credit_delta)


@mutant("LED-1", "Every fifth generation is free.")
def every_fifth_free(server: PatchedServer) -> None:
    fifth = every(5)

    @server.after_success(OperationId.CREATE_GENERATION)
    def refund(context: RequestContext, account: Account) -> None:
        if fifth():
            server.adjust_balance(account, -context.current_credit_delta)


@mutant("LED-1", "Every generation of an account but the first costs one credit more.")
def later_generations_overcharged(server: PatchedServer) -> None:
    charged_before: set[str] = set()

    @server.on_ledger_entry("charge")
    def charge(entry: Entry, account: Account, generation: Generation) -> list[Entry]:
        surcharge = account.id in charged_before
        charged_before.add(account.id)
        return [replace(entry, credits=entry.credits - surcharge)]


@mutant(
    "LED-1",
    "A request like one of the last seconds returns the same generation and is not charged.",
    level="inferred",
)
def repeated_request_deduplicated(server: PatchedServer) -> None:
    cache: dict[tuple[str, GenerationRequest], Generation] = {}

    @wrap(server.hub, "create_generation")
    def create(
        original: Callable[..., Generation],
        account: Account,
        request: GenerationRequest,
        *rest: object,
    ) -> Generation:
        now, cached = server.hub.clock.now(), cache.get((account.id, request))
        if cached is None or now - cached.created_at > _CACHE_TIME:
            cached = cache[account.id, request] = original(account, request, *rest)
        return cached
