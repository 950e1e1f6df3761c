"""Conforming variants with other ids, other times and other accounting."""

from __future__ import annotations

import uuid
from codecs import BOM_UTF8
from collections.abc import Callable

from mockhub._timestamps import SECOND
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.mutants import fields, hooks, responses
from mockhub.mutants.changes import constant, edit, remove, within
from mockhub.mutants.defects.async_polling import rename_status
from mockhub.mutants.defects.body_parsing import rewrite_body
from mockhub.mutants.hook import Hook
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, variant, variant_table
from mockhub.mutants.types import Generation, Json, RequestContext, Response
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import JSON, OperationId

_MONTH = 30 * 24 * 3600 * SECOND


@Hook
def rewrite_ids(server: PatchedServer, rewrite: Callable[[str], str]) -> None:
    wrap(server.hub.ids, "generation")(lambda original: rewrite(original()))
    responses.mutate_images(edit("id", rewrite))(server)


@variant("A read generation has its images in another order than the response.", level="documented")
@responses.mutate_log
def images_read_in_reverse(content: Json, generation: Generation) -> None:
    content["images"].reverse()


@Hook
def replace_provider(server: PatchedServer, script: list[str]) -> None:
    server.hub.provider = Provider([parse_outcome(outcome) for outcome in script])


@Hook
def show_reserved_credits(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Add the credits of some running generations to the balances that are returned."""

    @responses.mutate_json(OperationId.GET_CREDITS, OperationId.CREATE_GENERATION, status=200).on(
        server
    )
    def mutate(content: Json, context: RequestContext) -> None:
        if account := context.account:
            content.get("balance", content)["credits"] += sum(
                generation.credits_requested
                for generation in server.hub.generations.values()
                if generation.account == account.id and not generation.ended and matches(generation)
            )


variant_table(rewrite_ids)(
    uuids=Row("Ids are UUIDs.", lambda id: str(uuid.uuid5(uuid.NAMESPACE_URL, id))),
    numeric_ids=Row("Ids are digits.", lambda id: str(uuid.uuid5(uuid.NAMESPACE_URL, id).int)),
    long_ids=Row(
        "Ids are long, with punctuation.", lambda id: f"gen_01HV-{id.upper()}.{id[3:]}~v2"
    ),
)
variant_table(rename_status)(
    no_processing_status=Row("A task is queued until it ends.", ("processing", "queued"))
)
variant_table(replace_provider)(
    many_polls=Row("A task is processing for several polls.", ["polls=6"]),
    done_at_first_poll=Row("A task has ended when it is first polled.", []),
    slow_generations=Row("A generation takes most of a second.", ["duration=700ms"]),
)
variant_table(show_reserved_credits, level="documented")(
    charged_at_start=Row(
        "A task is charged when it starts, not when it is submitted.",
        lambda generation: not generation.polls,
    ),
    charged_after_processing_began=Row(
        "A task is processing for a moment before it is charged.",
        lambda generation: generation.polls <= 1,
    ),
)
variant_table(responses.mutate_balances, level="documented")(
    fractional_credits=Row(
        "Every account has half a credit more.", edit("credits", lambda credits: credits + 0.5)
    )
)


variant_table(rewrite_body)(
    byte_order_mark_rejected=Row(
        "JSON with a byte order mark is rejected.",
        lambda body, headers: b"" if body.startswith(BOM_UTF8) else body,
    )
)


@variant("In JSON, null is accepted as a missing field.")
@fields.mutate_values(JSON)
def nulls_accepted(values: Json) -> None:
    for name in [name for name, value in values.items() if value is None]:
        del values[name]


@variant("A task is queued until it is charged and ends at the same time.", level="documented")
def charged_at_completion(server: PatchedServer) -> None:
    show_reserved_credits(constant(True))(server)
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


@variant("A balance below any price returns 402, whatever the body is.", level="documented")
@hooks.wrap_generate.with_server
async def balance_checked_before_body(server: PatchedServer, call: hooks.Call) -> Response:
    if call.account.balance < min(server.prices.values()):
        raise server.error("insufficientCredits")
    return await call.proceed()


@variant("Texts are trimmed, and an empty one counts as none.", level="documented")
@fields.mutate_values()
def texts_are_trimmed(values: Json) -> None:
    texts = {name: value.strip() for name, value in values.items() if isinstance(value, str)}
    values.update(texts)
    for name in [name for name, text in texts.items() if not text]:
        del values[name]


variant_table(responses.mutate_log, level="documented")(
    log_without_credits_requested=Row(
        "The usage of a running task that is read has no credits_requested.",
        within("usage", remove("credits_requested")),
    )
)
