"""API keys: stored as hashes, with expiry and revocation."""

from __future__ import annotations

from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from mockhub.domain.clock import Clock
from mockhub.spec.error_catalog import ErrorCatalog


class ApiKey(NamedTuple):
    """An API key as the server keeps it: its hash, never the key itself (AUTH-7)."""

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


class KeyStore(dict[bytes, ApiKey]):
    """The API keys of a hub, by digest."""

    def revoke(self, digest: bytes) -> ApiKey:
        """Make a key invalid from now on (AUTH-5)."""
        key = self[digest] = self[digest]._replace(revoked=True)
        return key

    def set_expiry(self, digest: bytes, expires_at: int | None) -> ApiKey:
        """Make a key expire at a time (milliseconds), or never (AUTH-6)."""
        key = self[digest] = self[digest]._replace(expires_at=expires_at)
        return key

    def authenticate(self, credentials: Credentials, clock: Clock, errors: ErrorCatalog) -> ApiKey:
        """Return the key; see `HubBackend.authenticate` for the errors."""
        key = None if isinstance(credentials, NoApiKey) else self.get(credentials)
        if key is None or key.revoked:
            is_missing = credentials is NoApiKey.MISSING
            raise errors.error("missingApiKey" if is_missing else "invalidApiKey")
        if key.expires_at is not None and key.expires_at <= clock.now():
            raise errors.error("expiredApiKey")
        return key

    def next_expiry(self, now: int) -> int | None:
        """Return when a valid key expires next, in milliseconds."""
        times = [
            key.expires_at
            for key in self.values()
            if not key.revoked and key.expires_at is not None and key.expires_at > now
        ]
        return min(times, default=None)


def key_digest(raw: bytes) -> bytes:
    """Hash a raw key."""
    return sha256(raw).digest()
