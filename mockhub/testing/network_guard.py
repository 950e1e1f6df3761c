"""Blocks the live service while tests run, so that a test cannot spend credits by mistake.

pytest-socket blocks sockets by IP address, for every host or by an allow list. This guard must
block exactly one host name, also for a client behind a proxy, and leave all other traffic alone;
so it refuses to resolve the name. It therefore needs no dependency and no configuration.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

LIVE_DOMAIN = "gptimagehub.com"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost")

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
_RESOLVER_FUNCTIONS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")


class LiveServiceGuard:
    """Fails a test that resolves the domain, also if its code swallows the error."""

    def __init__(self) -> None:
        self._blocked_hosts: list[str] = []

    @contextmanager
    def activate(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in _RESOLVER_FUNCTIONS:
                patch.setattr(socket, name, self._wrap_resolver(getattr(socket, name)))
            if uvloop := sys.modules.get("uvloop"):  # has its own resolver
                patch.setattr(
                    uvloop.Loop,
                    "getaddrinfo",
                    self._wrap_resolver(uvloop.Loop.getaddrinfo, host_index=1),
                )
            yield

    def clear(self) -> None:
        """Forget the blocked hosts, after the test has failed."""
        self._blocked_hosts.clear()

    def fail_if_blocked(self) -> None:
        """Fail the test if a host was blocked since the last call."""
        if self._blocked_hosts:
            host = self._blocked_hosts[0]
            self.clear()
            pytest.fail(_message(host), pytrace=False)

    def _wrap_resolver(
        self, resolve: Callable[..., Any], *, host_index: int = 0
    ) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            host = args[host_index] if len(args) > host_index else kwargs.get("host")
            if is_live_host(host):
                self._blocked_hosts.append(_host_text(host))
                pytest.fail(_message(_host_text(host)))
            return resolve(*args, **kwargs)

        return wrapper


@contextmanager
def without_proxies(*hosts: str) -> Iterator[None]:
    """Exclude *hosts* from the proxies of the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _no_proxy_variables(hosts).items():
            patch.setenv(name, value)
        yield


def _no_proxy_variables(hosts: Iterable[str]) -> dict[str, str]:
    if not any(
        os.environ.get(name) for name in (*_PROXY_VARIABLES, *map(str.upper, _PROXY_VARIABLES))
    ):
        return {}  # no_proxy alone would hide the proxies of the system settings on some systems
    existing = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    if existing == "*":  # no proxy for any host; an item "*" of a list is not read
        return {}
    value = ",".join([*([existing] if existing else []), *hosts])
    return {"no_proxy": value, "NO_PROXY": value}


def is_live_host(host: object) -> bool:
    """Return whether a host name is the live service's or a subdomain of it."""
    if not isinstance(host, str | bytes):
        return False
    name = _host_text(host).rstrip(".").lower()
    return name == LIVE_DOMAIN or name.endswith(f".{LIVE_DOMAIN}")


def _host_text(host: object) -> str:
    return host.decode("latin-1") if isinstance(host, bytes) else str(host)


def _message(host: str) -> str:
    return (
        f"mockhub blocked {host}, the live service. Give the client the hub's base_url (see the "
        "fixture mockhub_env), or run pytest with --mockhub-allow-live if the test needs it."
    )
