"""A site: an app with many hubs, and the way to meet them without a race."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT, HubRegistry
from mockhub.testing.config import default_spec
from mockhub.web.api import PublicApi
from mockhub.web.app import App
from mockhub.web.context import RequestContext

T = TypeVar("T")

_MAX_NAME_LENGTH = 48
_COUNT_SUFFIX_LENGTH = 8


class AppHost:
    """An app whose hubs are made and dropped by tests.

    Its default hub is empty: nobody's key opens it, and what arrives there went astray.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.hub_registry = HubRegistry(HubBackend(DEFAULT, default_spec()))
        self.app = App(PublicApi(default_spec(), self.hub_registry, url, observers=[self._observe]))
        self._spec_violations: dict[str, list[str]] = {}
        self.unrouted_violations = self._spec_violations.setdefault(DEFAULT, [])
        self._name_counts: dict[str, int] = {}

    def run_on_server(self, function: Callable[[], T]) -> T:
        """Run *function* where no request runs meanwhile."""
        return function()

    def unique_name(self, preferred: str) -> str:
        """A hub's name like *wanted* that fits in a URL and was not given out before."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", preferred)[:_MAX_NAME_LENGTH].strip("-.") or "hub"
        count = self._name_counts[name] = self._name_counts.get(name, 0) + 1
        if count == 1 and name != DEFAULT:
            return name
        return self.unique_name(f"{name[: _MAX_NAME_LENGTH - _COUNT_SUFFIX_LENGTH]}-{count}")

    def add_hub(self, backend: HubBackend) -> list[str]:
        """Let requests reach *world*; returns the list that breaches of its law are added to."""
        self.hub_registry.add(backend)
        return self._spec_violations.setdefault(backend.name, [])

    def remove_hub(self, backend: HubBackend) -> None:
        """Let no more requests reach *world*; to do so again does nothing."""
        if backend.name != DEFAULT and self._spec_violations.pop(backend.name, None) is not None:
            self.hub_registry.delete(backend.name)

    def _observe(self, context: RequestContext) -> None:
        if (
            context.spec_violation
            and (violations := self._spec_violations.get(context.hub.name)) is not None
        ):
            violations.append(f"{context.method} {context.path}: {context.spec_violation}")
