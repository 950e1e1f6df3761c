"""Control-plane handlers for API keys."""

from __future__ import annotations

from mockhub._text import suggest
from mockhub.control import serializers
from mockhub.control.context import ControlRequest, not_found
from mockhub.domain.keys import ApiKey, key_digest


def list_keys(request: ControlRequest) -> object:
    hub = request.hub
    return {"keys": [serializers.key(key, hub) for key in hub.keys.values()]}


def create_key(request: ControlRequest) -> object:
    """Create a key; only this response has it raw (AUTH-7)."""
    hub, account = request.hub, request.find_account(request.body["account"])
    raw = hub.add_key(
        account.id, name=request.body.get("name", ""), expires_at=request.parse_expiry()
    )
    return {**serializers.key(hub.keys[key_digest(raw.encode())], hub), "key": raw}


def expire_key(request: ControlRequest) -> object:
    hub = request.hub
    key = hub.keys.set_expiry(
        find_key(request, request.path_params["key"]).digest, request.parse_expiry()
    )
    return serializers.key(key, hub)


def revoke_key(request: ControlRequest) -> object:
    hub = request.hub
    return serializers.key(
        hub.keys.revoke(find_key(request, request.path_params["key"]).digest), hub
    )


def find_key(request: ControlRequest, id_or_name: str) -> ApiKey:
    """Find a key of the hub by its id, or by its name if it is unique; raises ApiError 404."""
    keys = request.hub.keys.values()
    matches = [key for key in keys if id_or_name in (serializers.key_id(key), key.name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(serializers.key_id(key) for key in matches)
        raise not_found(
            f"{len(matches)} keys are named {id_or_name!r}; expected one of the ids {ids}"
        )
    known = [*(key.name for key in keys), *(serializers.key_id(key) for key in keys)]
    raise not_found(
        f"there is no key {id_or_name!r}{suggest(id_or_name, known)}; expected an id or a name"
    )
