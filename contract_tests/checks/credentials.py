"""Keys outside a Bearer header, partial keys, and keys in responses (AUTH-7 to AUTH-11)."""

from __future__ import annotations

from base64 import b64encode

from mockhub.verify import oracle
from mockhub.verify.assertions import expect, expect_error
from mockhub.verify.check import check
from mockhub.verify.client import RawKey
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import (
    PROTECTED_FIXTURES,
    expect_unauthorized,
    provoke_errors,
)
from mockhub.verify.outcomes import Failed, Skipped
from mockhub.verify.polling import unknown_key

_MIN_PRICE = oracle.min_price()
_ORIGIN = "https://page.example"


@check("AUTH-8", fixtures=PROTECTED_FIXTURES, cost=7 * _MIN_PRICE, pays_nothing=True)
def auth_rejects_key_outside_bearer_header(context: CheckContext) -> None:
    """Reject another scheme, an empty token, and a key outside the Authorization header."""
    valid = context.profile.keys["valid"]
    encoded = [b64encode(pair.encode()).decode() for pair in (f":{valid}", f"{valid}:")]
    basic = [f"Basic {credentials}" for credentials in (valid, *encoded)]
    for value in (*basic, f"Token {valid}", valid, "Bearer"):
        case = f"with Authorization: {value.replace(valid, '<key>')}"
        expect_unauthorized(context, case=case, key=None, headers={"Authorization": value})
    for name in ("X-API-Key", "Api-Key", "Cookie"):
        value = f"api_key={valid}; key={valid}" if name == "Cookie" else valid
        case = f"with the key in {name}"
        expect_unauthorized(context, "missingApiKey", case=case, key=None, headers={name: value})
    parameters = ("key", "api_key", "apiKey", "token", "access_token", "authorization")
    for name in parameters if context.client.loopback else ():  # a URL may be logged on its way
        exchange = context.client.get(f"credits?{name}={valid}", key=None)
        expect_error(exchange, 401, "missingApiKey")


@check("AUTH-9", fixtures=PROTECTED_FIXTURES, cost=4 * _MIN_PRICE, pays_nothing=True)
def auth_compares_whole_key(context: CheckContext) -> None:
    """Reject a prefix of a key, its other case, and a key with trailing characters."""
    valid = context.profile.keys["valid"]
    secret = valid.removeprefix("gih_live_")
    variants = {
        "with a prefix of the key": valid[:-1],
        "with half of the key": valid[: len(valid) // 2],
        "with the key and another character": valid + "x",
        "with the key twice": valid + valid,
        "with the key in upper case": valid.upper(),
        "with the key in swapped case": "gih_live_" + secret.swapcase(),
        "with the key without its prefix": secret,
        "with the prefix alone": "gih_live_",
    }
    for case, raw in variants.items():
        if raw not in context.profile.keys.values():
            expect_unauthorized(context, "invalidApiKey", case=case, key=RawKey(raw))


@check("AUTH-8", fixtures=("example",))
def responses_allow_no_foreign_origin_with_credentials(context: CheckContext) -> None:
    """Allow no arbitrary origin of a page to send the credentials of its user (CORS)."""
    url = f"{context.profile.base_url}/api/v1/credits"
    headers = {"Origin": _ORIGIN}
    preflight = headers | {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    exchanges = [
        context.client.get("credits", headers=headers),
        context.client.get("credits", key=None, headers=headers),
    ]
    if not context.client.read_only:
        exchanges.append(context.client.send("OPTIONS", url, headers=preflight, unspecified=True))
    for exchange in exchanges:
        origin = exchange.headers.get("access-control-allow-origin", "")
        with_credentials = exchange.headers.get("access-control-allow-credentials", "")
        if with_credentials.lower() == "true" and origin in ("*", _ORIGIN):
            message = f"Access-Control-Allow-Origin is {origin}, with credentials"
            raise Failed(message, exchange, expected="no Access-Control-Allow-Credentials")


@check("AUTH-10", cost=4 * _MIN_PRICE, pays_nothing=True)
def auth_precedes_body_validation(context: CheckContext) -> None:
    """Reject an invalid body without a valid key with 401 instead of 400."""
    post = context.client.post
    for key, code in ((None, "missingApiKey"), (unknown_key(), "invalidApiKey")):
        expect_error(post(context.request_body(n=0), key=key), 401, code)
        expect_error(post(raw=("application/json", b"{"), key=key), 401, code)
        expect_error(post(raw=("text/plain", b"x"), key=key), 401, code)
        expect_error(post(form={"n": "9"}, key=key), 401, code)
        expect_error(post(raw=("multipart/form-data", b"x"), key=key), 401, code)


@check("AUTH-11", pays_nothing=True)
def models_ignore_invalid_credentials(context: CheckContext) -> None:
    """Return the model list whatever the Authorization header is."""
    for value in ("Bearer gih_live_" + "0" * 32, "Bearer x", "Basic eDp5", "nonsense"):
        expect(context.client.get("models", key=None, headers={"Authorization": value}), 200)


@check("AUTH-7")
def responses_contain_no_keys(context: CheckContext) -> None:
    """Never return a raw key in a response."""
    secrets = context.profile.keys.values()
    provoke_errors(context)
    for exchange in context.client.exchanges:
        if any(raw in exchange.request.url for raw in secrets):
            continue  # a response may repeat the URL that a check sent
        headers = " ".join(exchange.headers.values())
        if any(raw.encode() in exchange.content or raw in headers for raw in secrets):
            raise Failed("a response contains a raw key", exchange, expected="no key in responses")
    if not context.client.exchanges:
        raise Skipped("no request was sent")
