"""Defects of the balance as it is told, and of what it lets an account buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import CREDITS, POST, House, around
from mockhub.mutants.registry import mutant
from mockhub.spec.errors import ApiError
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account
from mockhub.world.generations import Request

Change = Callable[[dict[str, Any]], object]


def told(house: House, *operations: str, change: Change) -> None:
    """Change the balance object of /credits, of a generation's answer, or of both."""

    @house.on_content(*(operations or (CREDITS, POST)), status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        change(content.get("balance", content))


@mutant("CRD-2")
def credits_as_text(house: House) -> None:
    """The balance is a string of digits."""
    told(house, CREDITS, change=lambda balance: balance.update(credits=str(balance["credits"])))


@mutant("CRD-2")
def no_account_type(house: House) -> None:
    """The balance has no account type."""
    told(house, CREDITS, change=lambda balance: balance.pop("account_type"))


@mutant("CRD-2")
def null_account_type(house: House) -> None:
    """The account type is null."""
    told(house, change=lambda balance: balance.update(account_type=None))


@mutant("CRD-2")
def no_next_expiration(house: House) -> None:
    """The balance has no next_expiration, where nothing expires."""
    told(house, CREDITS, change=lambda balance: balance.pop("next_expiration"))


@mutant("CRD-2")
def small_purses_have_no_next_expiration(house: House) -> None:
    """Accounts with fewer than ten thousand credits are not told of a next_expiration."""

    def cut(balance: dict[str, Any]) -> None:
        if balance["credits"] < 10_000:  # noqa: PLR2004
            del balance["next_expiration"]

    told(house, CREDITS, change=cut)


@mutant("CRD-2")
def empty_next_expiration(house: House) -> None:
    """Where nothing expires, next_expiration is an empty string."""
    told(house, change=lambda balance: balance.update(next_expiration=""))


@mutant("CRD-2")
def numeric_next_expiration(house: House) -> None:
    """next_expiration counts seconds since 1970."""
    told(house, CREDITS, change=lambda balance: balance.update(next_expiration=1893456000))


@mutant("CRD-2")
def renamed_credits(house: House) -> None:
    """The balance calls its credits `balance`."""
    told(house, CREDITS, change=lambda balance: balance.update(balance=balance.pop("credits")))


@mutant("CRD-2", level="inferred")
def wrapped_balance(house: House) -> None:
    """/credits wraps the balance object in `data`."""
    house.on_content(CREDITS, status=200)(lambda content, visit: {"data": content})


@mutant("CRD-2")
def credits_in_money(house: House) -> None:
    """The balance is told in thousandths, not in credits."""
    told(house, CREDITS, change=lambda balance: balance.update(credits=balance["credits"] / 1000))


@mutant("GEN-7")
def balance_before(house: House) -> None:
    """The balance in the answer is the one before the charge."""

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        content["balance"]["credits"] -= visit.credits


@mutant("GEN-7")
def balance_charged_twice(house: House) -> None:
    """The balance in the answer has the cost taken off twice; the ledger has it once."""

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        content["balance"]["credits"] += visit.credits


@mutant("GEN-7")
def balance_after_one(house: House) -> None:
    """The balance in the answer has the price of one image taken off, however many there are."""

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        content["balance"]["credits"] += content["usage"]["credits"] * (len(content["images"]) - 1)


@mutant("GEN-7")
def balance_text(house: House) -> None:
    """The balance in the answer is a string of digits."""
    told(house, POST, change=lambda balance: balance.update(credits=str(balance["credits"])))


@mutant("GEN-7")
def bare_balance(house: House) -> None:
    """The answer's balance is a bare number."""

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        content["balance"] = content["balance"]["credits"]


@mutant("GEN-7")
def balance_of_the_first_answer(house: House) -> None:
    """Every answer shows the balance of the account's first one."""
    first: dict[str, Any] = {}

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.account:
            content["balance"] = first.setdefault(visit.account.id, content["balance"])


@mutant("GEN-7")
def balance_of_references(house: House) -> None:
    """With reference images, the balance in the answer is the one before the charge."""

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.request and visit.request.references:
            content["balance"]["credits"] -= visit.credits


@mutant("CRD-1")
def stale_balance(house: House) -> None:
    """/credits shows what an account had when it was first asked for."""
    first: dict[str, int] = {}

    @house.on_content(CREDITS, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.account:
            content["credits"] = first.setdefault(visit.account.id, content["credits"])


@mutant("CRD-1")
def balance_one_behind(house: House) -> None:
    """/credits shows what it should have shown the time before."""
    last: dict[str, int] = {}

    @house.on_content(CREDITS, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.account:
            now = content["credits"]
            content["credits"] = last.get(visit.account.id, now)
            last[visit.account.id] = now


@mutant("CRD-1")
def total_granted(house: House) -> None:
    """/credits shows what was ever granted, not what is left."""
    granted = {account.id: account.balance for account in house.hub.accounts.values()}

    @house.on_content(CREDITS, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.account:
            content["credits"] = granted[visit.account.id]


@mutant("CRD-3")
def everybodys_balance(house: House) -> None:
    """Everybody is shown the same account's balance."""
    told(house, CREDITS, change=lambda balance: balance.update(credits=120))


@mutant("CRD-3")
def last_askers_balance(house: House) -> None:
    """The balance is kept per address, not per user: who asks next is shown the last one's."""
    kept: list[Any] = []

    @house.on_content(CREDITS, status=200)
    def rewrite(content: Any, visit: Visit) -> Any:
        kept.append(content)
        return kept.pop(0) if len(kept) > 1 else None


@mutant("CRD-3")
def balance_per_key(house: House) -> None:
    """Each key has a balance of its own, also two keys of one user."""
    spent: dict[bytes, int] = {}

    @house.after(POST)
    def count(visit: Visit, account: Account) -> None:
        spent[visit.digest or b""] = spent.get(visit.digest or b"", 0) - visit.credits

    @house.on_content(CREDITS, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        others = sum(spent.values()) - spent.get(visit.digest or b"", 0)
        content["credits"] += others


@mutant("LED-4")
def checks_one_image(house: House) -> None:
    """An account that can pay one image may have four, and owes the rest."""
    overdraw(house, lambda account, price, request: account.balance >= price // request.n)


@mutant("LED-4")
def checks_for_something(house: House) -> None:
    """An account that has any credit at all may buy, and owes the rest."""
    overdraw(house, lambda account, price, request: account.balance > 0)


@mutant("LED-4")
def checks_nothing(house: House) -> None:
    """An account may buy whatever it has, below zero."""
    overdraw(house, lambda account, price, request: True)


@mutant("LED-4")
def clamps_at_zero(house: House) -> None:
    """An account that cannot pay pays what it has, and gets its images."""
    overdraw(house, lambda account, price, request: True, owing=False)


@mutant("LED-4")
def forms_on_credit(house: House) -> None:
    """A form is not held to the balance, which sinks below zero."""
    seen: dict[str, bool] = {}

    @house.on_asked
    def note(asked: Any) -> None:
        seen["form"] = asked.media != "application/json"

    overdraw(house, lambda account, price, request: seen.pop("form", False))


@mutant("ASY-8")
def async_on_credit(house: House) -> None:
    """An asynchronous request is not held to the balance, which sinks below zero."""
    overdraw(house, lambda account, price, request: request.run_async)


@mutant("LED-7")
def needs_a_credit_more(house: House) -> None:
    """A balance exactly equal to the price is refused."""

    @around(house.hub, "create_generation")
    def create(original: Any, account: Account, request: Any, *rest: Any) -> Any:
        quote = house.law.catalog.quote(request.model, request.size)
        if account.balance == quote.unit * request.n:
            raise house.error("insufficientCredits")
        return original(account, request, *rest)


@mutant("LED-5")
def refusal_takes_what_is_left(house: House) -> None:
    """A request that cannot be paid takes what the account has."""

    @house.after_refusal(POST)
    def take(account: Account, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == "insufficientCredits":
            house.move(account, -account.balance)


@mutant("LED-5")
def refusal_goes_below_zero(house: House) -> None:
    """A request that cannot be paid is refused and charged all the same."""

    @house.after_refusal(POST)
    def take(account: Account, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == "insufficientCredits":
            house.move(account, -8)


def overdraw(
    house: House, allowed: Callable[[Account, int, Request], bool], *, owing: bool = True
) -> None:
    """Let an account that cannot pay buy all the same where *allowed*, and owe what is missing."""

    @around(house.hub, "create_generation")
    def create(original: Any, account: Account, request: Any, *rest: Any) -> Any:
        price = house.law.catalog.quote(request.model, request.size).unit * request.n
        missing = max(0, price - account.balance)
        if not missing or not allowed(account, price, request):
            return original(account, request, *rest)
        house.move(account, missing)
        made = original(account, request, *rest)
        if owing:
            house.move(account, -missing)
        return made


@mutant("ASY-8")
def async_checks_one_image(house: House) -> None:
    """A task is taken from an account that can pay one of its images, and owes the rest."""
    overdraw(
        house,
        lambda account, price, request: request.run_async and account.balance >= price // request.n,
    )


@mutant("LED-4")
def poor_forms_are_invalid(house: House) -> None:
    """A form that the balance cannot pay is answered 400 invalid_request."""

    @house.on_answer(POST, code="insufficientCredits")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        form = visit.headers.get(b"content-type", b"").startswith(b"multipart/")
        return wire.refusal(house.error("invalid_request")) if form else answer


@mutant("CRD-1", level="inferred")
def account_types_differ(house: House) -> None:
    """The account type beside a generation is another than /credits tells."""
    told(house, POST, change=lambda balance: balance.update(account_type="FREE"))
