"""The paid service cannot be reached by mistake: its name is not resolved while tests run."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

DOMAIN = "gptimagehub.com"

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_RESOLVERS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")


class Guard:
    """Refuses the domain, and remembers that it had to: who asks may swallow the refusal."""

    def __init__(self) -> None:
        self._refused: list[str] = []

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Refuse while the block runs."""
        with pytest.MonkeyPatch.context() as patch:
            for name in _RESOLVERS:
                patch.setattr(socket, name, self._guarded(getattr(socket, name)))
            for name, value in _around_proxies().items():
                patch.setenv(name, value)
            if uvloop := sys.modules.get("uvloop"):  # it resolves names by itself
                patch.setattr(
                    uvloop.Loop, "getaddrinfo", self._guarded(uvloop.Loop.getaddrinfo, at=1)
                )
            yield

    def forget(self) -> None:
        """Forget what was refused; the test has failed anyway."""
        self._refused.clear()

    def check(self) -> None:
        """Fail the test if something asked for the domain and went on."""
        if self._refused:
            host = self._refused[0]
            self.forget()
            pytest.fail(_message(host), pytrace=False)

    def _guarded(self, resolve: Callable[..., Any], *, at: int = 0) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            host = args[at] if len(args) > at else kwargs.get("host")
            if forbidden(host):
                self._refused.append(_text(host))
                pytest.fail(_message(_text(host)))
            return resolve(*args, **kwargs)

        return guarded


def _around_proxies() -> dict[str, str]:
    """The variables that keep the domain from a proxy, which would resolve its name itself."""
    if not any(os.environ.get(name) for name in (*_PROXIES, *map(str.upper, _PROXIES))):
        return {}  # a no_proxy alone would, on some systems, hide the proxies of the settings
    others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    value = ",".join([*([others] if others else []), DOMAIN])
    return {"no_proxy": value, "NO_PROXY": value}


def forbidden(host: object) -> bool:
    """Whether a name is the paid service's, or one below it."""
    if not isinstance(host, str | bytes):
        return False
    name = _text(host).rstrip(".").lower()
    return name == DOMAIN or name.endswith(f".{DOMAIN}")


def _text(host: object) -> str:
    return host.decode("latin-1") if isinstance(host, bytes) else str(host)


def _message(host: str) -> str:
    return (
        f"mockhub: a test asked for {host}, the paid service. Give the client the hub's base_url "
        "(see the fixture mockhub_env), or run pytest with --mockhub-allow-live if it is meant."
    )
