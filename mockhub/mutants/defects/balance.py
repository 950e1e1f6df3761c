"""Mutants of the balance (CRD-1 to CRD-4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.ledger import Entry
from mockhub.exceptions import ApiError
from mockhub.mutants.hooks import (
    every,
    hook,
    mutate_balances,
    mutate_json,
    remove,
    replace_json,
    update,
)
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext

_SMALL_BALANCE = 10_000

mutate_credits = mutate_json(OperationId.GET_CREDITS, status=200)


@hook
def replace_credits(server: PatchedServer, change: Callable[[int, str], int]) -> None:
    """Replace the credits of /credits, given the id of the account."""

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def mutate(content: Json, context: RequestContext) -> None:
        assert context.account
        content["credits"] = change(content["credits"], context.account.id)


# -- the value -----------------------------------------------------------------------------------


@mutant("CRD-1", "/credits returns the balance that an account had at its first request of it.")
def stale_balance(server: PatchedServer) -> None:
    first: dict[str, int] = {}
    replace_credits(lambda credits, account: first.setdefault(account, credits))(server)


@mutant("CRD-1", "/credits returns the balance of the request before.")
def balance_one_read_behind(server: PatchedServer) -> None:
    last: dict[str, int] = {}

    @replace_credits
    def change(credits: int, account: str) -> int:
        previous, last[account] = last.get(account, credits), credits
        return previous

    change(server)


@mutant("CRD-1", "Every third response of /credits has the balance of the one before.")
def every_third_balance_read_stale(server: PatchedServer) -> None:
    third = every(3)
    last: dict[str, int] = {}

    @replace_credits
    def change(credits: int, account: str) -> int:
        last[account] = last.get(account, credits) if third() else credits
        return last[account]

    change(server)


@mutant("CRD-1", "/credits returns the credits that were granted, not what is left of them.")
def balance_is_total_granted(server: PatchedServer) -> None:
    granted = {account.id: account.balance for account in server.hub.accounts.values()}
    replace_credits(lambda credits, account: granted[account])(server)


@mutant(
    "CRD-1",
    "The account type in the response of a generation differs from that of /credits.",
    level="inferred",
)
@mutate_json(OperationId.CREATE_GENERATION, status=200)
def account_types_differ(content: Json, context: RequestContext) -> None:
    content["balance"]["account_type"] = "FREE"


# -- the fields ----------------------------------------------------------------------------------

mutant_table("CRD-2", mutate_credits)(
    credits_as_string=(
        "The credits are a string.",
        lambda content, context: content.update(credits=str(content["credits"])),
    ),
    missing_account_type=("The balance has no account_type.", remove("account_type")),
    missing_next_expiration=("The balance has no next_expiration.", remove("next_expiration")),
    missing_next_expiration_below_10000=(
        "A balance of fewer than 10,000 credits has no next_expiration.",
        lambda content, context: (
            content.pop("next_expiration") if content["credits"] < _SMALL_BALANCE else None
        ),
    ),
    numeric_next_expiration=("next_expiration is a number.", update(next_expiration=1893456000)),
    renamed_credits=(
        "The field for the credits is `balance`.",
        lambda content, context: content.update(balance=content.pop("credits")),
    ),
    credits_divided_by_1000=(
        "The balance is in thousands of credits.",
        lambda content, context: content.update(credits=content["credits"] / 1000),
    ),
)
mutant_table("CRD-2", mutate_balances)(
    null_account_type=("account_type is null.", update(account_type=None)),
    empty_next_expiration=("next_expiration is an empty string.", update(next_expiration="")),
)
mutant_table("CRD-2", replace_json(OperationId.GET_CREDITS, status=200), level="inferred")(
    wrapped_balance=(
        "The balance object of /credits is wrapped in `data`.",
        lambda content, context: {"data": content},
    ),
)

# -- the account ---------------------------------------------------------------------------------

mutant_table("CRD-3", mutate_credits)(
    same_balance_for_everyone=("Every user gets the same balance.", update(credits=120)),
)


@mutant("CRD-3", "The balance is cached per host: a request gets the balance of the previous user.")
def balance_of_previous_caller(server: PatchedServer) -> None:
    balances: list[Json] = []

    @server.replace_json(OperationId.GET_CREDITS, status=200)
    def replace(content: Json, context: RequestContext) -> Json:
        balances.append(content)
        return balances[-2:][0]


@mutant("CRD-3", "Each key has a balance of its own, even two keys of one user.")
def balance_per_key(server: PatchedServer) -> None:
    spent: Counter[bytes | None] = Counter()

    @server.after_success(OperationId.CREATE_GENERATION)
    def count(context: RequestContext, account: Account) -> None:
        spent[context.key_digest] -= context.current_credit_delta

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def mutate(content: Json, context: RequestContext) -> None:
        content["credits"] += spent.total() - spent[context.key_digest]


@mutant("CRD-3", "A generation is charged to the richest account of the same account type.")
def charged_to_richest_account(server: PatchedServer) -> None:
    @server.on_ledger_entry("charge")
    def charge(entry: Entry, account: Account, generation: Generation) -> Iterable[Entry]:
        richest = server.richest_account()
        if richest is account or richest.account_type != account.account_type:
            return [entry]
        return server.adjust_balance(richest, entry.credits)


# -- requests that are free ----------------------------------------------------------------------


@mutant("CRD-4", "Reading a generation costs a credit.")
def generation_reads_charged(server: PatchedServer) -> None:
    server.after_success(OperationId.GET_GENERATION)(
        lambda context, account: server.adjust_balance(account, -1)
    )


@mutant("CRD-4", "Reading the balance costs a credit.")
def balance_reads_charged(server: PatchedServer) -> None:
    server.after_success(OperationId.GET_CREDITS)(
        lambda context, account: server.adjust_balance(account, -1)
    )


@mutant("CRD-4", "An invalid request costs as much as a valid one.")
def invalid_requests_charged(server: PatchedServer) -> None:
    server.after_error(OperationId.CREATE_GENERATION)(
        lambda account, error: isinstance(error, ApiError) or server.adjust_balance(account, -8)
    )


@mutant("CRD-4", "Reading a generation that does not exist costs a credit.")
def unknown_ids_charged(server: PatchedServer) -> None:
    server.after_error(OperationId.GET_GENERATION)(
        lambda account, error: server.adjust_balance(account, -1)
    )
