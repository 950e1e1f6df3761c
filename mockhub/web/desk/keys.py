"""API keys: made, listed, expired and revoked."""

from __future__ import annotations

from mockhub.spec.document import nearest
from mockhub.web.desk import views
from mockhub.web.desk.call import Call, missing
from mockhub.world.accounts import Key, key_digest


def list_keys(call: Call) -> object:
    """Every key, none of them raw."""
    return {"keys": [views.key(key) for key in call.hub.keys.values()]}


def make_key(call: Call) -> object:
    """A key; its raw form is in this answer only (AUTH-7)."""
    hub, account = call.hub, call.account_named(call.body["account"])
    raw = hub.add_key(account.id, name=call.body.get("name", ""), expires_at=call.expiry())
    return {**views.key(hub.keys[key_digest(raw.encode())]), "key": raw}


def expire_key(call: Call) -> object:
    """Let it expire at a moment, or never."""
    return views.key(call.hub.expire(_key(call).digest, call.expiry()))


def revoke_key(call: Call) -> object:
    """Let it open nothing."""
    return views.key(call.hub.revoke(_key(call).digest))


def _key(call: Call) -> Key:
    """The key of that id, or the only one of that name."""
    keys, asked = call.hub.keys.values(), call.arguments["key"]
    found = [key for key in keys if asked in (views.key_id(key), key.name)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(views.key_id(key) for key in found)
        raise missing(f"{len(found)} keys are named {asked!r}; expected one of the ids {ids}")
    known = [*(key.name for key in keys), *(views.key_id(key) for key in keys)]
    raise missing(f"there is no key {asked!r}{nearest(asked, known)}; expected an id or a name")
