"""httpx clients of a hub. Imports httpx, so import this module only to create one."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

from mockhub._text import install_hint
from mockhub.exceptions import MockhubError

try:
    import anyio  # of httpx
    import httpx
except ModuleNotFoundError:
    raise MockhubError(
        f"a client of a hub needs httpx, which is not installed; {install_hint('pytest')}"
    ) from None

_TIMEOUT = 30.0  # seconds


class HubClient(httpx.Client):
    """An httpx client whose paths are relative to ``/api/v1``, or begin with it."""

    def __init__(self, url: str, prefix: str, key: str, options: dict[str, Any]) -> None:
        self.prefix = prefix
        super().__init__(**_client_options(url + prefix, key, options))

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        return super().build_request(method, _relative_url(self.prefix, url), **options)


class AsyncHubClient(httpx.AsyncClient):
    """The same as `HubClient` for asynchronous code."""

    def __init__(self, url: str, prefix: str, key: str, options: dict[str, Any]) -> None:
        self.prefix = prefix
        super().__init__(**_client_options(url + prefix, key, options))

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        return super().build_request(method, _relative_url(self.prefix, url), **options)


class InProcessTransport(httpx.ASGITransport):
    """Calls an application, with the read timeout of the client: a fault may hang for ever."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        seconds = request.extensions.get("timeout", {}).get("read")
        try:
            with anyio.fail_after(seconds):
                return await super().handle_async_request(request)
        except TimeoutError:
            raise httpx.ReadTimeout(f"no response in {seconds} s", request=request) from None


def _client_options(base_url: str, key: str, options: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"} | options.get("headers", {})
    # trust_env=False ignores the proxies of the environment: the server is on loopback.
    defaults = {"base_url": base_url, "timeout": _TIMEOUT, "trust_env": False}
    if not {"verify", "cert", "trust_env", "transport"} & options.keys():
        defaults["verify"] = _tls_context()
    return defaults | options | {"headers": headers}


@cache
def _tls_context() -> ssl.SSLContext:
    """Read the certificates once, which takes 70 ms; each httpx client would read them."""
    return httpx.create_ssl_context(trust_env=False)


def _relative_url(prefix: str, url: httpx.URL | str) -> httpx.URL | str:
    text = str(url)
    return text.removeprefix(prefix) if text.startswith(f"{prefix}/") else url
