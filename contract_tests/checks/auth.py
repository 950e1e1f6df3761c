"""API keys: missing, unknown, revoked and expired (AUTH-1 to AUTH-6, ERR-3)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import expect_error, require_response
from mockhub.verify.check import check
from mockhub.verify.client import RawKey
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_error_codes, expect_unauthorized, unknown_key
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive

_SHORT_KEY_LENGTH = len("gih_live_short")
_MAX_COST = 3 * oracle.min_price()


@check("AUTH-2", "AUTH-1")
def auth_accepts_valid_key(context: CheckContext) -> None:
    """Authorization: Bearer with the valid key is let in."""
    exchange = require_response(context.client.get("credits"))
    if exchange.status in (401, 403):
        if _accepted_elsewhere(context):
            raise Failed("the valid key is refused here alone", exchange, expected="HTTP 200")
        if _all_keys_rejected(context):
            raise Failed("every key of the profile is refused", exchange, expected="HTTP 200")
        raise Inconclusive("the key keys.valid is refused; is it right?", exchange)


def _all_keys_rejected(context: CheckContext) -> bool:
    """Whether other accounts' keys are refused too; that they are all wrong is unlikely."""
    others = [role for role in ("other", "low", "broke") if role in context.profile.keys]
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


@check("AUTH-1", "AUTH-3", "ERR-3", fixtures=("example",), cost=oracle.min_price())
def auth_rejects_missing_header(context: CheckContext) -> None:
    """Without an Authorization header each operation but the model list is 401 missingApiKey."""
    expect_unauthorized(context, "missingApiKey", case="without a key", key=None)


@check("AUTH-4", "ERR-3", fixtures=("example",), cost=_MAX_COST)
def auth_rejects_unknown_key(context: CheckContext) -> None:
    """A key that does not exist is 401 invalidApiKey on each operation."""
    token = RawKey(unknown_key(context))
    expect_unauthorized(context, "invalidApiKey", case="with an unknown key", key=token)


@check("AUTH-4", cost=2 * oracle.min_price())
def auth_rejects_similar_key(context: CheckContext) -> None:
    """A key that only begins or ends as a valid one does not exist."""
    valid = context.profile.keys["valid"]
    half = len(valid) // 2
    replacement = "q" if valid[-1] != "q" else "p"
    similar_keys = {
        "whose last character is another": valid[:-1] + replacement,
        "whose second half is another": valid[:half] + replacement * (len(valid) - half),
        "whose first half is another": "gih_live_" + replacement * (half - 9) + valid[half:],
    }
    similar_keys["that is far too short"] = "gih_live_short"
    for case, raw in similar_keys.items():
        if raw in context.profile.keys.values() or len(raw) not in (len(valid), _SHORT_KEY_LENGTH):
            continue
        exchange = context.client.get("credits", key=RawKey(raw))
        try:
            expect_error(exchange, 401, "invalidApiKey")
        except Failed as failure:
            raise Failed(
                f"a key {case}: {failure.message}", exchange, expected=failure.expected
            ) from None


@check("AUTH-5", "ERR-3", requires=("revoked",), fixtures=("example",), cost=oracle.min_price())
def auth_rejects_revoked_key(context: CheckContext) -> None:
    """A revoked key is 401 invalidApiKey on each operation."""
    expect_unauthorized(context, "invalidApiKey", case="with a revoked key", key="revoked")


@check("AUTH-6", "ERR-3", requires=("expired",), fixtures=("example",), cost=oracle.min_price())
def auth_rejects_expired_key(context: CheckContext) -> None:
    """An expired key is 401 expiredApiKey on each operation."""
    expect_unauthorized(context, "expiredApiKey", case="with an expired key", key="expired")


@check("AUTH-4", "AUTH-3", cost=2 * oracle.min_price())
def auth_applies_to_forms_and_tasks(context: CheckContext) -> None:
    """Forms and asynchronous requests are turned away like any other."""
    client, cost = context.client, oracle.min_price()
    with context.expect_no_charge("a form or a task without a good key"):
        expect_error(
            client.post(form=context.form_fields(), key=None, cost=cost), 401, "missingApiKey"
        )
        expect_error(
            client.post(context.request_body(**{"async": True}), key=None, cost=cost),
            401,
            "missingApiKey",
        )
        token = RawKey(unknown_key(context))
        expect_error(
            client.post(form=context.form_fields(), key=token, cost=cost), 401, "invalidApiKey"
        )
        expect_error(
            client.post(context.request_body(**{"async": True}), key=token, cost=cost),
            401,
            "invalidApiKey",
        )


@check("ERR-3")
def errors_401_have_documented_code(context: CheckContext) -> None:
    """Every 401 is missingApiKey, invalidApiKey or expiredApiKey."""
    expect_error_codes(context, 401, "missingApiKey", "invalidApiKey", "expiredApiKey")
