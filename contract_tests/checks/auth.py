"""Keys: who is let in, and with which code everybody else is turned away."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress

from mockhub.verify import oracle
from mockhub.verify.assertions import expect_error, require_response
from mockhub.verify.check import check
from mockhub.verify.client import RawKey
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive

_SHORT_KEY_LENGTH = len("gih_live_short")
_MAX_COST = 3 * oracle.min_price()


def protected_operations(
    context: CheckContext, **options: object
) -> Iterator[tuple[str, Callable[[], Exchange]]]:
    """Every protected operation, ready to be asked with a key or with headers of one's own."""
    client = context.client
    yield "credits", lambda: client.get("credits", **options)  # type: ignore[arg-type]
    generation_id = context.known_generation_id or "clx_no_such_generation"
    yield "retrieve", lambda: client.get(f"generations/{generation_id}", **options)  # type: ignore[arg-type]
    if not context.documented:  # whether a key is asked for before the id is looked up is open
        yield "retrieve what is not there", lambda: client.get("generations/clx_none", **options)  # type: ignore[arg-type]
    if not client.read_only:
        cost = oracle.min_price()
        yield "generate", lambda: client.post(context.request_body(), cost=cost, **options)  # type: ignore[arg-type]


def expect_unauthorized(context: CheckContext, *codes: str, case: str, **options: object) -> None:
    """Hold every protected operation to 401 with one of *codes*, and to taking nothing."""
    _remember_generation_id(context)
    with context.expect_no_charge(f"a request {case}"):
        names, requests = zip(*protected_operations(context, **options), strict=True)
        for name, exchange in zip(
            names, context.run_batch(requests, cost=oracle.min_price()), strict=True
        ):
            try:
                expect_error(exchange, 401, *codes)
            except Failed as failure:
                raise Failed(
                    f"{name}, {case}: {failure.message}",
                    *failure.exchanges,
                    expected=failure.expected,
                ) from None
    record = context.no_charge_checks[-1] if context.no_charge_checks else None
    if record and record.balance_before != record.balance_after:
        message = f"{record.description} moved the balance from {record.balance_before} to {record.balance_after}"  # noqa: E501
        raise Failed(message, record.exchange, expected=f"{record.balance_before} credits still")


def _remember_generation_id(context: CheckContext) -> None:
    """Ask for a generation that exists, so that a 404 cannot hide a missing 401."""
    with suppress(CheckOutcome):
        context.known_generation_id = context.completed("example").id


def unknown_key(context: CheckContext, tail: str = "") -> str:
    """A key of the documented form that nobody has."""
    key_format = oracle.api_spec().key_format
    secret = f"{context.seed:x}mockhubverify{tail}".ljust(key_format.length, "q")[
        : key_format.length
    ]
    return key_format.prefix + secret


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


@check("AUTH-8", fixtures=("example",), cost=7 * oracle.min_price())
def auth_rejects_key_outside_bearer_header(context: CheckContext) -> None:
    """Another scheme, an empty token, or a key outside the header is not accepted."""
    valid = context.profile.keys["valid"]
    encoded = [b64encode(pair.encode()).decode() for pair in (f":{valid}", f"{valid}:")]
    basic = [f"Basic {credentials}" for credentials in (valid, *encoded)]
    for header in (*basic, f"Token {valid}", valid, "Bearer"):
        expect_unauthorized(
            context, case=f"with Authorization: {header.replace(valid, '<key>')}",
            key=None, headers={"Authorization": header},
        )  # fmt: skip
    for name in ("X-API-Key", "Api-Key", "Cookie"):
        value = f"api_key={valid}; key={valid}" if name == "Cookie" else valid
        expect_unauthorized(
            context,
            "missingApiKey",
            case=f"with the key in {name}",
            key=None,
            headers={name: value},
        )
    for name in ("key", "api_key", "apiKey", "token", "access_token", "authorization"):
        exchange = context.client.get(f"credits?{name}={valid}", key=None)
        expect_error(exchange, 401, "missingApiKey")


@check("AUTH-9", fixtures=("example",), cost=4 * oracle.min_price())
def auth_compares_whole_key(context: CheckContext) -> None:
    """A prefix, another case or trailing characters make a key unknown."""
    valid = context.profile.keys["valid"]
    bare = valid.removeprefix("gih_live_")
    variants = {
        "a prefix of the key": valid[:-1],
        "half of the key": valid[: len(valid) // 2],
        "the key and one character more": valid + "x",
        "the key twice": valid + valid,
        "the key in upper case": valid.upper(),
        "the key in swapped case": "gih_live_" + bare.swapcase(),
        "the key without its prefix": bare,
        "the prefix alone": "gih_live_",
    }
    for case, raw in variants.items():
        if raw != valid and raw not in context.profile.keys.values():
            expect_unauthorized(context, "invalidApiKey", case=f"with {case}", key=RawKey(raw))


@check("AUTH-10", cost=oracle.min_price() * 4)
def auth_precedes_body_validation(context: CheckContext) -> None:
    """A bad body without a good key is 401, not 400."""
    malformed = ("application/json", b"{")
    for key, code in ((None, "missingApiKey"), (RawKey(unknown_key(context)), "invalidApiKey")):
        for arguments in (
            {"json": context.request_body(n=0)},
            {"raw": malformed},
            {"raw": ("text/plain", b"x")},
            {"form": {"n": "9"}},
        ):
            expect_error(context.client.post(key=key, **arguments), 401, code)
