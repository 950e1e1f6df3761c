"""Credentials in another form or place, and key secrecy (AUTH-7 to AUTH-11)."""

from __future__ import annotations

from base64 import b64encode

from mockhub.verify import oracle
from mockhub.verify.assertions import expect, expect_error
from mockhub.verify.check import check
from mockhub.verify.client import RawKey
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_unauthorized, unknown_key
from mockhub.verify.outcomes import Failed, Skipped


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


@check("AUTH-11")
def models_ignore_invalid_credentials(context: CheckContext) -> None:
    """The list is public whatever Authorization header comes along."""
    for header in ("Bearer gih_live_" + "0" * 32, "Bearer x", "Basic eDp5", "nonsense"):
        expect(context.client.get("models", key=None, headers={"Authorization": header}), 200)


@check("AUTH-7")
def responses_contain_no_keys(context: CheckContext) -> None:
    """No answer contains a raw key."""
    secrets = context.profile.keys.values()
    for exchange in context.client.exchanges:
        if any(raw in exchange.request.url for raw in secrets):
            continue  # the suite itself put it into the address
        head = " ".join(exchange.headers.values())
        for raw in secrets:
            if raw.encode() in exchange.content or raw in head:
                raise Failed(
                    "an answer contains a raw key", exchange, expected="no key in any answer"
                )
    if not context.client.exchanges:
        raise Skipped("nothing was exchanged")
