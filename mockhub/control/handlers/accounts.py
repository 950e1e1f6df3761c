"""Control-plane handlers for accounts, credits and ledgers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

from mockhub.control import serializers
from mockhub.control.context import ControlRequest, conflict
from mockhub.domain.accounts import Account
from mockhub.domain.ledger import Entry


def list_accounts(request: ControlRequest) -> object:
    hub = request.hub
    return {"accounts": [serializers.account(account, hub) for account in hub.accounts.values()]}


def create_account(request: ControlRequest) -> object:
    hub, id = request.hub, request.body["id"]
    if id in hub.accounts:
        raise conflict(f"there is an account {id!r} already; grant it credits, or choose another")
    account = hub.create_account(
        id, account_type=request.body["account_type"], credits=request.body.get("credits", 0)
    )
    return serializers.account(account, hub)


def get_account(request: ControlRequest) -> object:
    return serializers.account(request.account, request.hub)


def grant_credits(request: ControlRequest) -> object:
    account = request.account
    request.hub.grant(account, request.body["credits"], expires_at=request.parse_expiry())
    return serializers.account(account, request.hub)


def list_entries(request: ControlRequest) -> object:
    account, query = request.account, request.query_params
    generation, before = query.get("generation"), query.get("before", math.inf)
    entries = (
        (number, entry, balance)
        for number, entry, balance in _newest_first(account)
        if number < before and generation in (None, entry.generation)
    )
    latest = [serializers.ledger_entry(*one) for one in islice(entries, query["limit"])]
    total = account.evicted_count + len(account.entries)
    return {"total": total, "stored": len(account.entries), "entries": latest[::-1]}


def _newest_first(account: Account) -> Iterator[tuple[int, Entry, int]]:
    """Yield the number of each entry, the entry, and the balance after it."""
    number, balance = account.evicted_count + len(account.entries), account.balance
    for entry in reversed(account.entries):
        yield number, entry, balance
        number, balance = number - 1, balance - entry.credits
