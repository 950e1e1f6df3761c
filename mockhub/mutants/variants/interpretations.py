"""Conforming variants with other ids, other times and other accounting."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from mockhub._timestamps import SECOND
from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.mutants.defects.async_polling import rename_status
from mockhub.mutants.hooks import hook, mutate_balances
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import variant, variant_table
from mockhub.mutants.responses import Json
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

_MONTH = 30 * 24 * 3600 * SECOND


@hook
def rewrite_ids(server: PatchedServer, rewrite: Callable[[str], str]) -> None:
    ids = server.hub.ids
    wrap(ids, "generation")(lambda original: rewrite(original()))
    wrap(ids, "image")(
        lambda original, generation_id, index: rewrite(original(generation_id, index))
    )


@hook
def replace_provider(server: PatchedServer, script: list[str]) -> None:
    server.hub.provider = Provider([parse_outcome(outcome) for outcome in script])


@hook
def show_reserved_credits(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Add the credits of some running generations to the balances that are returned."""

    @server.mutate_json(OperationId.GET_CREDITS, OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, context: RequestContext) -> None:
        if account := context.account:
            content.get("balance", content)["credits"] += sum(
                one.credits_requested
                for one in server.hub.generations.values()
                if one.account == account.id and not one.ended and matches(one)
            )


variant_table(rewrite_ids)(
    uuids=("Ids are UUIDs.", lambda id: str(uuid.uuid5(uuid.NAMESPACE_URL, id))),
    numeric_ids=("Ids are digits.", lambda id: str(int(id[-12:], 16))),
    long_ids=(
        "Ids are long, with capitals, dots, dashes and underscores.",
        lambda id: f"gen_01HV-{id.upper()}.{id[3:]}~v2",
    ),
)
variant_table(rename_status)(
    no_processing_status=("A task is queued until it ends.", ("processing", "queued")),
)
variant_table(replace_provider)(
    many_polls=("A task is processing for several polls.", ["polls=6"]),
    done_at_first_poll=("A task has ended when it is first polled.", []),
    slow_generations=(
        "A generation takes most of a second, be it synchronous or asynchronous.",
        ["duration=700ms"],
    ),
)
variant_table(show_reserved_credits, level="documented")(
    charged_at_start=(
        "A task is charged when its generation starts, not when it is submitted.",
        lambda generation: not generation.polls,
    ),
)
variant_table(mutate_balances, level="documented")(
    fractional_credits=(
        "Balances have fractions: every account has half a credit more.",
        lambda balance: balance.update(credits=balance["credits"] + 0.5),
    ),
)


@variant("A task is queued until it is charged and ends at the same time.", level="documented")
def charged_at_completion(server: PatchedServer) -> None:
    show_reserved_credits(lambda generation: True)(server)
    rename_status(("processing", "queued"))(server)


@variant("Every account has credits that expire in a month.")
def expiring_credits(server: PatchedServer) -> None:
    now = server.hub.clock.now()
    for account in server.hub.accounts.values():
        if credits := account.balance // 2:
            server.adjust_balance(account, -credits)
            server.hub.grant(account, credits, expires_at=now + _MONTH)


@variant("The account type is long and in lower case: `enterprise_annual`.")
def other_account_types(server: PatchedServer) -> None:
    for account in server.hub.accounts.values():
        account.account_type = "enterprise_annual"


@variant(
    "A balance that cannot pay for any image returns 402, whatever the body is.",
    level="documented",
)
def balance_checked_before_body(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        if account.balance < min(server.spec.catalog.models["gpt-image-2"].prices.values()):
            raise server.error("insufficientCredits")
        return await call_next(context, account)
