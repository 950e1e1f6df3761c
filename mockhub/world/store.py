"""The hubs of a server: many isolated worlds, found by name or by key."""

from __future__ import annotations

from collections.abc import Iterator

from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError
from mockhub.world.hub import Hub

DEFAULT = "default"


class Store:
    """All hubs by name, and which hub a key belongs to."""

    def __init__(self, default: Hub) -> None:
        self.default = default
        self._hubs: dict[str, Hub] = {}
        self._by_key: dict[bytes, Hub] = {}
        self.put(default)

    def put(self, hub: Hub) -> Hub:
        """Take a hub in, in the place of one of the same name.

        A key that several hubs know, such as one from a scenario, leads to the first of them; the
        others are found by their names.
        """
        if hub.name in self._hubs:
            self._forget_keys(self._hubs[hub.name])
        self._hubs[hub.name] = hub
        if hub.name == self.default.name:
            self.default = hub
        for digest in hub.keys:
            self._by_key.setdefault(digest, hub)

        def know(digest: bytes) -> None:
            self._by_key.setdefault(digest, hub)

        hub.on_key = know
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
        return self._by_key.get(digest, self.default) if digest else self.default

    def drop(self, name: str) -> None:
        """Let a hub go.

        Raises:
            MockhubError: if there is none of that name, or it is the default one.
        """
        hub = self.named(name)
        if hub is self.default:
            raise MockhubError(f"the hub {name!r} is the default one and stays; reset it instead")
        self._forget_keys(hub)
        del self._hubs[name]

    def __iter__(self) -> Iterator[Hub]:
        return iter(tuple(self._hubs.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._hubs

    def _forget_keys(self, hub: Hub) -> None:
        for digest in hub.keys:
            if self._by_key.get(digest) is hub:
                del self._by_key[digest]
