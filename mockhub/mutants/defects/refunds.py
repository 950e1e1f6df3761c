"""Mutants of failed generations and missing images (LED-2, LED-3, ERR-6)."""

from __future__ import annotations

import asyncio
from collections import Counter

from mockhub.domain.provider import Provider, parse_outcome
from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import compute, computed, constant, only_if, plus, times, within
from mockhub.mutants.hook import when
from mockhub.mutants.matching import (
    all_of,
    credits_per_image,
    credits_requested,
    has_count,
    has_failed,
    has_references,
    is_async,
    is_paid_by,
    is_sync,
    lacks_images,
)
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import send_body
from mockhub.mutants.types import Account, Generation, Json, RequestContext, Response
from mockhub.spec.operations import OperationId
from mockhub.web import serializers
from mockhub.web.responses import json_response

_REFUND_SECONDS = 0.1  # after the response


def nothing_delivered(generation: Generation) -> bool:
    return generation.delivered == 0


def some_delivered(generation: Generation) -> bool:
    return generation.delivered > 0


usage_of_all = within("usage", compute(credits=credits_requested))
replace_failure_refund = when(nothing_delivered, hooks.replace_refund)
replace_partial_refund = when(some_delivered, hooks.replace_refund)

mutant_table("LED-2", replace_failure_refund)(
    failure_not_refunded=Row("A failed generation is not refunded.", constant(0)),
    sync_failure_not_refunded=Row(
        "A failed synchronous generation is not refunded.", only_if(is_sync, constant(0))
    ),
    async_failure_not_refunded=Row(
        "A failed task is not refunded.", only_if(is_async, constant(0))
    ),
    failure_half_refunded=Row(
        "Half of a failed generation is refunded.", lambda credits, generation: credits // 2
    ),
    failure_fee=Row("A failed generation is refunded except for one credit.", plus(-1)),
    failure_refunded_twice=Row("Twice the price of a failed generation is refunded.", times(2)),
    failure_refunds_one_image=Row(
        "Of a failed generation, the price of one image is refunded.", computed(credits_per_image)
    ),
    form_failure_not_refunded=Row(
        "A failed generation with a reference is not refunded.",
        only_if(has_references, constant(0)),
    ),
    failed_task_of_three_not_refunded=Row(
        "A failed task of three images is not refunded.",
        only_if(all_of(is_async, has_count(3)), constant(0)),
    ),
    failure_of_four_refunded_twice=Row(
        "A failed synchronous generation of four images is refunded twice.",
        only_if(all_of(is_sync, has_count(4)), times(2)),
    ),
    failure_of_other_not_refunded=Row(
        "A failed generation of the account `other` is not refunded.",
        only_if(is_paid_by("other"), constant(0)),
    ),
)


@mutant("LED-2", "A failed generation is refunded at the price of 1K, whatever its tier is.")
@replace_failure_refund.with_server
def failure_refunded_as_1k(server: PatchedServer, credits: int, generation: Generation) -> int:
    return server.prices["1K"] * generation.request.n


@mutant("LED-2", "A failed generation is refunded to another account.")
@replace_failure_refund.with_server
def failure_refunded_to_other_account(
    server: PatchedServer, credits: int, generation: Generation
) -> int:
    server.adjust_balance(server.other_account(generation.account), credits)
    return 0


@mutant("LED-2", "A failed generation is refunded to the account that sent the last request.")
def failure_refunded_to_last_account(server: PatchedServer) -> None:
    server.hub.provider = Provider([parse_outcome("duration=20ms")])
    last_accounts: list[Account] = []

    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        last_accounts.append(creation.account)
        return creation.proceed()

    @replace_failure_refund.on(server)
    def refund(credits: int, generation: Generation) -> int:
        if last_accounts[-1].id == generation.account:
            return credits
        server.adjust_balance(last_accounts[-1], credits)
        return 0


@mutant("LED-2", "A failed generation is not refunded if it took the last credits.")
@replace_failure_refund.with_server
def failure_at_zero_not_refunded(
    server: PatchedServer, credits: int, generation: Generation
) -> int:
    return credits if server.hub.accounts[generation.account].balance else 0


@mutant("LED-2", "Each read of a failed task refunds it again.")
def failure_refunded_at_every_read(server: PatchedServer) -> None:
    @hooks.after_success(OperationId.GET_GENERATION).on(server)
    def refund(context: RequestContext, account: Account) -> None:
        generation = responses.generation_of(context)
        if has_failed(generation):
            server.adjust_balance(account, generation.credits_requested)


@mutant("LED-2", "A failed generation is refunded only when the account creates the next one.")
def failure_refunded_late(server: PatchedServer) -> None:
    owed: Counter[str] = Counter()

    @hooks.replace_refund.on(server)
    def refund(credits: int, generation: Generation) -> int:
        owed[generation.account] += credits
        return 0

    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        due = owed.pop(creation.account.id, 0)
        generation = creation.proceed()
        if due:
            server.adjust_balance(creation.account, due)
        return generation


@mutant("LED-2", "A failed task is refunded only when it is polled.")
def failure_refunded_when_polled(server: PatchedServer) -> None:
    server.hub.provider = Provider([parse_outcome("duration=20ms")])  # also if it is not polled
    owed: Counter[str] = Counter()

    @replace_failure_refund.on(server)
    def refund(credits: int, generation: Generation) -> int:
        if is_sync(generation):
            return credits
        owed[generation.id] = credits
        return 0

    @hooks.after_success(OperationId.GET_GENERATION).on(server)
    def refund_polled(context: RequestContext, account: Account) -> None:
        server.adjust_balance(account, owed.pop(responses.generation_of(context).id, 0))


mutant_table("LED-2", when(has_failed, responses.mutate_log))(
    failure_usage_not_zero=Row("A failed task is refunded; its usage is the price.", usage_of_all)
)


@mutant("LED-2", "Only the first failure of an account is refunded.")
def second_failure_not_refunded(server: PatchedServer) -> None:
    refunded: set[str] = set()

    @hooks.replace_refund.on(server)
    def refund(credits: int, generation: Generation) -> int:
        if not generation.delivered and generation.account in refunded:
            return 0
        refunded.add(generation.account)
        return credits


@mutant("LED-2", "A refund sets the balance of before the request and undoes charges in between.")
@hooks.wrap_generate.with_server
async def refund_overwrites_concurrent_charges(server: PatchedServer, call: hooks.Call) -> Response:
    balance_read = call.account.balance
    await asyncio.sleep(0.05)
    try:
        return await call.proceed()
    except Exception:
        if call.account.balance < balance_read:
            server.adjust_balance(call.account, balance_read - call.account.balance)
        raise


@mutant("LED-2", "A poll that is concurrent with the one that ends a failed task refunds it again.")
@hooks.on_concurrent_end.with_server
def concurrent_polls_refund_again(
    server: PatchedServer, account: Account, generation: Generation
) -> None:
    if has_failed(generation):
        server.adjust_balance(account, generation.credits_requested)


@mutant("LED-2", "A refund follows the response, and undoes a charge that is made before it.")
@replace_failure_refund.with_server
def refund_undoes_next_charge(server: PatchedServer, credits: int, generation: Generation) -> int:
    account = server.hub.accounts[generation.account]
    charged = account.balance

    def restore() -> None:
        undone = max(0, charged - account.balance)
        server.adjust_balance(account, credits + undone)

    asyncio.get_running_loop().call_later(_REFUND_SECONDS, restore)
    return 0


mutant_table("LED-2", hooks.free_after_error)(
    free_after_failure=Row("The generation after a failed one is free.", "generationFailed")
)
mutant_table("LED-3", replace_partial_refund)(
    missing_images_not_refunded=Row("Missing images are not refunded.", constant(0)),
    async_missing_images_not_refunded=Row(
        "Missing images of a task are not refunded.", only_if(is_async, constant(0))
    ),
    missing_images_of_form_task_not_refunded=Row(
        "Missing images of a task with references are not refunded.",
        only_if(all_of(is_async, has_references), constant(0)),
    ),
    missing_images_refunded_twice=Row("Missing images are refunded twice.", times(2)),
    missing_images_refund_all=Row(
        "If an image is missing, all are refunded.", computed(credits_requested)
    ),
)


@mutant("LED-3", "Missing images of a response are refunded at the price of 1K.")
def missing_images_of_sync_refunded_as_1k(server: PatchedServer) -> None:
    @when(is_sync, replace_partial_refund).on(server)
    def refund(credits: int, generation: Generation) -> int:
        return server.prices["1K"] * (generation.request.n - generation.delivered)


mutant_table("LED-3", when(lacks_images, responses.mutate_generation))(
    missing_images_counted_in_usage=Row("Missing images are counted in the usage.", usage_of_all),
    async_missing_images_counted_in_usage=Row(
        "Missing images of a task are counted in its usage.", only_if(is_async, usage_of_all)
    ),
    missing_images_padded=Row(
        "The first image is repeated in place of missing ones, with the usage of the delivered.",
        lambda content, generation: content["images"].extend(
            content["images"][:1] * (generation.request.n - generation.delivered)
        ),
    ),
)


@mutant("LED-3", "A refund of missing images of a task undoes what was charged meanwhile.")
def partial_refund_undoes_charges(server: PatchedServer) -> None:
    after_charge: dict[str, int] = {}

    @hooks.wrap_creation.on(server)
    def create(creation: hooks.Creation) -> Generation:
        generation = creation.proceed()
        after_charge[generation.id] = creation.account.balance
        return generation

    @when(is_async, replace_partial_refund).on(server)
    def refund(credits: int, generation: Generation) -> int:
        balance = server.hub.accounts[generation.account].balance
        return credits + max(0, after_charge[generation.id] - balance)


@mutant("LED-3", "A poll that is concurrent with the end of a task refunds missing images again.")
@hooks.on_concurrent_end.with_server
def concurrent_polls_refund_missing_images_again(
    server: PatchedServer, account: Account, generation: Generation
) -> None:
    if lacks_images(generation):
        server.adjust_balance(account, generation.credits_requested - generation.credits)


@mutant("LED-3", "If an image is missing, the whole generation fails and is refunded.")
@hooks.on_start
def missing_images_fail_all(start: hooks.Start) -> hooks.Start:
    missing = start.outcome.deliver is not None and start.outcome.deliver < start.request.n
    return start._replace(outcome=start.outcome._replace(fail=True)) if missing else start


@mutant("LED-3", "If images are missing, the balance of the response is the one before the refund.")
@responses.mutate_result
def missing_images_balance_before_refund(content: Json, generation: Generation) -> None:
    content["balance"]["credits"] -= generation.credits_requested - generation.credits


provider_error = responses.custom_error(500, "providerError", "Image generation failed")
on_failure = responses.on_response(OperationId.CREATE_GENERATION, code="generationFailed")

mutant_table("ERR-6", responses.change_error("generationFailed"))(
    failure_is_502=Row("A failed generation returns 502.", 502),
    failure_is_503=Row("A failed generation returns 503.", 503),
    failure_is_400=Row("A failed generation returns 400.", 400),
    failure_is_422=Row("A failed generation returns 422.", 422),
    failure_coded_internal_error=Row("generationFailed is `internalError`.", "internalError"),
    failure_coded_provider_error=Row("generationFailed is `providerError`.", "providerError"),
)
mutant_table("ERR-6", on_failure)(
    failure_of_other_tier_has_other_code=Row(
        "A failed generation of 2K or 4K returns the code `providerError`.",
        lambda response, context: (
            response if responses.generation_of(context).quote.tier == "1K" else provider_error
        ),
    ),
    failure_of_one_account_has_other_code=Row(
        "A failed generation of one account returns `providerError`.",
        lambda response, context: (
            provider_error if is_paid_by("low")(responses.generation_of(context)) else response
        ),
    ),
    failure_is_html=Row(
        "A failed generation returns HTML.",
        send_body(b"<h1>Internal Server Error</h1>", "text/html"),
    ),
)


@mutant("ERR-6", "A failed synchronous generation returns 200, succeeded, without images.")
def failure_reported_as_empty_success(server: PatchedServer) -> None:
    @on_failure.on(server)
    def replace_error(response: Response, context: RequestContext) -> Response:
        assert context.account
        links, generation = server.api.links(server.hub.name), responses.generation_of(context)
        content = serializers.generation_result(generation, context.account, server.hub, links)
        return json_response(200, content)


@mutant("ERR-6", "A failed synchronous generation returns 200 with status failed.")
def failure_is_200(server: PatchedServer) -> None:
    on_failure(
        lambda response, context: json_response(
            200, server.log_json(responses.generation_of(context))
        )
    )(server)
