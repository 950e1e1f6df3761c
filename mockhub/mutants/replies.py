"""Answers that are changed, or that no application of ours would give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from mockhub.web import wire


def with_content(answer: wire.Answer, content: object) -> wire.Answer:
    """An answer with other JSON in it."""
    return with_body(answer, orjson.dumps(content))


def with_body(answer: wire.Answer, body: bytes, content_type: str | None = None) -> wire.Answer:
    """An answer with another body, and of another type if one is given."""
    changed: Mapping[bytes, bytes] = {
        b"content-length": b"%d" % len(body),
        **({b"content-type": content_type.encode()} if content_type is not None else {}),
    }
    headers = tuple((name, changed.get(name, value)) for name, value in answer.headers)
    return wire.Answer(answer.status, body, headers)


def broken() -> wire.Answer:
    """The page of a server whose program ended by an exception."""
    body = b"Internal Server Error"
    headers = ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)))
    return wire.Answer(500, body, headers)


def too_many() -> wire.Answer:
    """An answer 429, which the contract does not have (LIM-2)."""
    content = {"error": {"message": "Too many requests", "code": "rateLimited"}}
    return wire.answer(429, content, {"Retry-After": "1"})


def code_of(answer: wire.Answer) -> str | None:
    if not answer.body.startswith(b'{"error"'):
        return None
    error: Any = orjson.loads(answer.body).get("error")
    return error.get("code") if isinstance(error, dict) else None
