"""API keys: stored as hashes, with expiry and revocation."""

from __future__ import annotations

from enum import Enum
from hashlib import sha256
from typing import NamedTuple


class ApiKey(NamedTuple):
    """An API key as the server keeps it: its hash, never itself (AUTH-7)."""

    digest: bytes
    account: str
    name: str
    expires_at: int | None = None
    revoked: bool = False


class NoApiKey(Enum):
    """Why a request has no API key that could be looked up."""

    MISSING = "missing"  # there is no Authorization header
    MALFORMED = "malformed"  # the header holds no Bearer token


Credentials = bytes | NoApiKey  # the digest of an API key, or why there is none


def key_digest(raw: bytes) -> bytes:
    """The hash by which a key is known."""
    return sha256(raw).digest()
