"""Decide whether an address leads to this machine."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback_host(host: str) -> bool:
    """Return whether *host* is a loopback address or `localhost`; no other name is resolved."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_loopback_url(url: str) -> bool:
    """Return whether *url* leads to this machine; raises ValueError for an invalid URL."""
    return is_loopback_host(urlsplit(url).hostname or "")
