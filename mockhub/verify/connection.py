"""Connections as the profile describes them: certificates, a proxy and a rate of requests."""

from __future__ import annotations

import ssl
import time
from threading import Lock

import httpx

from mockhub._loopback import is_loopback_url
from mockhub.exceptions import MockhubError
from mockhub.verify.profile import Profile


def tls_context(profile: Profile) -> ssl.SSLContext | None:
    """Return a context that trusts the system's authorities and those of `ca_file`, for https.

    Raises:
        MockhubError: if that file has no certificates.
    """
    if not profile.base_url.startswith("https:"):
        return None
    context = ssl.create_default_context()
    if profile.ca_file is not None:
        try:
            context.load_verify_locations(profile.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise MockhubError(
                f"ca_file: {profile.ca_file} cannot be used: {error}; expected certificates in PEM"
            ) from None
    return context


def http_client(profile: Profile, *, keep_alive: bool = False) -> httpx.Client:
    """Return a client that never sends a request twice.

    On loopback each request opens a connection, without *keep_alive*: that is cheap, and the server
    cannot have closed it already. The proxy of the environment is used for other hosts only.
    """
    loopback = is_loopback_url(profile.base_url)
    kept = 20 if keep_alive or not loopback else 0
    limits = httpx.Limits(max_keepalive_connections=kept, keepalive_expiry=4)
    return httpx.Client(
        limits=limits,
        follow_redirects=False,
        trust_env=not loopback and profile.proxy is None,
        proxy=profile.proxy,
        verify=tls_context(profile) or False,
        headers={"Accept": "*/*"},
    )


class RateLimiter:
    """Delay requests so that no more than *rate* are sent in a second."""

    def __init__(self, rate: float | None) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = Lock()

    def wait(self, requests: int = 1) -> None:
        """Wait until *requests* may be sent."""
        if not self._interval:
            return
        with self._lock:
            start = max(self._next, time.monotonic())
            self._next = start + requests * self._interval
        time.sleep(max(0.0, start - time.monotonic()))
