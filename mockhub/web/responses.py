"""HTTP responses: status, headers and body."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import orjson

from mockhub.exceptions import ApiError
from mockhub.spec.frozen_struct import FrozenStruct

JSON_CONTENT_TYPE = (b"content-type", b"application/json")


_INTERNAL_SERVER_ERROR = 500


Headers = tuple[tuple[bytes, bytes], ...]


class Response(FrozenStruct, frozen=True):
    """An answer as the door sends it."""

    status: int
    body: bytes
    headers: Headers


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    """The first line of an answer."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def json_response(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Render a JSON answer."""
    body = b"%b" % orjson.dumps(content)  # a copy is as long as it is; orjson's own take 4 KB each
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


def error_body(error: ApiError) -> dict[str, Any]:
    """The documented shape of an error (ERR-1)."""
    return {"error": {"message": error.message, "code": error.code}}


def error_response(api_error: ApiError) -> Response:
    """The answer to a request that is refused."""
    return json_response(api_error.status, error_body(api_error), api_error.headers)


def internal_error(violation: str) -> ApiError:
    """What a client is told when mockhub itself is wrong."""
    message = f"internal error: the response does not match the API spec: {violation[:1000]}. Please report it."  # noqa: E501
    return ApiError(_INTERNAL_SERVER_ERROR, "mockhubError", message)
