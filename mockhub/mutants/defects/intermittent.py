"""Defects that come and go: every third time, after something else, or once there were many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.exceptions import ApiError
from mockhub.mutants.defects.async_polling import on_read
from mockhub.mutants.defects.images import on_images
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.responses import rate_limited, server_error
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.context import RequestContext


def every_nth(count: int) -> Callable[[], bool]:
    """A function that says yes every so many times."""
    request = 0

    def is_due() -> bool:
        nonlocal request
        request += 1
        return request % count == 0

    return is_due


@mutant("END-3", "Every third generation answers 500 and is charged.")
def every_third_generation_crashes(server: PatchedServer) -> None:
    third = every_nth(3)
    server.on_response(OperationId.CREATE_GENERATION, status=200)(
        lambda response, context: server_error() if third() else response
    )


@mutant("LED-1", "Every third generation is charged twice.")
def every_third_charged_twice(server: PatchedServer) -> None:
    third = every_nth(3)
    server.after_success(OperationId.CREATE_GENERATION)(
        lambda context, account: (
            third() and server.adjust_balance(account, context.current_credit_delta)
        )
    )


@mutant("LED-1", "Every fifth generation is free.")
def every_fifth_free(server: PatchedServer) -> None:
    fifth = every_nth(5)
    server.after_success(OperationId.CREATE_GENERATION)(
        lambda context, account: (
            fifth() and server.adjust_balance(account, -context.current_credit_delta)
        )
    )


@mutant("GEN-7", "In every third answer the balance is the one before the charge.")
def every_third_balance_stale(server: PatchedServer) -> None:
    third = every_nth(3)

    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        if third():
            content["balance"]["credits"] -= context.current_credit_delta


@mutant("GEN-2", "Every fourth answer has no balance.")
def every_fourth_without_balance(server: PatchedServer) -> None:
    fourth = every_nth(4)
    server.mutate_json(OperationId.CREATE_GENERATION, status=200)(
        lambda content, context: fourth() and content.pop("balance") and None
    )


@mutant("CRD-1", "Every third time, /credits shows what it showed the last time.")
def every_third_balance_read_stale(server: PatchedServer) -> None:
    third = every_nth(3)
    last: dict[str, int] = {}

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        assert context.account
        if third():
            content["credits"] = last.get(context.account.id, content["credits"])
        last[context.account.id] = content["credits"]


@mutant("ASY-6", "Every third poll shows a task as queued, whatever it was.")
def every_third_poll_queued(server: PatchedServer) -> None:
    third = every_nth(3)
    on_read(
        server,
        lambda content, generation, reads: (
            third() and content.update(status="queued", images=[]) or None
        ),
    )


@mutant("RET-1", "Every fourth read answers 404 for a generation that there is.")
def every_fourth_read_not_found(server: PatchedServer) -> None:
    fourth = every_nth(4)
    server.on_response(OperationId.GET_GENERATION, status=200)(
        lambda response, context: (
            responses.error_response(server.error("notFound")) if fourth() else response
        )
    )


@mutant("AUTH-3", "Every second request without a key is answered invalidApiKey.")
def every_second_missing_key_is_invalid_key(server: PatchedServer) -> None:
    second = every_nth(2)

    @server.mutate_json(code="missingApiKey")
    def rewrite(content: Any, context: RequestContext) -> None:
        if second():
            content["error"]["code"] = "invalidApiKey"


@mutant("RET-2", "Every third time, a stranger is shown another user's generation.")
def every_third_foreign_read_allowed(server: PatchedServer) -> None:
    third = every_nth(3)

    @wrap(server.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        generation = server.hub.generations.get(id)
        if generation and generation.account != account.id and third():
            account = server.hub.accounts[generation.account]
        return original(account, id)


@mutant("GEN-10", "Every third image leads nowhere.")
def every_third_image_not_found(server: PatchedServer) -> None:
    third = every_nth(3)
    on_images(
        server,
        lambda image, index: third() and image.update(url=image["url"].replace(".png", ".tif")),
    )


@mutant("LIM-2", "Every tenth authenticated request is answered 429.")
def every_tenth_request_is_429(server: PatchedServer) -> None:
    tenth = every_nth(10)
    server.on_response(
        OperationId.CREATE_GENERATION, OperationId.GET_GENERATION, OperationId.GET_CREDITS
    )(lambda response, context: rate_limited() if tenth() else response)


@mutant("LIM-2", "From the fifth generation within a minute on, the answer is 429.")
def too_many_generations_are_429(server: PatchedServer) -> None:
    counts: dict[str, int] = {}

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        if counts.get(account.id, 0) > 4:  # noqa: PLR2004
            return rate_limited()
        response = await call_next(context, account)
        counts[account.id] = counts.get(account.id, 0) + 1
        return response


def make_next_free_after(server: PatchedServer, code: str) -> None:
    """Charge nothing for the generation that follows a refusal with *code*."""
    owed: set[str] = set()

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        try:
            response = await call_next(context, account)
        except ApiError as error:
            if error.code == code:
                owed.add(account.id)
            raise
        if account.id in owed:
            owed.discard(account.id)
            server.adjust_balance(account, -context.current_credit_delta)
        return response


@mutant("LED-4", "After a 402 the account's next generation is not charged.")
def free_after_insufficient_credits(server: PatchedServer) -> None:
    make_next_free_after(server, "insufficientCredits")


@mutant("LED-2", "The generation after one that failed is not charged.")
def free_after_failure(server: PatchedServer) -> None:
    make_next_free_after(server, "generationFailed")


@mutant("LED-2", "The first failure of an account is refunded, the later ones are not.")
def second_failure_not_refunded(server: PatchedServer) -> None:
    refunded: set[str] = set()

    @server.on_ledger_entry("refund")
    def refund(entry: Any, account: Account, generation: Generation) -> Any:
        if generation.delivered or account.id not in refunded:
            refunded.add(account.id)
            return [entry]
        return ()


@mutant(
    "LED-1", "An account's first generation costs what it should, each later one a credit more."
)
def later_generations_overcharged(server: PatchedServer) -> None:
    charged_before: set[str] = set()

    @server.on_ledger_entry("charge")
    def charge(entry: Any, account: Account, generation: Generation) -> Any:
        surcharge = account.id in charged_before
        charged_before.add(account.id)
        return [replace(entry, credits=entry.credits - surcharge)]


@mutant("GEN-5", "The answer's ratio is that of the generation before.")
def ratio_of_previous_generation(server: PatchedServer) -> None:
    last: list[str] = []

    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        last.append(content["aspect_ratio"])
        content["aspect_ratio"] = last[0] if len(last) == 1 else last.pop(0)


@mutant("GEN-6", "usage.credits is what the account has spent so far.")
def usage_accumulates(server: PatchedServer) -> None:
    spent: dict[str, int] = {}

    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        assert context.account
        total = spent.get(context.account.id, 0) + content["usage"]["credits"]
        spent[context.account.id] = content["usage"]["credits"] = total


@mutant("REQ-5", "Every second time, n=5 is taken and gives four images.")
def every_second_n_5_accepted(server: PatchedServer) -> None:
    second = every_nth(2)

    @server.on_request_body
    def clamp(request: Any) -> None:
        if request.values.get("n") == 5 and second():  # noqa: PLR2004
            request.values["n"] = 4
