"""How the httpx clients that a hub makes are set up."""

from __future__ import annotations

from typing import Any

_TIMEOUT = 30.0  # seconds


def settings(base_url: str, key: str, options: dict[str, Any]) -> dict[str, Any]:
    """What an httpx client is made with: address and key, under the *options* of its user.

    A proxy of the environment is for the world outside, not for a server on loopback.
    """
    headers = {"Authorization": f"Bearer {key}"} | options.get("headers", {})
    usual = {"base_url": base_url, "timeout": _TIMEOUT, "trust_env": False}
    return usual | options | {"headers": headers}
