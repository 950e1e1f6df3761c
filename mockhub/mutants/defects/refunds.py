"""Defects of what is given back: when the provider fails, and when it delivers too little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mockhub.domain.generations import Generation
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web import responses, serializers
from mockhub.web.context import RequestContext

RefundRule = Callable[[int, Generation], int]


def replace_refund(server: PatchedServer, amount: RefundRule) -> None:
    """Refund *credits*, a function of the right refund and the generation."""
    server.on_ledger_entry("refund")(
        lambda entry, account, generation: [
            replace(entry, credits=amount(entry.credits, generation))
        ]
    )


def has_failed(generation: Generation) -> bool:
    return not generation.delivered


@mutant("LED-2", "A generation that failed is not refunded.")
def failure_not_refunded(server: PatchedServer) -> None:
    replace_refund(server, lambda credits, generation: 0 if has_failed(generation) else credits)


@mutant("LED-2", "A synchronous generation that failed is not refunded; an asynchronous one is.")
def sync_failure_not_refunded(server: PatchedServer) -> None:
    replace_refund(
        server,
        lambda credits, generation: (
            0 if has_failed(generation) and not generation.request.run_async else credits
        ),
    )


@mutant("LED-2", "An asynchronous generation that failed is not refunded; a synchronous one is.")
def async_failure_not_refunded(server: PatchedServer) -> None:
    replace_refund(
        server,
        lambda credits, generation: (
            0 if has_failed(generation) and generation.request.run_async else credits
        ),
    )


@mutant("LED-2", "A failed generation gives half of its charge back.")
def failure_half_refunded(server: PatchedServer) -> None:
    replace_refund(
        server, lambda credits, generation: credits // 2 if has_failed(generation) else credits
    )


@mutant("LED-2", "A failed generation gives its charge back but for a credit.")
def failure_fee(server: PatchedServer) -> None:
    replace_refund(
        server, lambda credits, generation: credits - 1 if has_failed(generation) else credits
    )


@mutant("LED-2", "A failed generation gives twice its charge back.")
def failure_refunded_twice(server: PatchedServer) -> None:
    replace_refund(
        server, lambda credits, generation: 2 * credits if has_failed(generation) else credits
    )


@mutant("LED-2", "A failed generation of several images gives the price of one back.")
def failure_refunds_one_image(server: PatchedServer) -> None:
    replace_refund(
        server,
        lambda credits, generation: (
            generation.quote.credits_per_image if has_failed(generation) else credits
        ),
    )


@mutant("LED-2", "A failed generation's charge goes to somebody else's account.")
def failure_refunded_to_other_account(server: PatchedServer) -> None:
    @server.on_ledger_entry("refund")
    def refund(entry: Any, account: Any, generation: Generation) -> Any:
        if has_failed(generation):
            server.adjust_balance(server.other_account(account), entry.credits)
            return ()
        return [entry]


@mutant("LED-2", "Each read of a failed task refunds it once more.")
def failure_refunded_at_every_read(server: PatchedServer) -> None:
    @wrap(server.hub, "get_generation")
    def read(original: Any, account: Any, id: str) -> Any:
        generation = server.hub.generations.get(id)
        found = original(account, id)
        if generation and generation.status == "failed":
            server.adjust_balance(account, generation.credits_requested)
        return found


@mutant("LED-2", "A failed generation is refunded when the account's next one is made, not before.")
def failure_refunded_late(server: PatchedServer) -> None:
    owed: dict[str, int] = {}

    @server.on_ledger_entry("refund")
    def refund(entry: Any, account: Any, generation: Generation) -> Any:
        owed[account.id] = owed.get(account.id, 0) + entry.credits
        return ()

    @wrap(server.hub, "create_generation")
    def create(original: Any, account: Any, *rest: Any) -> Any:
        due = owed.pop(account.id, 0)
        generation = original(account, *rest)
        if due:
            server.adjust_balance(account, due)
        return generation


@mutant("LED-2", "A failed task is refunded, and its usage still names the whole price.")
def failure_usage_not_zero(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.GET_GENERATION)
    def rewrite(content: Any, context: RequestContext) -> None:
        if content.get("status") == "failed":
            generation = server.hub.generations[content["id"]]
            content["usage"]["credits"] = generation.credits_requested


@mutant(
    "LED-3",
    "Fewer images than asked for cost as much as all, while usage names the delivered ones.",
)
def missing_images_not_refunded(server: PatchedServer) -> None:
    replace_refund(server, lambda credits, generation: credits if has_failed(generation) else 0)


@mutant("LED-3", "An asynchronous generation of fewer images than asked for costs as much as all.")
def async_missing_images_not_refunded(server: PatchedServer) -> None:
    replace_refund(
        server,
        lambda credits, generation: (
            0 if generation.delivered and generation.request.run_async else credits
        ),
    )


@mutant("LED-3", "Images that are missing are refunded twice.")
def missing_images_refunded_twice(server: PatchedServer) -> None:
    replace_refund(
        server, lambda credits, generation: credits if has_failed(generation) else 2 * credits
    )


@mutant(
    "LED-3", "If an image is missing everything is refunded, while usage names the delivered ones."
)
def missing_images_refund_all(server: PatchedServer) -> None:
    replace_refund(server, lambda credits, generation: generation.credits_requested)


@mutant(
    "LED-3", "Missing images are refunded, and usage names the price of all that were asked for."
)
def missing_images_counted_in_usage(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        generation = server.hub.generations[content["id"]]
        if 0 < generation.delivered < generation.request.n:
            content["usage"]["credits"] = generation.credits_requested


@mutant("LED-3", "If an image is missing the whole generation fails, and is refunded.")
def missing_images_fail_all(server: PatchedServer) -> None:
    @wrap(server.hub, "start_generation")
    def begin(
        original: Any, account: Any, request: Any, quote: Any, outcome: Any, *rest: Any
    ) -> Any:
        incomplete = outcome.deliver is not None and outcome.deliver < request.n
        return original(
            account, request, quote, outcome._replace(fail=outcome.fail or incomplete), *rest
        )


@mutant(
    "LED-3",
    "Missing images are made up for by the first one again, with the usage of the delivered.",
)
def missing_images_padded(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        requested = server.hub.generations[content["id"]].request.n
        images = content["images"]
        content["images"] = images + images[:1] * (requested - len(images)) if images else images


@mutant("LED-3", "The balance beside fewer images than asked for is the one before their refund.")
def missing_images_balance_before_refund(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        generation = server.hub.generations[content["id"]]
        content["balance"]["credits"] -= generation.credits_requested - generation.credits


@mutant("ERR-6", "A synchronous generation that failed answers 200, succeeded, with no images.")
def failure_reported_as_empty_success(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="generationFailed")
    def rewrite(response: Any, context: RequestContext) -> Any:
        generation = server.hub.generations[context.generation or ""]
        links = server.api.links(server.hub.name)
        assert context.account
        return responses.json_response(
            200, serializers.generation_result(generation, context.account, server.hub, links)
        )


def refund_at_lowest_price(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Refund missing images at the price of 1K where *wanted*, whatever they cost."""
    lowest = min(server.model["credits_per_image"].values())
    replace_refund(
        server,
        lambda credits, generation: (
            lowest * (generation.request.n - generation.delivered)
            if matches(generation)
            else credits
        ),
    )


@mutant("LED-2", "A failed generation is refunded at the price of 1K, whatever its tier.")
def failure_refunded_as_1k(server: PatchedServer) -> None:
    refund_at_lowest_price(server, has_failed)


@mutant("LED-3", "Missing images are refunded at the price of 1K, whatever their tier.")
def missing_images_refunded_as_1k(server: PatchedServer) -> None:
    refund_at_lowest_price(server, lambda generation: not has_failed(generation))


@mutant("LED-3", "A task's missing images are refunded, and its usage names the price of all.")
def async_missing_images_counted_in_usage(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.GET_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        generation = server.hub.generations[content["id"]]
        if generation.request.run_async and 0 < generation.delivered < generation.request.n:
            content["usage"]["credits"] = generation.credits_requested


@mutant("ERR-6", "A synchronous generation that failed answers 200 with status failed.")
def failure_is_200(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="generationFailed")
    def rewrite(response: Any, context: RequestContext) -> Any:
        generation = server.hub.generations[context.generation or ""]
        links = server.api.links(server.hub.name)
        return responses.json_response(
            200,
            serializers.generation_log(generation, server.hub, links, now=server.hub.clock.now()),
        )
