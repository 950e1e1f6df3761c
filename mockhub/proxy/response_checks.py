"""Check a response by itself: status, schema, content type, error code, API key."""

from __future__ import annotations

from collections.abc import Iterator

from mockhub.domain.keys import NoApiKey
from mockhub.proxy.checked_exchange import Exchange
from mockhub.proxy.findings import Problem
from mockhub.recording.compare import Place, response_clauses
from mockhub.spec.operations import JSON
from mockhub.spec.schema_errors import is_extra_property, schema_errors
from mockhub.web.context import parse_bearer_token

_BAD_REQUEST, _NOT_FOUND = 400, 404
_FROM_A_GATEWAY = (408, 413, 429, 502, 503, 504)


def documented_status(exchange: Exchange) -> Iterator[Problem]:
    """Check that the status is documented, for this operation."""
    status = exchange.status
    if status in exchange.operation.responses:
        return
    if status in _FROM_A_GATEWAY:
        message = f"status {status}, which may be from a gateway before the API"
        yield Problem("undocumented_status", ("LIM-2",), message, "warning", str(status))
    else:
        allowed = ", ".join(map(str, exchange.operation.responses))
        message = f"status {status} is not documented; expected one of {allowed}"
        message += ". Is the path of --target right?" if status == _NOT_FOUND else ""
        clauses = ("ERR-1",) if status >= _BAD_REQUEST else clauses_of(exchange, ())
        yield Problem("undocumented_status", clauses, message, place=str(status))


def response_schema(exchange: Exchange) -> Iterator[Problem]:
    """Check the body against the schema of its status."""
    validator = exchange.operation.responses.get(exchange.status)
    if validator is None:
        return
    if exchange.content is None:
        message = "the body is not JSON"
        yield Problem("response_schema", ("ERR-7",), message, place="not JSON")
        return
    if validator.is_valid(exchange.content):
        return
    error = min(schema_errors(validator, exchange.content), key=is_extra_property)
    place = tuple(error.instance_path)
    shown = "/".join(map(str, place)) or "the body"
    yield Problem(
        "undocumented_field" if is_extra_property(error) else "response_schema",
        clauses_of(exchange, place),
        f"{shown}: {error.message}",
        "warning" if is_extra_property(error) else "violation",
        "/".join("*" if isinstance(part, int) else str(part) for part in place),
    )


def content_type(exchange: Exchange) -> Iterator[Problem]:
    """Check that JSON is declared as such."""
    upstream = exchange.context.upstream
    if upstream is None or exchange.status in _FROM_A_GATEWAY:
        return
    declared = dict(upstream.headers).get(b"content-type", b"").decode("latin-1")
    if declared.partition(";")[0].strip().lower() != JSON:
        message = f"Content-Type is {declared[:100]!r}; expected {JSON}"
        yield Problem("content_type", ("ERR-7",), message, place=declared[:100])


def error_code(exchange: Exchange) -> Iterator[Problem]:
    """Check that an error code has its documented status."""
    code, statuses = exchange.context.code, exchange.spec.errors.statuses
    if exchange.status < _BAD_REQUEST or code is None or exchange.status in _FROM_A_GATEWAY:
        return
    expected = statuses.get(code)
    if expected != exchange.status:
        known = f"its documented status is {expected}" if expected else "no documented code"
        message = f"{exchange.status} with the code {code!r}: {known}"
        clauses = ("ERR-1", *_CLAUSES_OF_CODES.get(code, ()))
        yield Problem("error_code", clauses, message, place=f"{exchange.status} {code}")


_CLAUSES_OF_CODES = {
    "invalid_request": ("ERR-2",),
    "missingApiKey": ("ERR-3",),
    "invalidApiKey": ("ERR-3",),
    "expiredApiKey": ("ERR-3",),
    "insufficientCredits": ("ERR-4",),
    "notFound": ("ERR-5",),
    "generationFailed": ("ERR-6",),
}


def authentication(exchange: Exchange) -> Iterator[Problem]:
    """Check that a request without a key is 401 missingApiKey."""
    if not exchange.operation.requires_auth:
        return
    if exchange.context.credentials is NoApiKey.MISSING:
        if exchange.status < _BAD_REQUEST:
            yield Problem("missing_key_accepted", ("AUTH-1", "AUTH-3"), "accepted without a key")
        elif exchange.context.code != "missingApiKey":
            message = f"{exchange.status} {exchange.context.code} for a request without a key"
            yield Problem("missing_key_code", ("AUTH-3",), message)
    elif exchange.context.code == "missingApiKey":
        yield Problem("missing_key_code", ("AUTH-4",), "missingApiKey, though a key was sent")


def key_in_response(exchange: Exchange) -> Iterator[Problem]:
    """Check that the response does not contain the API key."""
    token = parse_bearer_token(exchange.context.authorization or b"")
    body = exchange.context.local_body or b""
    if token and len(token) >= exchange.spec.key_format.length and token in body:
        yield Problem("key_in_response", ("AUTH-7",), "the response contains the API key")


def clauses_of(exchange: Exchange, place: Place = ()) -> tuple[str, ...]:
    return response_clauses(
        exchange.spec, exchange.operation, exchange.status, place, exchange.seen.status
    )
