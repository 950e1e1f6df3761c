"""Mutants of failed generations and missing images (LED-2, LED-3, ERR-6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.ledger import Entry
from mockhub.domain.provider import Outcome
from mockhub.mutants.hooks import change_error, free_after_error, hook, on_response, replace_refund
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json, generation_of, with_body
from mockhub.mutants.wrapping import wrap
from mockhub.spec.catalog import Quote
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.web import serializers
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response, json_response

RefundRule = Callable[[int, Generation], int]


@hook
def replace_failure_refund(server: PatchedServer, change: RefundRule) -> None:
    """Refund other credits of a failed generation than its price."""
    replace_refund(
        lambda credits, generation: credits if generation.delivered else change(credits, generation)
    )(server)


@hook
def replace_partial_refund(server: PatchedServer, change: RefundRule) -> None:
    """Refund other credits of a generation with missing images than their price."""
    replace_refund(
        lambda credits, generation: change(credits, generation) if generation.delivered else credits
    )(server)


# -- failed generations --------------------------------------------------------------------------

mutant_table("LED-2", replace_failure_refund)(
    failure_not_refunded=("A failed generation is not refunded.", lambda credits, generation: 0),
    sync_failure_not_refunded=(
        "A failed synchronous generation is not refunded; an asynchronous one is.",
        lambda credits, generation: credits if generation.request.run_async else 0,
    ),
    async_failure_not_refunded=(
        "A failed asynchronous generation is not refunded; a synchronous one is.",
        lambda credits, generation: 0 if generation.request.run_async else credits,
    ),
    failure_half_refunded=(
        "Half the price of a failed generation is refunded.",
        lambda credits, generation: credits // 2,
    ),
    failure_fee=(
        "A failed generation is refunded except for one credit.",
        lambda credits, generation: credits - 1,
    ),
    failure_refunded_twice=(
        "Twice the price of a failed generation is refunded.",
        lambda credits, generation: 2 * credits,
    ),
    failure_refunds_one_image=(
        "The price of one image of a failed generation is refunded, whatever n is.",
        lambda credits, generation: generation.quote.credits_per_image,
    ),
)


@mutant("LED-2", "A failed generation is refunded at the price of 1K, whatever its tier is.")
def failure_refunded_as_1k(server: PatchedServer) -> None:
    lowest = min(server.model["credits_per_image"].values())
    replace_failure_refund(lambda credits, generation: lowest * generation.request.n)(server)


@mutant("LED-2", "A failed generation is refunded to another account.")
def failure_refunded_to_other_account(server: PatchedServer) -> None:
    @server.on_ledger_entry("refund")
    def refund(entry: Entry, account: Account, generation: Generation) -> Iterable[Entry]:
        if generation.delivered:
            return [entry]
        return server.adjust_balance(server.other_account(account), entry.credits)


@mutant("LED-2", "Each read of a failed task refunds it again.")
def failure_refunded_at_every_read(server: PatchedServer) -> None:
    @server.after_success(OperationId.GET_GENERATION)
    def refund(context: RequestContext, account: Account) -> None:
        generation = generation_of(context)
        if generation.status == "failed":
            server.adjust_balance(account, generation.credits_requested)


@mutant("LED-2", "A failed generation is refunded only when the account creates the next one.")
def failure_refunded_late(server: PatchedServer) -> None:
    owed: dict[str, int] = {}

    @server.on_ledger_entry("refund")
    def refund(entry: Entry, account: Account, generation: Generation) -> Iterable[Entry]:
        owed[account.id] = owed.get(account.id, 0) + entry.credits
        return ()

    @wrap(server.hub, "create_generation")
    def create(original: Callable[..., Generation], account: Account, *rest: object) -> Generation:
        due = owed.pop(account.id, 0)
        generation = original(account, *rest)
        if due:
            server.adjust_balance(account, due)
        return generation


@mutant("LED-2", "A failed task is refunded, and its usage is still the whole price.")
def failure_usage_not_zero(server: PatchedServer) -> None:
    @server.mutate_generation(OperationId.GET_GENERATION)
    def mutate(content: Json, generation: Generation) -> None:
        if generation.status == "failed":
            content["usage"]["credits"] = generation.credits_requested


@mutant("LED-2", "Only the first failure of an account is refunded.")
def second_failure_not_refunded(server: PatchedServer) -> None:
    refunded: set[str] = set()

    @server.on_ledger_entry("refund")
    def refund(entry: Entry, account: Account, generation: Generation) -> Iterable[Entry]:
        if not generation.delivered and account.id in refunded:
            return ()
        refunded.add(account.id)
        return [entry]


@mutant("LED-2", "A refund sets the balance of before the request and undoes charges in between.")
def refund_overwrites_concurrent_charges(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        balance_read = account.balance
        await asyncio.sleep(0.05)
        try:
            return await call_next(context, account)
        except Exception:
            if account.balance < balance_read:
                server.adjust_balance(account, balance_read - account.balance)
            raise


mutant_table("LED-2", free_after_error)(
    free_after_failure=("The generation after a failed one is free.", "generationFailed"),
)

# -- missing images ------------------------------------------------------------------------------

mutant_table("LED-3", replace_partial_refund)(
    missing_images_not_refunded=(
        "Missing images are not refunded, while the usage counts the delivered ones.",
        lambda credits, generation: 0,
    ),
    async_missing_images_not_refunded=(
        "Missing images of an asynchronous generation are not refunded.",
        lambda credits, generation: 0 if generation.request.run_async else credits,
    ),
    missing_images_refunded_twice=(
        "Missing images are refunded twice.",
        lambda credits, generation: 2 * credits,
    ),
    missing_images_refund_all=(
        "If an image is missing, all are refunded, while the usage counts the delivered ones.",
        lambda credits, generation: generation.credits_requested,
    ),
)


@mutant("LED-3", "Missing images are refunded at the price of 1K, whatever their tier is.")
def missing_images_refunded_as_1k(server: PatchedServer) -> None:
    lowest = min(server.model["credits_per_image"].values())
    replace_partial_refund(
        lambda credits, generation: lowest * (generation.request.n - generation.delivered)
    )(server)


@hook
def mutate_partial(server: PatchedServer, change: Callable[[Json, Generation], object]) -> None:
    """Change the JSON of finished generations with missing images, in responses and logs."""

    @server.mutate_generation(status=200)
    def mutate(content: Json, generation: Generation) -> None:
        if 0 < generation.delivered < generation.request.n:
            change(content, generation)


mutant_table("LED-3", mutate_partial)(
    missing_images_counted_in_usage=(
        "Missing images are refunded, and the usage is the price of all.",
        lambda content, generation: content["usage"].update(credits=generation.credits_requested),
    ),
    async_missing_images_counted_in_usage=(
        "Missing images of a task are refunded, and its usage is the price of all.",
        lambda content, generation: content["usage"].update(
            credits=generation.credits_requested
            if generation.request.run_async
            else generation.credits
        ),
    ),
    missing_images_padded=(
        "The first image is repeated in place of missing ones, with the usage of the delivered.",
        lambda content, generation: content["images"].extend(
            content["images"][:1] * (generation.request.n - generation.delivered)
        ),
    ),
)


@mutant("LED-3", "If an image is missing, the whole generation fails and is refunded.")
def missing_images_fail_all(server: PatchedServer) -> None:
    @wrap(server.hub, "start_generation")
    def start(
        original: Callable[..., Generation],
        account: Account,
        request: GenerationRequest,
        quote: Quote,
        outcome: Outcome,
        *rest: object,
    ) -> Generation:
        if outcome.deliver is not None and outcome.deliver < request.n:
            outcome = outcome._replace(fail=True)
        return original(account, request, quote, outcome, *rest)


@mutant("LED-3", "If images are missing, the balance of the response is the one before the refund.")
def missing_images_balance_before_refund(server: PatchedServer) -> None:
    @server.mutate_generation(OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        content["balance"]["credits"] -= generation.credits_requested - generation.credits


# -- the response to a failed generation ---------------------------------------------------------

on_failure = on_response(OperationId.CREATE_GENERATION, code="generationFailed")

mutant_table("ERR-6", change_error("generationFailed"))(
    failure_is_502=("A failed generation returns 502.", (502, "generationFailed")),
    failure_is_503=("A failed generation returns 503.", (503, "generationFailed")),
    failure_is_400=("A failed generation returns 400.", (400, "generationFailed")),
    failure_is_422=("A failed generation returns 422.", (422, "generationFailed")),
    failure_coded_internal_error=(
        "The code generationFailed is `internalError`.",
        (500, "internalError"),
    ),
    failure_coded_provider_error=(
        "The code generationFailed is `providerError`.",
        (500, "providerError"),
    ),
)
mutant_table("ERR-6", on_failure)(
    failure_is_html=(
        "A failed generation returns 500 with an HTML page.",
        lambda response, context: with_body(
            response, b"<h1>Internal Server Error</h1>", "text/html"
        ),
    ),
)


@mutant(
    "ERR-6", "A failed synchronous generation returns 200 with status succeeded, without images."
)
def failure_reported_as_empty_success(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="generationFailed")
    def replace_error(response: Response, context: RequestContext) -> Response:
        assert context.account
        links = server.api.links(server.hub.name)
        content = serializers.generation_result(
            generation_of(context), context.account, server.hub, links
        )
        return json_response(200, content)


@mutant("ERR-6", "A failed synchronous generation returns 200 with status failed.")
def failure_is_200(server: PatchedServer) -> None:
    on_failure(
        lambda response, context: json_response(200, server.log_json(generation_of(context)))
    )(server)
