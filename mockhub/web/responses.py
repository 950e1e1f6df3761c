"""HTTP responses: status, headers and body."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus

import orjson

from mockhub.exceptions import ApiError
from mockhub.spec.frozen_struct import FrozenStruct

Headers = tuple[tuple[bytes, bytes], ...]

JSON_CONTENT_TYPE = (b"content-type", b"application/json")

_INTERNAL_SERVER_ERROR = 500
_MAX_PROBLEM_LENGTH = 1000


class Response(FrozenStruct, frozen=True):
    status: int
    body: bytes
    headers: Headers


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def json_response(
    status: int, content: object, headers: Mapping[str, str] | None = None
) -> Response:
    # orjson allocates 4 KB for every result; the journal keeps this copy.
    body = b"%b" % orjson.dumps(content)
    default_headers = _default_headers(len(body))
    if not headers:
        return Response(status, body, default_headers)
    extra_headers = tuple(
        (name.lower().encode(), value.encode()) for name, value in headers.items()
    )
    return Response(status, body, (*default_headers, *extra_headers))


@lru_cache(maxsize=4096)
def _default_headers(length: int) -> Headers:
    return JSON_CONTENT_TYPE, (b"content-length", b"%d" % length)


def error_body(error: ApiError) -> dict[str, object]:
    """Return the documented body of an error (ERR-1, ERR-7)."""
    return {"error": {"message": error.message, "code": error.code}}


def error_message(body: bytes | None) -> str | None:
    """Return the message of an error body, or None if it is none or a fault has corrupted it."""
    try:
        message = orjson.loads(body or b"")["error"]["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return message if isinstance(message, str) else None


def error_response(error: ApiError) -> Response:
    return json_response(error.status, error_body(error), error.headers)


def internal_error(problem: str) -> ApiError:
    """Return the error for a bug of mockhub."""
    message = f"internal mockhub error, please report it: {problem[:_MAX_PROBLEM_LENGTH]}"
    return ApiError(_INTERNAL_SERVER_ERROR, "mockhubError", message)
