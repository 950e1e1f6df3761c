"""Control-plane handlers for accounts, credits and ledgers."""

from __future__ import annotations

from mockhub.control import serializers
from mockhub.control.context import ControlRequest, conflict


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
    generation, limit = request.query_params.get("generation"), request.query_params["limit"]
    entries = [
        entry
        for entry in request.account.entries
        if generation is None or entry.generation == generation
    ]
    return {"entries": [serializers.ledger_entry(entry) for entry in entries[-limit:]]}
