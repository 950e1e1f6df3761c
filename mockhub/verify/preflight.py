"""Look for mistakes in a profile with free GETs, before the first credit is spent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mockhub._text import printable
from mockhub.exceptions import MockhubError
from mockhub.verify import covering_array, oracle
from mockhub.verify.assertions import balance_object
from mockhub.verify.budget import Budget
from mockhub.verify.check import Check
from mockhub.verify.client import BudgetedClient
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import CheckOutcome
from mockhub.verify.profile import ROLES, Profile
from mockhub.verify.transport import Transport

_PAUSE = 0.2
_CACHE_SECONDS = 2.0  # how long a server may keep a response for another user
_MAX_SHOWN = 200  # characters of a value
_MAX_CREDITS = 10**15  # what is more is no balance
_STARTING = (502, 503, 504)  # what a gateway returns while the server behind it starts


class AccountRow(NamedTuple):
    """What GET /credits returned to the key of a role."""

    role: str
    status: str
    credits: int | float | None
    account_type: str
    note: str = ""

    def __str__(self) -> str:
        credits = "" if self.credits is None else f"{self.credits:g} credits"
        note = f"   {self.note}" if self.note else ""
        return (
            f"  {self.role:<8} {self.status:<22} {credits:<14} {self.account_type}{note}".rstrip()
        )


def wait_until_ready(profile: Profile, seconds: float) -> None:
    """Wait at most *seconds* until a server responds.

    Raises:
        MockhubError: if it does not.
    """
    base_url, transport = profile.base_url, Transport(profile)
    deadline = time.monotonic() + seconds
    try:
        while True:
            response = transport.send(
                "GET", f"{base_url}/api/v1/models", dict(profile.headers), None, 5.0
            )
            if response.status and response.status not in _STARTING:
                return
            if time.monotonic() > deadline:
                reason = f"HTTP {response.status}" if response.status else response.error
                raise MockhubError(f"{base_url} was not ready within {seconds:g} s: {reason}")
            time.sleep(_PAUSE)
    finally:
        transport.close()


def check_profile(
    profile: Profile, budget: int, checks: Iterable[Check], seed: int, *, read_only: bool = False
) -> list[AccountRow]:
    """Read the model list and the balance of each key, and return the balances.

    Raises:
        MockhubError: if the base URL or a key is wrong, or the credits do not pay for the run.
    """
    client = BudgetedClient(profile, Budget(0), read_only=True)
    try:
        models = client.get("models", key=None)
        if models.error:
            raise MockhubError(f"{profile.base_url}: {models.describe()}")
        roles = [role for role in ROLES if role in profile.keys]
        reads = {role: client.get("credits", key=role) for role in roles}
        if "broke" in reads and _have_one_balance(reads["valid"], reads["broke"]):
            time.sleep(_CACHE_SECONDS)  # else the balance of the user before may have been cached
            reads["broke"] = client.get("credits", key="broke")
    except CheckOutcome as outcome:
        raise MockhubError(f"{profile.base_url}: {outcome.message}") from None
    finally:
        client.close()
    _require_api(profile, models, reads["valid"])
    rows = {role: _to_row(role, exchange) for role, exchange in reads.items()}
    _require_accepted_key(reads)
    if not read_only:
        _require_credits(rows, min(budget, _needed_credits(checks, seed)))
    if "other" in rows and rows["valid"].credits == rows["other"].credits is not None:
        rows["other"] = rows["other"]._replace(note="as many as valid: is it another user?")
    return list(rows.values())


def _have_one_balance(first: Exchange, second: Exchange) -> bool:
    return first.status == second.status == 200 and first.json_object == second.json_object


def _require_api(profile: Profile, models: Exchange, balance: Exchange) -> None:
    for exchange in (models, balance):
        if location := exchange.headers.get("location", "") * (300 <= exchange.status < 400):
            raise MockhubError(
                f"{profile.base_url} redirects: GET {exchange.request.url} returned HTTP "
                f"{exchange.status} with Location {_shown(location, exchange)}; write its address "
                "into base_url"
            )
    if models.status == balance.status == 404:
        raise MockhubError(
            f"{profile.base_url} is not the API: GET {models.request.url} and "
            f"GET {balance.request.url} returned HTTP 404; base_url is what precedes /api/v1"
        )


def _to_row(role: str, exchange: Exchange) -> AccountRow:
    body = exchange.json_object
    error = body.get("error")
    code = error.get("code") if isinstance(error, dict) else ""
    status = f"HTTP {exchange.status} {code}".strip() if exchange.status else exchange.error
    try:
        balance = balance_object(body, exchange)
    except CheckOutcome:
        balance = {}
    credits, account_type = balance.get("credits"), balance.get("account_type", "")
    return AccountRow(
        role,
        _shown(status, exchange),
        credits if _is_plausible(credits) else None,
        _shown(account_type, exchange),
    )


def _is_plausible(credits: object) -> bool:
    if isinstance(credits, bool) or not isinstance(credits, int | float):
        return False
    return abs(credits) < _MAX_CREDITS


def _shown(value: object, exchange: Exchange) -> str:
    """Return what the server sent as a terminal may show it: short, and without a key."""
    return printable(exchange.secrets.redact(str(value)))[:_MAX_SHOWN]


def _require_accepted_key(reads: dict[str, Exchange]) -> None:
    """Require keys.valid to be accepted, unless the server rejects every key."""
    others = [role for role in ("other", "broke", "low") if role in reads]
    accepted = [role for role in (*others, "expired", "revoked") if _is_accepted(reads.get(role))]
    if reads["valid"].status != 401 or (others and not accepted):
        return
    hint = f"; keys.{accepted[0]} is accepted, are they swapped?" if accepted else ""
    raise MockhubError(f"keys.valid is rejected with HTTP 401: is the key right?{hint}")


def _is_accepted(exchange: Exchange | None) -> bool:
    return exchange is not None and exchange.status == 200


def _needed_credits(checks: Iterable[Check], seed: int) -> int:
    """Return what the generations that *checks* inspect cost keys.valid."""
    fixtures = covering_array.fill(seed)
    names = {name for check in checks for name in check.fixtures}
    return sum(
        fixtures[name].max_cost
        for name in names
        if not fixtures[name].trigger and fixtures[name].payer == "valid"
    )


def _require_credits(rows: dict[str, AccountRow], needed: int) -> None:
    for role, message in _credit_problems(rows, needed):
        raise MockhubError(f"keys.{role} has {rows[role].credits:g} credits, {message}")


def _credit_problems(rows: dict[str, AccountRow], needed: int) -> Iterator[tuple[str, str]]:
    valid, broke = rows["valid"].credits, rows["broke"].credits if "broke" in rows else None
    if valid is not None and valid < needed:
        hint = f", or give --budget {int(valid)}" if valid >= oracle.min_price() else ""
        yield "valid", f"and the run may spend {needed}: add credits{hint}"
    if broke is not None and broke >= oracle.min_price():
        cause = "are the keys swapped?"
        if broke == valid:
            cause = "it has as many as valid: is it the same user, or do all keys read one balance?"
        yield "broke", f"enough for an image: it must not be able to pay; {cause}"
