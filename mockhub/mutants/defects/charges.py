"""Mutants of what the ledger charges for a generation (LED-1)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from msgspec.structs import replace

from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import computed, constant, only_if, plus, times
from mockhub.mutants.hook import Hook, at_every, when
from mockhub.mutants.matching import (
    all_of,
    credits_per_image,
    has_count,
    has_references,
    is_async,
    is_paid_by,
    is_running,
)
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import (
    Account,
    Generation,
    GenerationRequest,
    Json,
    RequestContext,
    Response,
)
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import OperationId

_CACHE_TIME = 10_000  # milliseconds
_GRANT_SECONDS = 0.1

mutant_table("LED-1", hooks.replace_charge)(
    charged_twice=Row("The account is charged twice the cost in the response.", times(2)),
    never_charged=Row("The cost in the response is never charged.", constant(0)),
    charged_one_credit_extra=Row("One credit more is charged than the response says.", plus(1)),
    charged_for_one_image=Row(
        "The account is charged for one image only.", computed(credits_per_image)
    ),
    fourth_image_free=Row(
        "Four images are charged as three; the response has the price of four.",
        lambda credits, generation: min(credits, 3 * generation.quote.credits_per_image),
    ),
    three_images_undercharged=Row(
        "Three images are charged one credit less than three times the price.",
        lambda credits, generation: {3: credits - 1}.get(generation.request.n, credits),
    ),
    async_never_charged=Row("Asynchronous generations are free.", only_if(is_async, constant(0))),
    references_free=Row(
        "With a reference image, generations are free.", only_if(has_references, constant(0))
    ),
    other_account_charged_extra=Row(
        "The account `other` is charged one credit more than the response says.",
        only_if(is_paid_by("other"), plus(1)),
    ),
    task_of_three_charged_for_two=Row(
        "A task of three images is charged as two.",
        only_if(
            all_of(is_async, has_count(3)),
            lambda credits, generation: 2 * generation.quote.credits_per_image,
        ),
    ),
    references_charged_for_one_image=Row(
        "With references, only one image is charged.",
        only_if(has_references, computed(credits_per_image)),
    ),
)


@mutant("LED-1", "Only the key with which a user generates first pays.")
def second_key_pays_nothing(server: PatchedServer) -> None:
    first_keys: dict[str, bytes | None] = {}

    @hooks.after_generation.on(server)
    def refund(context: RequestContext, account: Account) -> None:
        if first_keys.setdefault(account.id, context.key_digest) != context.key_digest:
            server.adjust_balance(account, -context.current_credit_delta)


@mutant("LED-1", "The images of a task are charged at the price of 1K, whatever their tier is.")
@when(is_async, hooks.replace_charge).with_server
def async_charged_as_1k(server: PatchedServer, credits: int, generation: Generation) -> int:
    return server.prices["1K"] * generation.request.n


@mutant("LED-1", "A task of three images that fails is charged one credit more, until its refund.")
def failing_task_of_three_charged_extra(server: PatchedServer) -> None:
    matches = all_of(is_async, has_count(3), lambda task: task.outcome.fail)
    when(matches, hooks.replace_charge)(plus(1))(server)
    when(matches, hooks.replace_refund)(plus(1))(server)


@mutant("LED-1", "Another account is charged.")
@hooks.replace_charge.with_server
def charged_to_other_account(server: PatchedServer, credits: int, generation: Generation) -> int:
    server.adjust_balance(server.other_account(generation.account), -credits)
    return 0


@mutant("LED-1", "An asynchronous generation is charged at submission and again at its end.")
def async_charged_again_at_completion(server: PatchedServer) -> None:
    @wrap(server.hub, "complete_generation")
    def complete(
        original: Original, generation: Generation, now: int, *, failed: bool
    ) -> Generation:
        completed: Generation = original(generation, now, failed=failed)
        server.adjust_balance(server.hub.accounts[completed.account], -completed.credits)
        return completed


@mutant("LED-1", "A task that succeeds restores the balance that followed its charge.")
def later_charges_lost_at_completion(server: PatchedServer) -> None:
    known: dict[str, int] = {}

    @hooks.after_generation.on(server)
    def store(context: RequestContext, account: Account) -> None:
        known[context.generation or ""] = account.balance

    @wrap(server.hub, "complete_generation")
    def complete(
        original: Original, generation: Generation, now: int, *, failed: bool
    ) -> Generation:
        completed: Generation = original(generation, now, failed=failed)
        account = server.hub.accounts[completed.account]
        if completed.delivered == completed.request.n:
            credits = known.get(completed.id, account.balance) - account.balance
            server.adjust_balance(account, credits)
        return completed


@mutant("LED-1", "A task is charged when it ends; what the tasks in progress cost is set aside.")
def tasks_charged_at_end(server: PatchedServer) -> None:
    owed: Counter[str] = Counter()

    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        account, before = creation.account, creation.account.balance
        if before - owed[account.id] < server.price(creation.request):
            raise server.error("insufficientCredits")
        generation = creation.proceed()
        if is_async(generation):
            owed[account.id] += generation.credits_requested
            server.adjust_balance(account, generation.credits_requested)
        return generation

    @wrap(server.hub, "complete_generation")
    def complete(
        original: Original, generation: Generation, now: int, *, failed: bool
    ) -> Generation:
        if is_async(generation):
            owed[generation.account] -= generation.credits_requested
            account = server.hub.accounts[generation.account]
            server.adjust_balance(account, -generation.credits_requested)
        completed: Generation = original(generation, now, failed=failed)
        return completed


@mutant("LED-1", "Each poll of a running generation costs a credit.")
def polls_charged(server: PatchedServer) -> None:
    @wrap(server.hub, "record_poll")
    def poll(original: Original, generation: Generation, now: int) -> object:
        server.adjust_balance(server.hub.accounts[generation.account], -1)
        return original(generation, now)


@mutant("LED-1", "A poll that is concurrent with the one that ends a task charges it again.")
@hooks.on_concurrent_end.with_server
def concurrent_polls_charge_again(
    server: PatchedServer, account: Account, generation: Generation
) -> None:
    server.adjust_balance(account, -generation.credits)


@mutant("LED-1", "A synchronous generation is free while a task of the account is in progress.")
@hooks.after_generation.with_server
def sync_beside_task_free(server: PatchedServer, context: RequestContext, account: Account) -> None:
    others = (server.hub.generations[id] for id in server.generation_ids(account))
    assert context.parsed_request
    if not context.parsed_request.run_async and any(is_running(each) for each in others):
        server.adjust_balance(account, -context.current_credit_delta)


@mutant("LED-1", "An account without enough credits gets one some time after each request.")
def credits_appear_after_rejection(server: PatchedServer) -> None:
    @responses.on_response(OperationId.CREATE_GENERATION, code="insufficientCredits").on(server)
    def grant(response: Response, context: RequestContext) -> Response:
        assert context.account
        loop = asyncio.get_running_loop()
        loop.call_later(_GRANT_SECONDS, server.hub.grant, context.account, 1)
        return response


@mutant(
    "LED-1",
    "An image is free while a task of another user is in progress.",
    generated="random_sequences",
)
@hooks.after_generation.with_server
def free_beside_task_of_other(
    server: PatchedServer, context: RequestContext, account: Account
) -> None:
    running = [each for each in server.hub.generations.values() if is_running(each)]
    if any(each.account != account.id and is_async(each) for each in running):
        server.adjust_balance(account, -context.current_credit_delta)


@mutant("LED-1", "The balance of /credits sinks only some seconds after the response.")
def charge_delayed(server: PatchedServer) -> None:
    owed: Counter[str] = Counter()

    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        account, before = creation.account, creation.account.balance
        generation = creation.proceed()
        spent = before - account.balance
        owed[account.id] += spent
        asyncio.get_running_loop().call_later(5, lambda: owed.subtract({account.id: spent}))
        return generation

    @responses.mutate_json(OperationId.GET_CREDITS, status=200).on(server)
    def mutate(content: Json, context: RequestContext) -> None:
        if context.account:
            content["credits"] += owed[context.account.id]


@mutant("LED-1", "Every third generation is charged twice.")
def every_third_charged_twice(server: PatchedServer) -> None:
    @at_every(3, hooks.after_generation).on(server)
    def charge(context: RequestContext, account: Account) -> None:
        server.adjust_balance(account, context.current_credit_delta)


@mutant("LED-1", "Every fifth generation is free.")
@at_every(5, hooks.after_generation).with_server
def every_fifth_free(server: PatchedServer, context: RequestContext, account: Account) -> None:
    server.adjust_balance(account, -context.current_credit_delta)


@mutant("LED-1", "Every generation of an account but the first costs one credit more.")
def later_generations_overcharged(server: PatchedServer) -> None:
    charged_before: set[str] = set()

    @hooks.replace_charge.on(server)
    def charge(credits: int, generation: Generation) -> int:
        surcharge = generation.account in charged_before
        charged_before.add(generation.account)
        return credits + surcharge


@Hook
def deduplicate(server: PatchedServer, key_of: Callable[[GenerationRequest], object]) -> None:
    """Return the earlier generation to a later request of an account with the same key, if any."""
    cache: dict[tuple[str, object], Generation] = {}

    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        if not (request_key := key_of(creation.request)):
            return creation.proceed()
        key, now = (creation.account.id, request_key), server.hub.clock.now()
        if key not in cache or now - cache[key].created_at > _CACHE_TIME:
            cache[key] = creation.proceed()
        return cache[key]


mutant_table("LED-1", deduplicate)(
    repeated_request_deduplicated=Row(
        "A request like a recent one returns its generation, free.",
        lambda request: None if request.run_async or request.references else request,
        level="inferred",
    ),
    repeated_form_deduplicated=Row(
        "A request with references like a recent one returns its generation, free.",
        lambda request: request if request.references else None,
        level="inferred",
    ),
    request_with_other_files_deduplicated=Row(
        "A request that differs from a recent one in its files only returns its generation, free.",
        lambda request: replace(request, references=()) if request.references else None,
    ),
    repeated_task_deduplicated=Row(
        "A task like a recent one returns its generation, free.",
        lambda request: request if request.run_async else None,
        level="inferred",
    ),
)
