"""API keys: missing, unknown, revoked and expired (AUTH-1 to AUTH-6, ERR-3)."""

from __future__ import annotations

from collections.abc import Iterator

from mockhub.verify import oracle
from mockhub.verify.assertions import expect_error, has_balance, require_response
from mockhub.verify.check import check
from mockhub.verify.client import RawKey
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import (
    OVERRIDE_HEADERS,
    PROTECTED_FIXTURES,
    expect_error_codes,
    expect_errors,
    expect_unauthorized,
)
from mockhub.verify.generation import UNKNOWN_KEY
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive
from mockhub.verify.polling import unknown_key

_MIN_PRICE = oracle.min_price()
_MAX_SIMULTANEOUS = 15
# What a server may trust because only its own proxies should send it.
_HEADERS_OF_PROXIES = dict.fromkeys(
    ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP"), "127.0.0.1"
) | dict.fromkeys(("X-User", "X-Forwarded-User", "X-Remote-User", "Remote-User"), "admin")


@check("AUTH-2", "AUTH-1", pays_nothing=True)
def auth_accepts_valid_key(context: CheckContext) -> None:
    """Accept Authorization: Bearer with a valid key."""
    exchange = require_response(context.client.get("credits"))
    if exchange.status in (401, 403):
        if _accepted_elsewhere(context):
            raise Failed("only GET /credits rejects the key", exchange, expected="HTTP 200")
        if _all_keys_rejected(context):
            raise Failed("every key of the profile is rejected", exchange, expected="HTTP 200")
        raise Inconclusive("HTTP 401 with keys.valid; is the key right?", exchange)


def _all_keys_rejected(context: CheckContext) -> bool:
    """Return whether other accounts' keys are rejected too; they are hardly all wrong."""
    _, *others = context.profile.account_roles
    rejected = [context.client.get("credits", key=role).status == 401 for role in others]
    return bool(rejected) and all(rejected)


def _accepted_elsewhere(context: CheckContext) -> bool:
    exchange = context.client.get("generations/clx_no_such_generation")
    if exchange.status == 404:
        return True
    try:
        return context.generation("example").accepted
    except CheckOutcome:
        return False


@check(
    "AUTH-3", "AUTH-1", "ERR-3", fixtures=PROTECTED_FIXTURES, cost=4 * _MIN_PRICE, pays_nothing=True
)
def auth_rejects_missing_header(context: CheckContext) -> None:
    """Reject requests without an Authorization header with 401 missingApiKey."""
    try:
        expect_unauthorized(context, "missingApiKey", case="without a key", key=None, turns=4)
    except Failed as failure:
        if any(exchange.status < 400 for exchange in failure.exchanges):
            failure.clause = "AUTH-1"  # the key is not needed; not only the error is wrong
        raise


@check("AUTH-4", "ERR-3", fixtures=PROTECTED_FIXTURES, cost=4 * _MIN_PRICE, pays_nothing=True)
def auth_rejects_unknown_key(context: CheckContext) -> None:
    """Reject a key that does not exist with 401 invalidApiKey on every operation."""
    key = unknown_key()
    expect_unauthorized(context, "invalidApiKey", case="with an unknown key", key=key, turns=4)
    for generation in context.history:
        if read := generation.other_reads.get(UNKNOWN_KEY):
            expect_error(read, 401, "invalidApiKey")


@check("AUTH-4", cost=2 * _MIN_PRICE, pays_nothing=True)
def auth_rejects_similar_key(context: CheckContext) -> None:
    """Reject a key that only begins or ends like a valid one with 401 invalidApiKey."""
    valid = context.profile.keys["valid"]
    half = len(valid) // 2
    filler = "q" if valid[-1] != "q" else "p"
    similar_keys = {
        "a key whose last character is different": valid[:-1] + filler,
        "a key whose second half is different": valid[:half] + filler * (len(valid) - half),
        "a key whose first half is different": "gih_live_" + filler * (half - 9) + valid[half:],
    }
    cases = {case: raw for case, raw in similar_keys.items() if len(raw) == len(valid)}
    cases["a key that is too short"] = "gih_live_short"
    expect_errors(
        (
            (case, context.client.get("credits", key=RawKey(raw)))
            for case, raw in cases.items()
            if raw not in context.profile.keys.values()
        ),
        401,
        "invalidApiKey",
    )


@check(
    "AUTH-5",
    "ERR-3",
    requires=("revoked",),
    fixtures=PROTECTED_FIXTURES,
    cost=_MIN_PRICE,
    pays_nothing=True,
)
def auth_rejects_revoked_key(context: CheckContext) -> None:
    """Reject a revoked key with 401 invalidApiKey on every operation."""
    expect_unauthorized(context, "invalidApiKey", case="with a revoked key", key="revoked", turns=4)


@check(
    "AUTH-6",
    "ERR-3",
    requires=("expired",),
    fixtures=PROTECTED_FIXTURES,
    cost=_MIN_PRICE,
    pays_nothing=True,
)
def auth_rejects_expired_key(context: CheckContext) -> None:
    """Reject an expired key with 401 expiredApiKey on every operation."""
    expect_unauthorized(
        context, "expiredApiKey", case="with an expired key", key="expired", turns=4
    )


@check("AUTH-1", level="inferred", fixtures=("example",))
def auth_guards_every_spelling_of_a_path(context: CheckContext) -> None:
    """Return nothing of an account without its key, however the path is spelled."""
    id = context.completed("example").id or ""
    foreign = ["other"] if "other" in context.profile.keys else []
    requests = [
        SimultaneousRequest(key, path=url, headers=headers, unspecified=True)
        for resource, keys in (
            ("credits", [None, unknown_key()]),
            (f"generations/{id}", [None, unknown_key(), *foreign]),
        )
        for key in keys
        for url, headers in _spellings(context.profile.base_url, resource)
    ]
    for start in range(0, len(requests), _MAX_SIMULTANEOUS):
        batch = requests[start : start + _MAX_SIMULTANEOUS]
        for exchange in context.client.send_simultaneously(batch):
            body = exchange.json_object
            if exchange.status == 200 and (has_balance(body) or (id and body.get("id") == id)):
                message = f"{exchange.label}, without the key of the account"
                raise Failed(message, exchange, expected="401, 404 or another error")


def _spellings(base_url: str, resource: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Iterate over URLs and headers that a router may take for a resource."""
    for path in (
        f"api/v1//{resource}",
        f"/api/v1/{resource}",
        f"api/v1/{resource}/",
        f"api/v1/./{resource}",
        f"api/v1/models/../{resource}",
        f"api/v1/models/%2e%2e/{resource}",
        f"api/v1/%{ord(resource[0]):02x}{resource[1:]}",
        f"api%2Fv1%2F{resource}",
        f"API/V1/{resource}",
        f"api/v1/{resource.capitalize()}",
        f"api/v1/{resource};a=b",
        f"api/v1/{resource}.json",
        f"api/v1/{resource}%20",
    ):
        yield f"{base_url}/{path}", {}
    for name in ("X-Original-URL", "X-Rewrite-URL"):
        yield f"{base_url}/api/v1/models", {name: f"/api/v1/{resource}"}
    for headers in (
        *(dict.fromkeys(OVERRIDE_HEADERS, method) for method in ("GET", "OPTIONS")),
        _HEADERS_OF_PROXIES,
    ):
        yield f"{base_url}/api/v1/{resource}", headers


@check("ERR-3")
def errors_401_have_documented_code(context: CheckContext) -> None:
    """Return missingApiKey, invalidApiKey or expiredApiKey in every 401."""
    expect_error_codes(context, 401, "missingApiKey", "invalidApiKey", "expiredApiKey")
