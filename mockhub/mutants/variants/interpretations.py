"""Conforming servers that read ids, time and money otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from mockhub._timestamps import SECOND
from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.mutants.defects.async_polling import on_read, rename_status
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import variant
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext

_MONTH = 30 * 24 * 3600 * SECOND


# -- ids -----------------------------------------------------------------------------------------


def rewrite_ids(server: PatchedServer, rewrite: Callable[[str], str]) -> None:
    """Make ids otherwise, out of ours."""
    ids = server.hub.ids
    wrap(ids, "generation")(lambda original: rewrite(original()))
    wrap(ids, "image")(
        lambda original, generation_id, index: rewrite(original(generation_id, index))
    )


@variant("Ids are UUIDs.")
def uuids(server: PatchedServer) -> None:
    rewrite_ids(server, lambda id: str(uuid.uuid5(uuid.NAMESPACE_URL, id)))


@variant("Ids are digits.")
def numeric_ids(server: PatchedServer) -> None:
    rewrite_ids(server, lambda id: str(int(id[-12:], 16)))


@variant("Ids are long, with capitals, dots, dashes and underscores.")
def long_ids(server: PatchedServer) -> None:
    rewrite_ids(server, lambda id: f"gen_01HV-{id.upper()}.{id[3:]}~v2")


# -- time ----------------------------------------------------------------------------------------


@variant("A task stays queued until it ends.")
def no_processing_status(server: PatchedServer) -> None:
    on_read(server, rename_status("processing", "queued"))


@variant("A task is processing for several polls.")
def many_polls(server: PatchedServer) -> None:
    server.hub.provider = Provider([parse_outcome("polls=6")])


@variant("A task has ended when it is first polled.")
def done_at_first_poll(server: PatchedServer) -> None:
    server.hub.provider = Provider()


@variant("A generation takes most of a second, whether it is waited for or polled.")
def slow_generations(server: PatchedServer) -> None:
    server.hub.provider = Provider([parse_outcome("duration=700ms")])


# -- money ---------------------------------------------------------------------------------------


def show_reserved_credits(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Tell what is reserved for some running generations as still there."""

    def reserved(account: str) -> int:
        unfinished = (
            generation for generation in server.hub.generations.values() if not generation.ended
        )
        return sum(
            made.credits_requested
            for made in unfinished
            if made.account == account and matches(made)
        )

    @server.mutate_json(OperationId.GET_CREDITS, OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        if context.account:
            content.get("balance", content)["credits"] += reserved(context.account.id)


@variant(
    "A task is charged when its generation starts, not when it is submitted.", level="documented"
)
def charged_at_start(server: PatchedServer) -> None:
    show_reserved_credits(server, lambda generation: not generation.polls)


@variant(
    "A task is queued until the moment at which it is charged, made and done.", level="documented"
)
def charged_at_completion(server: PatchedServer) -> None:
    show_reserved_credits(server, lambda generation: True)
    no_processing_status(server)


@variant(
    "A balance may have fractions: half a credit is left over from elsewhere.", level="documented"
)
def fractional_credits(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.GET_CREDITS, OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        balance = content.get("balance", content)
        balance["credits"] += 0.5


@variant("Everybody has credits that expire in a month.")
def expiring_credits(server: PatchedServer) -> None:
    now = server.hub.clock.now()
    for account in server.hub.accounts.values():
        if credits := account.balance // 2:
            server.adjust_balance(account, -credits)
            server.hub.grant(account, credits, expires_at=now + _MONTH)


@variant("Account types are small and long: `enterprise_annual`.")
def other_account_types(server: PatchedServer) -> None:
    for account in server.hub.accounts.values():
        account.account_type = "enterprise_annual"


@variant(
    "Who cannot pay for any image is answered 402, whatever the body says.", level="documented"
)
def balance_checked_before_body(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Any, context: RequestContext, account: Account) -> Any:
        if account.balance < min(server.spec.catalog.models["gpt-image-2"].prices.values()):
            raise server.error("insufficientCredits")
        return await call_next(context, account)
