"""The hubs of a server: many isolated worlds, found by name or by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError
from mockhub.world.hub import Hub
from mockhub.world.ledger import Kind

DEFAULT = "default"


class Store:
    """All hubs by name, and which hub a key belongs to."""

    def __init__(self, default: Hub) -> None:
        self.default = default
        self._hubs: dict[str, Hub] = {}
        self._by_key: dict[bytes, dict[str, Hub]] = {}  # in the order of coming in
        self.past: Counter[Kind] = Counter()  # credits moved in hubs that are gone
        self.put(default)

    def put(self, hub: Hub) -> Hub:
        """Take a hub in, in the place of one of the same name.

        A key that several hubs know, such as one from a scenario, leads to the default hub or else
        to the first of them; the others are found by their names.
        """
        before = self._hubs.get(hub.name)
        self._hubs[hub.name] = hub
        if hub.name == self.default.name:
            self.default = hub
        self._know(hub)
        if before and before is not hub:
            self._leave(before, before.keys.keys() - hub.keys.keys())
        return hub

    def named(self, name: str) -> Hub:
        """The hub of that name.

        Raises:
            MockhubError: if there is none.
        """
        if hub := self._hubs.get(name):
            return hub
        raise MockhubError(f"there is no hub {name!r}{nearest(name, self._hubs)}")

    def find(self, digest: bytes | None) -> Hub:
        """The hub of a key, or the default one."""
        knowing = self._by_key.get(digest) if digest else None
        if not knowing or self.default.name in knowing:
            return self.default
        return next(iter(knowing.values()))

    def drop(self, name: str) -> None:
        """Let a hub go.

        Raises:
            MockhubError: if there is none of that name, or it is the default one.
        """
        hub = self.named(name)
        if hub is self.default:
            raise MockhubError(f"the hub {name!r} is the default one and stays; reset it instead")
        self._leave(hub, hub.keys)
        hub.end()
        del self._hubs[name]

    def reset(self, name: str) -> Hub:
        """Let a hub come back to its start.

        Raises:
            MockhubError: if there is none of that name, or it remembers no start.
        """
        hub = self.named(name)
        before, moved = hub.keys, hub.moved()
        hub.reset()
        self._know(hub)
        self.past.update(moved)
        self._forget(hub.name, before.keys() - hub.keys.keys())
        return hub

    def __iter__(self) -> Iterator[Hub]:
        return iter(tuple(self._hubs.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._hubs

    def _know(self, hub: Hub) -> None:
        def know(digest: bytes) -> None:
            self._by_key.setdefault(digest, {})[hub.name] = hub

        for digest in hub.keys:
            know(digest)
        hub.on_key = know

    def _leave(self, hub: Hub, digests: Iterable[bytes]) -> None:
        hub.on_key = lambda digest: None
        self.past.update(hub.moved())
        self._forget(hub.name, digests)

    def _forget(self, name: str, digests: Iterable[bytes]) -> None:
        for digest in digests:
            knowing = self._by_key[digest]
            del knowing[name]
            if not knowing:
                del self._by_key[digest]
