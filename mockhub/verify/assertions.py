"""Assertions about responses: each returns what it checked, or raises a `CheckOutcome`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self, TypeVar, cast

from mockhub.spec.operations import OperationId
from mockhub.spec.schema_errors import schema_errors
from mockhub.verify import oracle
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive, failures_about

T = TypeVar("T")

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:?00)")
_MAX_SHOWN = 60  # characters of a value in a message
_JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
_ERROR_SHAPE = '{"error": {"message": "...", "code": "..."}}'


def require_response(exchange: Exchange) -> Exchange:
    """Return *exchange* if it has a response that can be checked."""
    if exchange.error == "closed":
        raise Failed("the server closed the connection without a response", exchange)
    if exchange.error:
        raise Inconclusive(exchange.describe(), exchange)
    if exchange.status == 429 or (exchange.status == 503 and "retry-after" in exchange.headers):
        raise Inconclusive(f"the server is throttling: HTTP {exchange.status}", exchange)
    return exchange


def expect(exchange: Exchange, status: int) -> JsonObject:
    """Require *status* and return the JSON object of the response."""
    _require_status(exchange, status, f"HTTP {status}")
    return require_object(exchange)


def expect_error(exchange: Exchange, status: int, *codes: str) -> str:
    """Require *status* and return the error code, one of *codes* if any are given."""
    expected = f"HTTP {status} with error.code {' or '.join(codes) or '(any)'}"
    _require_status(exchange, status, expected)
    code = error_code(exchange)
    if codes and code not in codes:
        raise Failed(f"error.code is {code!r}", exchange, expected=expected)
    return code


def _require_status(exchange: Exchange, status: int, expected: str) -> None:
    if require_response(exchange).status != status:
        message = f"HTTP {exchange.status} where {status} was expected"
        raise Failed(message, exchange, expected=expected)


def require_object(exchange: Exchange) -> JsonObject:
    """Return the JSON object of a response, whatever its status."""
    body = require_json(exchange)
    if not isinstance(body, dict):
        raise Failed(f"the body is a {json_type(body)}", exchange, expected="a JSON object")
    return body


def require_json(exchange: Exchange) -> Any:
    """Return the JSON of a response, whatever its status."""
    try:
        return require_response(exchange).parse_json()
    except ValueError:
        raise Failed("the body is not JSON", exchange, expected="JSON") from None


def error_code(exchange: Exchange, clause: str = "ERR-1") -> str:
    """Return the code of an error in the documented shape.

    Another shape violates *clause*, unless it is open what such a request gets.
    """
    try:
        body = require_object(exchange)
        require_field(body, "error", dict, exchange)
        require_field(body, "error.message", str, exchange)
        return require_field(body, "error.code", str, exchange)
    except Failed as failure:
        failure.expected = _ERROR_SHAPE
        failure.clause = "" if exchange.request.unspecified else clause
        raise


def require_field(
    body: object,
    path: str,
    expected_type: type[T],
    exchange: Exchange,
    *,
    allow_empty: bool = True,
) -> T:
    """Return the value at a dotted *path* of *body*, of *expected_type*; int accepts any number."""
    value, expected = body, f"{path}: {_type_name(expected_type)}"
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise Failed(f"{path} is missing", exchange, expected=expected)
        value = value[name]
    if expected_type is int and isinstance(value, float):
        return cast(T, int(value) if value.is_integer() else value)
    if not isinstance(value, expected_type) or (
        isinstance(value, bool) and expected_type is not bool
    ):
        raise Failed(f"{path} is {json_type(value)}", exchange, expected=expected)
    if not allow_empty and not value:
        raise Failed(f"{path} is empty", exchange, expected=f"{path}: not empty")
    return value


def assert_equal(
    actual: object, expected: object, what: str, *exchanges: Exchange, clause: str = ""
) -> None:
    """Require *actual* to equal *expected*; a boolean equals no number."""
    if actual != expected or isinstance(actual, bool) != isinstance(expected, bool):
        expectation = f"{what}: {expected!r}"
        raise Failed(f"{what} is {actual!r}", *exchanges, expected=expectation, clause=clause)


def require_timestamp(value: object, what: str, exchange: Exchange) -> datetime:
    """Return the time of an ISO 8601 timestamp in UTC (GEN-8)."""
    expected = f"{what}: ISO 8601 in UTC, such as 2026-04-30T08:00:00.000Z"
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        raise Failed(f"{what} is {value!r}", exchange, expected=expected)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        message = f"{what} is {value!r}, which does not exist"
        raise Failed(message, exchange, expected=expected) from None


def json_type(value: object) -> str:
    """Return the JSON type of *value*, with the value if it is a scalar."""
    if value is None:
        return "null"
    name = _JSON_TYPES.get(type(value), "object")
    return name if name in ("array", "object") else f"{name} {str(value)[:_MAX_SHOWN]!r}"


def _type_name(expected_type: type) -> str:
    names: dict[type, str] = {int: "a number", str: "a string", list: "an array", dict: "an object"}
    return names.get(expected_type, expected_type.__name__)


def balance_object(body: JsonObject, exchange: Exchange) -> JsonObject:
    """Return the balance object; the documentation does not show whether it is nested (CRD-2)."""
    if "credits" in body:
        return body
    for value in body.values():
        if isinstance(value, dict) and "credits" in value:
            return value
    raise Failed("credits is missing", exchange, expected="credits: a number")


def has_balance(body: JsonObject) -> bool:
    """Return whether a response has a balance, nested or not."""
    return any("credits" in part for part in (body, *body.values()) if isinstance(part, dict))


def find_balance(body: JsonObject, exchange: Exchange) -> int:
    """Return the credits in the response of GET /api/v1/credits."""
    return _round(require_field(balance_object(body, exchange), "credits", int, exchange))


def response_balance(body: JsonObject, exchange: Exchange) -> int:
    """Return the credits in the response of a generation (GEN-7)."""
    return _round(require_field(body, "balance.credits", int, exchange))


def _round(credits: int) -> int:
    """Return a balance, which may be fractional, without the error of its binary fraction."""
    return round(credits, 6)


def assert_common_fields(body: object, exchange: Exchange) -> None:
    """Require the fields that every published response about a generation has."""
    assert_field(body, "object", "image_generation", exchange)
    assert_field(body, "model", oracle.MODEL, exchange)
    for name in ("id", "status", "aspect_ratio", "quality"):
        require_field(body, name, str, exchange, allow_empty=False)
    require_field(body, "images", list, exchange)
    require_field(body, "usage", dict, exchange)


def assert_image_fields(images: Sequence[object], exchange: Exchange) -> None:
    """Require the documented fields of images, and no image twice."""
    seen = set()
    for image in images:
        if not isinstance(image, dict):
            raise Failed(f"an image is {json_type(image)}", exchange, expected="an object")
        assert_equal(
            require_field(image, "object", str, exchange), "image", "images.object", exchange
        )
        for name in ("id", "url"):
            require_field(image, name, str, exchange, allow_empty=False)
        require_field(image, "created_at", str, exchange)
        seen.add((image["id"], image["url"]))
    if len(seen) < len(images):
        raise Failed("the same image is delivered twice", exchange, expected="different images")


def assert_expiration(balance: JsonObject, exchange: Exchange) -> None:
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


def assert_distinct_generations(exchanges: Sequence[Exchange]) -> None:
    """Require each response to be about another generation."""
    ids = [
        require_field(expect(exchange, exchange.status), "id", str, exchange)
        for exchange in exchanges
    ]
    if len(set(ids)) < len(ids):
        raise Failed("two requests returned the same generation", *exchanges, expected="one each")


def assert_field(body: object, path: str, expected: object, exchange: Exchange) -> None:
    """Require the value at a dotted *path* of *body* to equal *expected*."""
    assert_equal(require_field(body, path, type(expected), exchange), expected, path, exchange)


def assert_matches_schema(exchange: Exchange, operation: OperationId, status: int = 200) -> None:
    """Require a response to match its schema in the API spec."""
    validator = oracle.response_validator(operation, status)
    for error in schema_errors(validator, expect(exchange, status)):
        pointer = "/".join(str(part) for part in error.instance_path) or "the body"
        raise Failed(
            f"{pointer}: {error.message[:200]}",
            exchange,
            expected=f"the schema of the {status} response of {operation}",
        )


class FailedCases:
    """Collect the failures of several cases, so that one report shows them all.

    Attributes:
        may_continue: False after a request that should be rejected was accepted, and so may have
            cost credits.
    """

    def __init__(self) -> None:
        self._failures: list[Failed] = []
        self.may_continue = True

    @contextmanager
    def case(self, description: str, clause: str = "") -> Iterator[None]:
        """Collect a failure within; it is about *clause*, unless it names another one."""
        try:
            yield
        except Failed as failure:
            failed = failure.exchanges[:1]
            self.may_continue = not any(
                exchange.request.method == "POST" and exchange.status < 300 for exchange in failed
            )
            failure.message = f"{description}: {failure.message}"
            failure.clause = failure.clause or clause
            self._failures.append(failure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise one failure for all of them, about the clause of the first."""
        if self._failures and (error is None or isinstance(error, CheckOutcome)):
            first = self._failures[0]
            raise Failed(
                "; ".join(failure.message for failure in self._failures),
                *(exchange for failure in self._failures for exchange in failure.exchanges),
                expected=" or ".join(dict.fromkeys(each.expected for each in self._failures)),
                clause=first.clause,
                rejected_with=first.rejected_with,
            ) from None


def require_complete_balance(exchange: Exchange) -> int:
    """Return the credits of a balance that has all documented fields (CRD-2)."""
    body = expect(exchange, 200)
    with failures_about("CRD-2"):
        balance = balance_object(body, exchange)
        credits = require_field(balance, "credits", int, exchange)
        require_field(balance, "account_type", str, exchange, allow_empty=False)
        assert_expiration(balance, exchange)
    return credits
