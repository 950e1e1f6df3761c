"""Remove API keys from text and bodies before they are stored."""

from __future__ import annotations

import re

from msgspec.structs import replace

from mockhub.journal.exchange import StoredBody as StoredBody

_REDACTED = "[redacted]"


def redact(text: str, prefix: str) -> str:
    """*text* with whatever looks like an API key hidden."""
    return re.sub(re.escape(prefix) + r"\w+", _REDACTED, text) if prefix in text else text


def redact_body(body: StoredBody, prefix: str) -> StoredBody:
    if body.content is None or prefix.encode() not in body.content:
        return body
    return replace(body, content=redact(body.content.decode("latin-1"), prefix).encode("latin-1"))
