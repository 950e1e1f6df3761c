"""Hosts many hubs in one application: the base of the test server and of `mockhub.ASGI`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT, HubRegistry
from mockhub.testing.config import default_spec, load_replay
from mockhub.testing.exchanges import ExchangeList, RecordedExchange
from mockhub.web.app import create_app
from mockhub.web.context import RequestContext

T = TypeVar("T")

_MAX_NAME_LENGTH = 48
_COUNT_SUFFIX_LENGTH = 8


class AppHost:
    """An application whose hubs tests create and delete.

    Its default hub is empty. A request that reaches it matched no test's hub.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.hub_registry = HubRegistry(HubBackend(DEFAULT, default_spec()))
        self.app = create_app(
            default_spec(), self.hub_registry, url=url, observers=[self._record_violation]
        )
        self._spec_violations: dict[str, list[str]] = {}
        self.unrouted_violations = self._spec_violations.setdefault(DEFAULT, [])
        self._name_counts: dict[str, int] = {}

    def run_on_server(self, function: Callable[[], T]) -> T:
        """Run *function* in the thread that handles the requests, between two of them."""
        return function()

    def unique_name(self, preferred: str) -> str:
        """Return a name for a hub that fits in a URL path and was not returned before."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", preferred)[:_MAX_NAME_LENGTH].strip("-.") or "hub"
        count = self._name_counts[name] = self._name_counts.get(name, 0) + 1
        if count == 1 and name != DEFAULT:
            return name
        return self.unique_name(f"{name[: _MAX_NAME_LENGTH - _COUNT_SUFFIX_LENGTH]}-{count}")

    def add_hub(self, backend: HubBackend) -> list[str]:
        """Serve a hub; return the list to which its spec violations are appended."""
        self.hub_registry.add(backend)
        return self._spec_violations.setdefault(backend.name, [])

    def replay(self, backend: HubBackend, directory: str, *, only: bool) -> None:
        """Respond to the requests of a hub as in a recording; raises MockhubError."""
        from mockhub.recording.replay import Replay

        api, exchanges = self.app.api, load_replay(directory)
        api.replays[backend.name] = Replay(api, backend, exchanges, only=only)

    def remove_hub(self, backend: HubBackend) -> None:
        """Stop serving a hub; does nothing if it was removed already."""
        if backend.name != DEFAULT and self._spec_violations.pop(backend.name, None) is not None:
            self.hub_registry.delete(backend.name)
            self.app.api.replays.pop(backend.name, None)

    def unrouted_exchanges(self, *, after: int) -> ExchangeList:
        """Return the requests that matched no test's hub, without the first *after*."""
        journal = self.hub_registry.default.journal
        exchanges = self.run_on_server(
            lambda: [exchange for exchange in journal if exchange.number > after]
        )
        return ExchangeList(map(RecordedExchange.from_journal, exchanges))

    def _record_violation(self, context: RequestContext) -> None:
        violations = self._spec_violations.get(context.hub.name)
        if context.spec_violation and violations is not None:
            violations.append(f"{context.method} {context.path}: {context.spec_violation}")
