"""Reading answers: each reader returns what it was asked for or says what came instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .exchange import Exchange
from .verdicts import Broken, Inconclusive

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:?00)")
_MISSING = object()


def answered(exchange: Exchange) -> Exchange:
    """*exchange*, if there was an answer that can be judged."""
    if exchange.lost == "closed":
        raise Broken("the server closed the connection without an answer", exchange)
    if exchange.lost:
        raise Inconclusive(exchange.came(), exchange)
    if exchange.status == 429 or (exchange.status == 503 and "retry-after" in exchange.headers):
        raise Inconclusive(f"the server is throttling: HTTP {exchange.status}", exchange)
    return exchange


def expect(exchange: Exchange, status: int) -> dict[str, Any]:
    """The JSON object of an answer of *status*."""
    if answered(exchange).status != status:
        raise Broken(
            f"HTTP {exchange.status} where {status} was expected",
            exchange,
            expected=f"HTTP {status}",
        )
    return read_object(exchange)


def read_object(exchange: Exchange) -> dict[str, Any]:
    """The JSON object in an answer, whatever its status."""
    body = read_json(exchange)
    if not isinstance(body, dict):
        raise Broken(f"the body is a {kind(body)}", exchange, expected="a JSON object")
    return body


def read_json(exchange: Exchange) -> Any:
    """The JSON in an answer, whatever its status."""
    try:
        return answered(exchange).parsed()
    except ValueError:
        raise Broken("the body is not JSON", exchange, expected="JSON") from None


def expect_error(exchange: Exchange, status: int, *codes: str) -> str:
    """The code of an error answer of *status*; one of *codes*, if any are given."""
    wanted = f"HTTP {status} with error.code {' or '.join(codes) or '(any)'}"
    if answered(exchange).status != status:
        raise Broken(
            f"HTTP {exchange.status} where {status} was expected", exchange, expected=wanted
        )
    code = error_code(exchange)
    if codes and code not in codes:
        raise Broken(f"error.code is {code!r}", exchange, expected=wanted)
    return code


def error_code(exchange: Exchange) -> str:
    """The code of an answer in the documented error shape (ERR-1)."""
    shape = '{"error": {"message": "...", "code": "..."}}'
    error = read_object(exchange).get("error")
    if not isinstance(error, dict):
        raise Broken("the error is not in the documented shape", exchange, expected=shape)
    for name in ("message", "code"):
        if not isinstance(error.get(name), str):
            raise Broken(f"error.{name} is {kind(error.get(name))}", exchange, expected=shape)
    code: str = error["code"]
    return code


def field(
    body: Any, path: str, wanted: type | tuple[type, ...], exchange: Exchange, *, empty: bool = True
) -> Any:
    """The value at a dotted *path* of *body*, of a *wanted* type; int stands for any number."""
    value = body
    for name in path.split("."):
        value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            raise Broken(f"{path} is missing", exchange, expected=f"{path}: {_names(wanted)}")
    if wanted is int and isinstance(value, float):
        return int(value) if value.is_integer() else round(value, 6)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise Broken(f"{path} is {kind(value)}", exchange, expected=f"{path}: {_names(wanted)}")
    if not empty and not value:
        raise Broken(f"{path} is empty", exchange, expected=f"{path}: not empty")
    return value


def equal(expected: Any, found: Any, what: str, *exchanges: Exchange) -> None:
    """Say that *found* is not what was *expected*, if it is not."""
    if expected != found or isinstance(found, bool) != isinstance(expected, bool):
        raise Broken(f"{what} is {found!r}", *exchanges, expected=f"{what}: {expected!r}")


def timestamp(value: Any, what: str, exchange: Exchange) -> datetime:
    """The moment that an ISO 8601 text in UTC names (GEN-8)."""
    wanted = f"{what}: ISO 8601 in UTC, such as 2026-04-30T08:00:00.000Z"
    if not isinstance(value, str) or not _STAMP.fullmatch(value):
        raise Broken(f"{what} is {value!r}", exchange, expected=wanted)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise Broken(
            f"{what} is {value!r}, which is no moment", exchange, expected=wanted
        ) from None


def kind(value: Any) -> str:
    """What *value* is, in JSON's words."""
    if value is _MISSING or value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "array"}
    word = names.get(type(value), "object")
    return f"{word} {str(value)[:60]!r}" if word in ("text", "number", "boolean") else word


def _names(wanted: type | tuple[type, ...]) -> str:
    names = {int: "a number", str: "a text", list: "an array", dict: "an object"}
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    return " or ".join(names.get(one, one.__name__) for one in kinds)


def balance_object(body: Mapping[str, Any], exchange: Exchange) -> Mapping[str, Any]:
    """The object that tells the balance; the page does not show whether it is nested (CRD-2)."""
    if "credits" in body:
        return body
    for value in body.values():
        if isinstance(value, dict) and "credits" in value:
            return value
    raise Broken("credits is missing", exchange, expected="credits: a number")


def find_balance(body: Mapping[str, Any], exchange: Exchange) -> int:
    """The credits in the answer of GET /api/v1/credits."""
    credits: int = field(balance_object(body, exchange), "credits", int, exchange)
    return credits
