"""The spec violations of a test's hub, and its requests that matched no hub."""

from __future__ import annotations

from mockhub.domain.hub import HubBackend
from mockhub.testing.app_host import AppHost


class ViolationCheck:
    """Collects what is wrong with the responses of a hub: each is a bug of mockhub."""

    def __init__(self, app_host: AppHost, backend: HubBackend) -> None:
        """Begin to serve *backend* on *app_host*."""
        self._app_host = app_host
        self._backend = backend
        self._unrouted_count = app_host.hub_registry.default.journal.total  # requests of no hub
        self._checked_count = 0
        self._violations = app_host.run_on_server(lambda: app_host.add_hub(backend))

    def collect(self) -> list[str]:
        """Return the violations since the last call, and audit the ledger."""
        unrouted, count = self._app_host.unrouted_violations, self._backend.journal.total
        if count == self._checked_count and not unrouted:
            return []
        self._checked_count = count
        violations = list(dict.fromkeys([*self._violations, *unrouted]))
        self._violations.clear()
        unrouted.clear()
        return violations + self._app_host.run_on_server(self._backend.audit)

    def format_unrouted(self) -> str:
        """Format the requests that matched no hub since this one is served."""
        exchanges = self._app_host.unrouted_exchanges(after=self._unrouted_count)
        title = f"Without a key of a hub and without /hubs/{self._backend.name} in the URL:"
        return f"\n{title}\n{exchanges}" if exchanges else ""
