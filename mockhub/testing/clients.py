"""The httpx clients of a hub; import this module only when one is wanted, for it brings httpx."""

from __future__ import annotations

from typing import Any

import httpx

_TIMEOUT = 30.0  # seconds


class HubClient(httpx.Client):
    """An httpx client below ``/api/v1`` that takes paths with that prefix too, as the page does."""

    def __init__(self, url: str, prefix: str, key: str, options: dict[str, Any]) -> None:
        self.prefix = prefix
        super().__init__(**_client_options(url + prefix, key, options))

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        return super().build_request(method, _relative_url(self.prefix, url), **options)


class AsyncHubClient(httpx.AsyncClient):
    """As `Client`, for asynchronous code."""

    def __init__(self, url: str, prefix: str, key: str, options: dict[str, Any]) -> None:
        self.prefix = prefix
        super().__init__(**_client_options(url + prefix, key, options))

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        return super().build_request(method, _relative_url(self.prefix, url), **options)


def _client_options(base_url: str, key: str, options: dict[str, Any]) -> dict[str, Any]:
    """Address and key, under the *options* of the user.

    A proxy of the environment is for the world outside, not for a server on loopback.
    """
    headers = {"Authorization": f"Bearer {key}"} | options.get("headers", {})
    defaults = {"base_url": base_url, "timeout": _TIMEOUT, "trust_env": False}
    return defaults | options | {"headers": headers}


def _relative_url(prefix: str, url: httpx.URL | str) -> httpx.URL | str:
    text = str(url)
    return text.removeprefix(prefix) if text.startswith(f"{prefix}/") else url
