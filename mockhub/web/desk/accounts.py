"""Accounts, their credits and their ledgers."""

from __future__ import annotations

from mockhub.web.desk import views
from mockhub.web.desk.call import Call, conflict


def list_accounts(call: Call) -> object:
    """Every account."""
    hub = call.hub
    return {"accounts": [views.account(one, hub) for one in hub.accounts.values()]}


def make_account(call: Call) -> object:
    """An account with the credits it is given."""
    hub, id = call.hub, call.body["id"]
    if id in hub.accounts:
        raise conflict(f"there is an account {id!r} already; grant it credits, or choose another")
    account = hub.add_account(id, account_type=call.body["account_type"])
    if credits := call.body.get("credits"):
        hub.grant(account, credits)
    return views.account(account, hub)


def get_account(call: Call) -> object:
    """One account."""
    return views.account(call.account, call.hub)


def grant_credits(call: Call) -> object:
    """A lot of credits."""
    account = call.account
    call.hub.grant(account, call.body["credits"], expires_at=call.expiry())
    return views.account(account, call.hub)


def list_entries(call: Call) -> object:
    """The last entries of the ledger."""
    wanted, limit = call.query.get("generation"), call.query["limit"]
    entries = [
        entry for entry in call.account.entries if wanted is None or entry.generation == wanted
    ]
    return {"entries": [views.entry(entry) for entry in entries[-limit:]]}
