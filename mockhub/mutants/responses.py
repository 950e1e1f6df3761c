"""Responses for mutants: changed ones, and ones that the mock itself never sends."""

from __future__ import annotations

from typing import Any

import orjson

from mockhub.domain.generations import Generation
from mockhub.web import responses
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response, json_response

Json = dict[str, Any]


def with_json(response: Response, content: object) -> Response:
    return with_body(response, orjson.dumps(content))


def with_body(response: Response, body: bytes, content_type: str | None = None) -> Response:
    changed = {b"content-length": b"%d" % len(body)}
    if content_type is not None:
        changed[b"content-type"] = content_type.encode()
    headers = tuple((name, changed.get(name, value)) for name, value in response.headers)
    return Response(response.status, body, headers)


def error_response(context: RequestContext, code: str) -> Response:
    """Return a documented error."""
    return responses.error_response(context.hub.spec.errors.error(code))


def custom_error(status: int, code: str, message: str) -> Response:
    """Return an error that the documentation does not have."""
    return json_response(status, {"error": {"message": message, "code": code}})


def rate_limited() -> Response:
    """Return a 429, which the documentation does not have (LIM-2)."""
    content = {"error": {"message": "Too many requests", "code": "rateLimited"}}
    return json_response(429, content, {"Retry-After": "1"})


def server_error() -> Response:
    """Return the page of a web server whose application raised an exception."""
    body = b"Internal Server Error"
    headers = ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)))
    return Response(500, body, headers)


def generation_of(context: RequestContext) -> Generation:
    """Return the generation that a request has created or read."""
    return context.hub.generations[context.generation or ""]


def error_code(response: Response) -> str | None:
    if not response.body.startswith(b'{"error"'):
        return None
    error: object = orjson.loads(response.body).get("error")
    return error.get("code") if isinstance(error, dict) else None
