"""Answers that are changed, or that no application of ours would give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from mockhub.web import responses


def with_json(response: responses.Response, content: object) -> responses.Response:
    """An answer with other JSON in it."""
    return with_body(response, orjson.dumps(content))


def with_body(
    response: responses.Response, body: bytes, content_type: str | None = None
) -> responses.Response:
    """An answer with another body, and of another type if one is given."""
    changed: Mapping[bytes, bytes] = {
        b"content-length": b"%d" % len(body),
        **({b"content-type": content_type.encode()} if content_type is not None else {}),
    }
    headers = tuple((name, changed.get(name, value)) for name, value in response.headers)
    return responses.Response(response.status, body, headers)


def server_error() -> responses.Response:
    """The page of a server whose program ended by an exception."""
    body = b"Internal Server Error"
    headers = ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)))
    return responses.Response(500, body, headers)


def rate_limited() -> responses.Response:
    """An answer 429, which the contract does not have (LIM-2)."""
    content = {"error": {"message": "Too many requests", "code": "rateLimited"}}
    return responses.json_response(429, content, {"Retry-After": "1"})


def error_code(response: responses.Response) -> str | None:
    if not response.body.startswith(b'{"error"'):
        return None
    error: Any = orjson.loads(response.body).get("error")
    return error.get("code") if isinstance(error, dict) else None
