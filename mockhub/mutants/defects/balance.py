"""Defects of the balance as it is told, and of what it lets an account buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.domain.accounts import Account
from mockhub.exceptions import ApiError
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.wrapping import wrap
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.context import RequestContext

Change = Callable[[dict[str, Any]], object]


def mutate_balance(server: PatchedServer, *operations: str, change: Change) -> None:
    """Change the balance object of /credits, of a generation's answer, or of both."""

    @server.mutate_json(
        *(operations or (OperationId.GET_CREDITS, OperationId.CREATE_GENERATION)), status=200
    )
    def rewrite(content: Any, context: RequestContext) -> None:
        change(content.get("balance", content))


@mutant("CRD-2", "The balance is a string of digits.")
def credits_as_string(server: PatchedServer) -> None:
    mutate_balance(
        server,
        OperationId.GET_CREDITS,
        change=lambda balance: balance.update(credits=str(balance["credits"])),
    )


@mutant("CRD-2", "The balance has no account type.")
def missing_account_type(server: PatchedServer) -> None:
    mutate_balance(
        server, OperationId.GET_CREDITS, change=lambda balance: balance.pop("account_type")
    )


@mutant("CRD-2", "The account type is null.")
def null_account_type(server: PatchedServer) -> None:
    mutate_balance(server, change=lambda balance: balance.update(account_type=None))


@mutant("CRD-2", "The balance has no next_expiration, where nothing expires.")
def missing_next_expiration(server: PatchedServer) -> None:
    mutate_balance(
        server, OperationId.GET_CREDITS, change=lambda balance: balance.pop("next_expiration")
    )


@mutant("CRD-2", "Accounts with fewer than ten thousand credits are not told of a next_expiration.")
def missing_next_expiration_below_10000(server: PatchedServer) -> None:
    def remove(balance: dict[str, Any]) -> None:
        if balance["credits"] < 10_000:  # noqa: PLR2004
            del balance["next_expiration"]

    mutate_balance(server, OperationId.GET_CREDITS, change=remove)


@mutant("CRD-2", "Where nothing expires, next_expiration is an empty string.")
def empty_next_expiration(server: PatchedServer) -> None:
    mutate_balance(server, change=lambda balance: balance.update(next_expiration=""))


@mutant("CRD-2", "next_expiration counts seconds since 1970.")
def numeric_next_expiration(server: PatchedServer) -> None:
    mutate_balance(
        server,
        OperationId.GET_CREDITS,
        change=lambda balance: balance.update(next_expiration=1893456000),
    )


@mutant("CRD-2", "The balance calls its credits `balance`.")
def renamed_credits(server: PatchedServer) -> None:
    mutate_balance(
        server,
        OperationId.GET_CREDITS,
        change=lambda balance: balance.update(balance=balance.pop("credits")),
    )


@mutant("CRD-2", "/credits wraps the balance object in `data`.", level="inferred")
def wrapped_balance(server: PatchedServer) -> None:
    server.replace_json(OperationId.GET_CREDITS, status=200)(
        lambda content, context: {"data": content}
    )


@mutant("CRD-2", "The balance is told in thousandths, not in credits.")
def credits_divided_by_1000(server: PatchedServer) -> None:
    mutate_balance(
        server,
        OperationId.GET_CREDITS,
        change=lambda balance: balance.update(credits=balance["credits"] / 1000),
    )


@mutant("GEN-7", "The balance in the answer is the one before the charge.")
def balance_before_charge(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        content["balance"]["credits"] -= context.current_credit_delta


@mutant("GEN-7", "The balance in the answer has the cost taken off twice; the ledger has it once.")
def balance_charged_twice(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        content["balance"]["credits"] += context.current_credit_delta


@mutant(
    "GEN-7",
    "The balance in the answer has the price of one image taken off, however many there are.",
)
def balance_charged_for_one_image(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        content["balance"]["credits"] += content["usage"]["credits"] * (len(content["images"]) - 1)


@mutant("GEN-7", "The balance in the answer is a string of digits.")
def balance_credits_as_string(server: PatchedServer) -> None:
    mutate_balance(
        server,
        OperationId.CREATE_GENERATION,
        change=lambda balance: balance.update(credits=str(balance["credits"])),
    )


@mutant("GEN-7", "The answer's balance is a bare number.")
def balance_as_number(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        content["balance"] = content["balance"]["credits"]


@mutant("GEN-7", "Every answer shows the balance of the account's first one.")
def balance_of_first_response(server: PatchedServer) -> None:
    first: dict[str, Any] = {}

    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        if context.account:
            content["balance"] = first.setdefault(context.account.id, content["balance"])


@mutant("GEN-7", "With reference images, the balance in the answer is the one before the charge.")
def balance_before_charge_with_references(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        if context.parsed_request and context.parsed_request.references:
            content["balance"]["credits"] -= context.current_credit_delta


@mutant("CRD-1", "/credits shows what an account had when it was first asked for.")
def stale_balance(server: PatchedServer) -> None:
    first: dict[str, int] = {}

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        if context.account:
            content["credits"] = first.setdefault(context.account.id, content["credits"])


@mutant("CRD-1", "/credits shows what it should have shown the time before.")
def balance_one_read_behind(server: PatchedServer) -> None:
    last: dict[str, int] = {}

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        if context.account:
            current = content["credits"]
            content["credits"] = last.get(context.account.id, current)
            last[context.account.id] = current


@mutant("CRD-1", "/credits shows what was ever granted, not what is left.")
def balance_is_total_granted(server: PatchedServer) -> None:
    granted = {account.id: account.balance for account in server.hub.accounts.values()}

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        if context.account:
            content["credits"] = granted[context.account.id]


@mutant("CRD-3", "Everybody is shown the same account's balance.")
def same_balance_for_everyone(server: PatchedServer) -> None:
    mutate_balance(
        server, OperationId.GET_CREDITS, change=lambda balance: balance.update(credits=120)
    )


@mutant(
    "CRD-3", "The balance is kept per address, not per user: who asks next is shown the last one's."
)
def balance_of_previous_caller(server: PatchedServer) -> None:
    balances: list[Any] = []

    @server.replace_json(OperationId.GET_CREDITS, status=200)
    def rewrite(content: Any, context: RequestContext) -> Any:
        balances.append(content)
        return balances.pop(0) if len(balances) > 1 else content


@mutant("CRD-3", "Each key has a balance of its own, also two keys of one user.")
def balance_per_key(server: PatchedServer) -> None:
    spent: dict[bytes, int] = {}

    @server.after_success(OperationId.CREATE_GENERATION)
    def count(context: RequestContext, account: Account) -> None:
        spent[context.key_digest or b""] = (
            spent.get(context.key_digest or b"", 0) - context.current_credit_delta
        )

    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        others = sum(spent.values()) - spent.get(context.key_digest or b"", 0)
        content["credits"] += others


@mutant("LED-4", "An account that can pay one image may have four, and owes the rest.")
def balance_checked_for_one_image(server: PatchedServer) -> None:
    allow_overdraft(server, lambda account, price, request: account.balance >= price // request.n)


@mutant("LED-4", "An account that has any credit at all may buy, and owes the rest.")
def balance_checked_above_zero(server: PatchedServer) -> None:
    allow_overdraft(server, lambda account, price, request: account.balance > 0)


@mutant("LED-4", "An account may buy whatever it has, below zero.")
def balance_not_checked(server: PatchedServer) -> None:
    allow_overdraft(server, lambda account, price, request: True)


@mutant("LED-4", "An account that cannot pay pays what it has, and gets its images.")
def charge_clamped_to_balance(server: PatchedServer) -> None:
    allow_overdraft(server, lambda account, price, request: True, record_debt=False)


@mutant("LED-4", "A form is not held to the balance, which sinks below zero.")
def balance_not_checked_in_forms(server: PatchedServer) -> None:
    seen: dict[str, bool] = {}

    @server.on_request_body
    def note(request: Any) -> None:
        seen["form"] = request.media_type != "application/json"

    allow_overdraft(server, lambda account, price, request: seen.pop("form", False))


@mutant("ASY-8", "An asynchronous request is not held to the balance, which sinks below zero.")
def balance_not_checked_if_async(server: PatchedServer) -> None:
    allow_overdraft(server, lambda account, price, request: request.run_async)


@mutant("LED-7", "A balance exactly equal to the price is refused.")
def exact_balance_rejected(server: PatchedServer) -> None:
    @wrap(server.hub, "create_generation")
    def create(original: Any, account: Account, request: Any, *rest: Any) -> Any:
        quote = server.spec.catalog.quote(request.model, request.size)
        if account.balance == quote.credits_per_image * request.n:
            raise server.error("insufficientCredits")
        return original(account, request, *rest)


@mutant("LED-5", "A request that cannot be paid takes what the account has.")
def rejection_takes_remaining_credits(server: PatchedServer) -> None:
    @server.after_error(OperationId.CREATE_GENERATION)
    def charge(account: Account, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == "insufficientCredits":
            server.adjust_balance(account, -account.balance)


@mutant("LED-5", "A request that cannot be paid is refused and charged all the same.")
def rejection_still_charged(server: PatchedServer) -> None:
    @server.after_error(OperationId.CREATE_GENERATION)
    def charge(account: Account, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == "insufficientCredits":
            server.adjust_balance(account, -8)


def allow_overdraft(
    server: PatchedServer,
    allowed: Callable[[Account, int, GenerationRequest], bool],
    *,
    record_debt: bool = True,
) -> None:
    """Let an account that cannot pay buy all the same where *allowed*, and owe what is missing."""

    @wrap(server.hub, "create_generation")
    def create(original: Any, account: Account, request: Any, *rest: Any) -> Any:
        price = server.spec.catalog.quote(request.model, request.size).credits_per_image * request.n
        missing = max(0, price - account.balance)
        if not missing or not allowed(account, price, request):
            return original(account, request, *rest)
        server.adjust_balance(account, missing)
        generation = original(account, request, *rest)
        if record_debt:
            server.adjust_balance(account, -missing)
        return generation


@mutant(
    "ASY-8", "A task is taken from an account that can pay one of its images, and owes the rest."
)
def balance_checked_for_one_image_if_async(server: PatchedServer) -> None:
    allow_overdraft(
        server,
        lambda account, price, request: request.run_async and account.balance >= price // request.n,
    )


@mutant("LED-4", "A form that the balance cannot pay is answered 400 invalid_request.")
def insufficient_credits_is_400_in_forms(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="insufficientCredits")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        form = context.headers.get(b"content-type", b"").startswith(b"multipart/")
        return responses.error_response(server.error("invalid_request")) if form else response


@mutant(
    "CRD-1",
    "The account type beside a generation is another than /credits tells.",
    level="inferred",
)
def account_types_differ(server: PatchedServer) -> None:
    mutate_balance(
        server,
        OperationId.CREATE_GENERATION,
        change=lambda balance: balance.update(account_type="FREE"),
    )
