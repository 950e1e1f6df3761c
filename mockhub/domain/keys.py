"""API keys: stored as hashes, with expiry and revocation."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple


class ApiKey(NamedTuple):
    """An API key as the server keeps it: its hash, never itself (AUTH-7)."""

    digest: bytes
    account: str
    name: str
    expires_at: int | None = None
    revoked: bool = False


def key_digest(raw: bytes) -> bytes:
    """The hash by which a key is known."""
    return sha256(raw).digest()
