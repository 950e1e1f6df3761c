"""Remove API keys from recorded exchanges and from other text (AUTH-7)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from mockhub.journal.exchange import Exchange, StoredBody

REDACTED = "[redacted]"
REDACTED_AUTHORIZATION = f"Bearer {REDACTED}".encode()


def redact(text: str, prefix: str) -> str:
    """Replace whatever begins with the prefix of an API key."""
    return re.sub(re.escape(prefix) + r"\w+", REDACTED, text) if prefix in text else text


def redact_exchange(exchange: Exchange, prefix: str) -> Exchange:
    """Redact every part of an exchange that the client wrote. Responses contain no keys."""
    return exchange._replace(
        target=redact(exchange.target, prefix),
        request_headers=_redact_headers(exchange.request_headers, prefix),
        request=_redact_body(exchange.request, prefix),
    )


def _redact_headers(headers: Mapping[bytes, bytes], prefix: str) -> Mapping[bytes, bytes]:
    return {name: _redact_bytes(value, prefix) for name, value in headers.items()}


def _redact_body(body: StoredBody, prefix: str) -> StoredBody:
    if body.content is None:
        return body
    return replace(body, content=_redact_bytes(body.content, prefix))


def _redact_bytes(content: bytes, prefix: str) -> bytes:
    if prefix.encode() not in content:
        return content
    return redact(content.decode("latin-1"), prefix).encode("latin-1")
