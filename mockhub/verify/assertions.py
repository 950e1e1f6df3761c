"""Reading answers: each reader returns what it was asked for or says what came instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mockhub.verify import oracle
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import Failed, Inconclusive

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:?00)")
_MISSING = object()


def require_response(exchange: Exchange) -> Exchange:
    """*exchange*, if there was an answer that can be judged."""
    if exchange.error == "closed":
        raise Failed("the server closed the connection without an answer", exchange)
    if exchange.error:
        raise Inconclusive(exchange.describe(), exchange)
    if exchange.status == 429 or (exchange.status == 503 and "retry-after" in exchange.headers):
        raise Inconclusive(f"the server is throttling: HTTP {exchange.status}", exchange)
    return exchange


def expect(exchange: Exchange, status: int) -> dict[str, Any]:
    """The JSON object of an answer of *status*."""
    if require_response(exchange).status != status:
        raise Failed(
            f"HTTP {exchange.status} where {status} was expected",
            exchange,
            expected=f"HTTP {status}",
        )
    return require_object(exchange)


def require_object(exchange: Exchange) -> dict[str, Any]:
    """The JSON object in an answer, whatever its status."""
    body = require_json(exchange)
    if not isinstance(body, dict):
        raise Failed(f"the body is a {json_type(body)}", exchange, expected="a JSON object")
    return body


def require_json(exchange: Exchange) -> Any:
    """The JSON in an answer, whatever its status."""
    try:
        return require_response(exchange).parse_json()
    except ValueError:
        raise Failed("the body is not JSON", exchange, expected="JSON") from None


def expect_error(exchange: Exchange, status: int, *codes: str) -> str:
    """The code of an error answer of *status*; one of *codes*, if any are given."""
    expected = f"HTTP {status} with error.code {' or '.join(codes) or '(any)'}"
    if require_response(exchange).status != status:
        raise Failed(
            f"HTTP {exchange.status} where {status} was expected", exchange, expected=expected
        )
    code = error_code(exchange)
    if codes and code not in codes:
        raise Failed(f"error.code is {code!r}", exchange, expected=expected)
    return code


def error_code(exchange: Exchange) -> str:
    """The code of an answer in the documented error shape (ERR-1)."""
    shape = '{"error": {"message": "...", "code": "..."}}'
    error = require_object(exchange).get("error")
    if not isinstance(error, dict):
        raise Failed("the error is not in the documented shape", exchange, expected=shape)
    for name in ("message", "code"):
        if not isinstance(error.get(name), str):
            raise Failed(f"error.{name} is {json_type(error.get(name))}", exchange, expected=shape)
    code: str = error["code"]
    return code


def require_field(
    body: Any,
    path: str,
    expected_type: type | tuple[type, ...],
    exchange: Exchange,
    *,
    allow_empty: bool = True,
) -> Any:
    """The value at a dotted *path* of *body*, of a *wanted* type; int stands for any number."""
    value = body
    for name in path.split("."):
        value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            raise Failed(
                f"{path} is missing", exchange, expected=f"{path}: {_type_names(expected_type)}"
            )
    if expected_type is int and isinstance(value, float):
        return int(value) if value.is_integer() else round(value, 6)
    if not isinstance(value, expected_type) or (
        isinstance(value, bool) and expected_type is not bool
    ):
        raise Failed(
            f"{path} is {json_type(value)}",
            exchange,
            expected=f"{path}: {_type_names(expected_type)}",
        )
    if not allow_empty and not value:
        raise Failed(f"{path} is empty", exchange, expected=f"{path}: not empty")
    return value


def assert_equal(expected: Any, found: Any, what: str, *exchanges: Exchange) -> None:
    """Say that *found* is not what was *expected*, if it is not."""
    if expected != found or isinstance(found, bool) != isinstance(expected, bool):
        raise Failed(f"{what} is {found!r}", *exchanges, expected=f"{what}: {expected!r}")


def require_timestamp(value: Any, what: str, exchange: Exchange) -> datetime:
    """The moment that an ISO 8601 text in UTC names (GEN-8)."""
    expected = f"{what}: ISO 8601 in UTC, such as 2026-04-30T08:00:00.000Z"
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        raise Failed(f"{what} is {value!r}", exchange, expected=expected)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise Failed(
            f"{what} is {value!r}, which is no moment", exchange, expected=expected
        ) from None


def json_type(value: Any) -> str:
    """What *value* is, in JSON's words."""
    if value is _MISSING or value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "array"}
    type_name = names.get(type(value), "object")
    return (
        f"{type_name} {str(value)[:60]!r}"
        if type_name in ("text", "number", "boolean")
        else type_name
    )


def _type_names(expected_type: type | tuple[type, ...]) -> str:
    names = {int: "a number", str: "a text", list: "an array", dict: "an object"}
    types = expected_type if isinstance(expected_type, tuple) else (expected_type,)
    return " or ".join(names.get(one, one.__name__) for one in types)


def balance_object(body: Mapping[str, Any], exchange: Exchange) -> Mapping[str, Any]:
    """The object that tells the balance; the page does not show whether it is nested (CRD-2)."""
    if "credits" in body:
        return body
    for value in body.values():
        if isinstance(value, dict) and "credits" in value:
            return value
    raise Failed("credits is missing", exchange, expected="credits: a number")


def find_balance(body: Mapping[str, Any], exchange: Exchange) -> int:
    """The credits in the answer of GET /api/v1/credits."""
    credits: int = require_field(balance_object(body, exchange), "credits", int, exchange)
    return credits


def assert_common_fields(body: Any, exchange: Exchange) -> None:
    """What every published answer about a generation has."""
    assert_equal(
        "image_generation", require_field(body, "object", str, exchange), "object", exchange
    )
    assert_equal(oracle.MODEL, require_field(body, "model", str, exchange), "model", exchange)
    for name in ("id", "status", "aspect_ratio", "quality"):
        require_field(body, name, str, exchange, allow_empty=False)
    require_field(body, "images", list, exchange)
    require_field(body, "usage", dict, exchange)


def assert_image_fields(images: list[Any], exchange: Exchange) -> None:
    """Hold images to their documented fields."""
    for image in images:
        if not isinstance(image, dict):
            raise Failed(f"an image is {json_type(image)}", exchange, expected="an object")
        assert_equal(
            "image", require_field(image, "object", str, exchange), "images.object", exchange
        )
        for name in ("id", "url"):
            require_field(image, name, str, exchange, allow_empty=False)
        require_field(image, "created_at", str, exchange)
    if len({(image["id"], image["url"]) for image in images}) < len(images):
        raise Failed("the same image is delivered twice", exchange, expected="different images")


def assert_expiration(balance: Mapping[str, Any], exchange: Exchange) -> None:
    """Require next_expiration to be a timestamp or null; the documentation shows only null."""
    expected = "a timestamp or null"
    if "next_expiration" not in balance:
        raise Failed("next_expiration is missing", exchange, expected=expected)
    value = balance["next_expiration"]
    if value is None:
        return
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Failed(f"next_expiration is {value!r}", exchange, expected=expected) from None


def assert_distinct_generations(exchanges: list[Exchange]) -> None:
    """Require each response to be about a generation of its own."""
    ids = [require_field(expect(one, one.status), "id", str, one) for one in exchanges]
    if len(set(ids)) < len(ids):
        raise Failed(
            "two requests were answered with one generation", *exchanges, expected="one each"
        )
