"""Mutants of the balance (CRD-1 to CRD-4)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from mockhub._timestamps import SECOND, format_timestamp
from mockhub.exceptions import ApiError
from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import edit, only_if, remove, rename, update, within
from mockhub.mutants.hook import Hook, every
from mockhub.mutants.matching import has_failed, has_references, is_async
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import Account, Generation, Json, RequestContext, Response
from mockhub.spec.operations import OperationId

_SMALL_BALANCE = 10_000
_CACHE_TIME = 1_000  # milliseconds

mutate_credits = responses.mutate_json(OperationId.GET_CREDITS, status=200)


@mutate_credits.adapted
def replace_credits(
    change: Callable[[int, str], int], content: Json, context: RequestContext
) -> None:
    """Replace the credits of /credits, given the id of the account."""
    assert context.account
    content["credits"] = change(content["credits"], context.account.id)


@mutant("CRD-1", "/credits returns the balance that an account had at its first request of it.")
def stale_balance(server: PatchedServer) -> None:
    first: dict[str, int] = {}
    replace_credits(lambda credits, account: first.setdefault(account, credits))(server)


mutant_table("CRD-1", responses.mutate_result)(
    account_type_of_forms_differs=Row(
        "The response to a form with files has another account_type than /credits.",
        only_if(has_references, within("balance", update(account_type="free"))),
    )
)


@mutant("CRD-1", "/credits returns the balance of the request before.")
def balance_one_read_behind(server: PatchedServer) -> None:
    last: dict[str, int] = {}

    @replace_credits.on(server)
    def change(credits: int, account: str) -> int:
        previous, last[account] = last.get(account, credits), credits
        return previous


@mutant("CRD-1", "Every third response of /credits has the balance of the one before.")
def every_third_balance_read_stale(server: PatchedServer) -> None:
    third = every(3)
    last: dict[str, int] = {}

    @replace_credits.on(server)
    def change(credits: int, account: str) -> int:
        last[account] = last.get(account, credits) if third() else credits
        return last[account]


@mutant("CRD-1", "/credits returns the credits that were granted, not what is left of them.")
def balance_is_total_granted(server: PatchedServer) -> None:
    granted = {account.id: account.balance for account in server.hub.accounts.values()}
    replace_credits(lambda credits, account: granted[account])(server)


mutant_table("CRD-1", responses.mutate_json(OperationId.CREATE_GENERATION, status=200))(
    account_types_differ=Row(
        "The account type of a generation differs from that of /credits.",
        within("balance", update(account_type="FREE")),
        level="inferred",
    )
)
mutant_table("CRD-1", responses.mutate_json(OperationId.CREATE_GENERATION, status=200))(
    account_type_of_responses_is_pro=Row(
        "The response to a generation has account_type PRO, whatever the account is.",
        within("balance", update(account_type="PRO")),
    )
)
mutant_table("CRD-2", mutate_credits)(
    credits_as_string=Row("The credits are a string.", edit("credits", str)),
    missing_account_type=Row("The balance has no account_type.", remove("account_type")),
    missing_next_expiration=Row("The balance has no next_expiration.", remove("next_expiration")),
    missing_next_expiration_below_10000=Row(
        "A balance of fewer than 10,000 credits has no next_expiration.",
        lambda content, context: (
            content.pop("next_expiration") if content["credits"] < _SMALL_BALANCE else None
        ),
    ),
    null_account_type_at_zero=Row(
        "A balance of zero has the account_type null.",
        lambda content, context: content["credits"] or content.update(account_type=None),
    ),
    numeric_next_expiration=Row("next_expiration is a number.", update(next_expiration=1893456000)),
    renamed_credits=Row("The field for the credits is `balance`.", rename("credits", "balance")),
    credits_divided_by_1000=Row(
        "The balance is in thousands of credits.", edit("credits", lambda credits: credits / 1000)
    ),
)
mutant_table("CRD-2", responses.mutate_balances)(
    null_account_type=Row("account_type is null.", update(account_type=None)),
    next_expiration_in_the_past=Row(
        "next_expiration is in the past.",
        update(next_expiration="2020-01-01T00:00:00.000Z"),
        level="inferred",
    ),
    empty_next_expiration=Row("next_expiration is an empty string.", update(next_expiration="")),
)
mutant_table("CRD-2", responses.replace_json(OperationId.GET_CREDITS, status=200))(
    wrapped_balance=Row(
        "The balance object of /credits is wrapped in `data`.",
        lambda content, context: {"data": content},
        level="inferred",
    )
)
mutant_table("CRD-3", mutate_credits)(
    same_balance_for_everyone=Row("Every user gets the same balance.", update(credits=120))
)


@mutant("CRD-2", "After a failed task of the account its account_type is null.")
@mutate_credits.with_server
def null_account_type_after_failed_task(
    server: PatchedServer, content: Json, context: RequestContext
) -> None:
    assert context.account
    last = server.generation_ids(context.account)[-1:]
    generation = server.hub.generations[last[0]] if last else None
    if generation and is_async(generation) and has_failed(generation):
        content["account_type"] = None


@mutant("CRD-1", "keys.low gets an expiration of credits that is over.", level="inferred")
@mutate_credits.with_server
def expiration_of_low_is_over(
    server: PatchedServer, content: Json, context: RequestContext
) -> None:
    assert context.account
    if context.account.id == "low":
        content["next_expiration"] = format_timestamp(server.hub.clock.now() - 24 * 3600 * SECOND)


@mutant("CRD-3", "While an image is generated all users read the balance of its user.")
def balance_of_generating_user(server: PatchedServer) -> None:
    generating: list[Account] = []

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        generating.append(call.account)
        try:
            await asyncio.sleep(0.02)
            return await call.proceed()
        finally:
            generating.remove(call.account)

    @hooks.wrap_handler(OperationId.GET_CREDITS).on(server)
    async def read(call: hooks.Call) -> Response:
        return await call.handler(call.context, [call.account, *generating][-1])


@mutant("CRD-3", "The balance is cached per host: a request gets the balance of the previous user.")
def balance_of_previous_caller(server: PatchedServer) -> None:
    balances: list[Json] = []

    @responses.replace_json(OperationId.GET_CREDITS, status=200).on(server)
    def replace(content: Json, context: RequestContext) -> Json:
        balances.append(content)
        return balances[-2:][0]


@mutant("CRD-3", "A read of the balance returns that of a user who reads at the same moment.")
def balance_of_concurrent_caller(server: PatchedServer) -> None:
    callers: list[Account] = []

    @hooks.wrap_handler(OperationId.GET_CREDITS).on(server)
    async def read(call: hooks.Call) -> Response:
        callers.append(call.account)
        await asyncio.sleep(0.02)
        return await call.handler(call.context, callers[-1])


@mutant("CRD-3", "Each key has a balance of its own, even two keys of one user.")
def balance_per_key(server: PatchedServer) -> None:
    spent: Counter[bytes | None] = Counter()

    @hooks.after_generation.on(server)
    def count(context: RequestContext, account: Account) -> None:
        spent[context.key_digest] -= context.current_credit_delta

    @mutate_credits.on(server)
    def mutate(content: Json, context: RequestContext) -> None:
        content["credits"] += spent.total() - spent[context.key_digest]


@mutant("CRD-3", "A request without enough credits puts the balance into a cache for a moment.")
def balance_cached_at_rejection(server: PatchedServer) -> None:
    cache: dict[str, tuple[int, int]] = {}

    @hooks.after_error(OperationId.CREATE_GENERATION).on(server)
    def store(account: Account, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == "insufficientCredits":
            cache.setdefault(account.id, (server.hub.clock.now(), account.balance))

    @replace_credits.on(server)
    def replace(credits: int, account: str) -> int:
        cached_at, cached = cache.get(account, (0, 0))
        if server.hub.clock.now() - cached_at < _CACHE_TIME:
            return cached
        cache.pop(account, None)
        return credits


@mutant("CRD-3", "The balance is cached for a second, for each key that has not generated.")
def balance_cached_per_key(server: PatchedServer) -> None:
    generating: set[bytes | None] = set()
    cache: dict[bytes | None, tuple[int, int]] = {}

    @hooks.after_generation.on(server)
    def note(context: RequestContext, account: Account) -> None:
        generating.add(context.key_digest)

    @mutate_credits.on(server)
    def mutate(content: Json, context: RequestContext) -> None:
        key, now = context.key_digest, server.hub.clock.now()
        if key not in generating:
            if key not in cache or now - cache[key][0] > _CACHE_TIME:
                cache[key] = (now, content["credits"])
            content["credits"] = cache[key][1]


@mutant("CRD-3", "A generation is charged to the richest account of the same account type.")
@hooks.replace_charge.with_server
def charged_to_richest_account(server: PatchedServer, credits: int, generation: Generation) -> int:
    account, richest = server.hub.accounts[generation.account], server.richest_account()
    if richest is account or richest.account_type != account.account_type:
        return credits
    server.adjust_balance(richest, -credits)
    return 0


@Hook
def charge_read(server: PatchedServer, operation: OperationId) -> None:
    hooks.after_success(operation)(lambda context, account: server.adjust_balance(account, -1))(
        server
    )


mutant_table("CRD-4", charge_read)(
    generation_reads_charged=Row("A read costs a credit.", OperationId.GET_GENERATION),
    balance_reads_charged=Row("Reading the balance costs a credit.", OperationId.GET_CREDITS),
)


@mutant("CRD-4", "An invalid request costs as much as a valid one.")
@hooks.after_error(OperationId.CREATE_GENERATION).with_server
def invalid_requests_charged(server: PatchedServer, account: Account, error: Exception) -> None:
    if not isinstance(error, ApiError):
        server.adjust_balance(account, -8)


@mutant("CRD-4", "Reading a generation that does not exist costs a credit.")
@hooks.after_error(OperationId.GET_GENERATION).with_server
def unknown_ids_charged(server: PatchedServer, account: Account, error: Exception) -> None:
    server.adjust_balance(account, -1)
