"""The hubs of a server, found by name or by API key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from mockhub._text import suggest
from mockhub.domain.hub import HubBackend
from mockhub.domain.ledger import EntryKind
from mockhub.exceptions import MockhubError

DEFAULT = "default"
_MAX_COMPARED = 1000  # hubs whose names are compared with an unknown one
_MAX_SHOWN = 100


class HubRegistry:
    """All hubs by name, and the hubs of each API key.

    Attributes:
        default: the hub of requests that name no hub and have no key of another one.
        totals_of_deleted_hubs: the credits of each kind that hubs moved before they were deleted,
            replaced or reset.
    """

    def __init__(self, default: HubBackend) -> None:
        self.default = default
        self.totals_of_deleted_hubs: Counter[EntryKind] = Counter()
        self._hubs: dict[str, HubBackend] = {}
        self._hubs_by_key: dict[bytes, dict[str, HubBackend]] = {}  # in the order of _hubs
        self.add(default)

    def add(self, hub: HubBackend) -> HubBackend:
        """Add a hub, or put it in the place of the one of the same name, whose waits are cancelled.

        A key that several hubs have, such as one of a scenario, leads to the default hub, or else
        to the first of them; the others are found by their names.
        """
        replaced = self._hubs.get(hub.name)
        self._hubs[hub.name] = hub
        if hub.name == self.default.name:
            self.default = hub
        self._index_keys(hub)
        if replaced and replaced is not hub:
            self._retire(replaced, replaced.keys.keys() - hub.keys.keys())
            replaced.cancel_waits()
        return hub

    def get(self, name: str, *, with_hint: bool = True) -> HubBackend:
        """Return the hub with that name.

        Args:
            with_hint: Whether the error may name the most similar hub, for those who may list
                the hubs.

        Raises:
            MockhubError: if there is none.
        """
        if hub := self._hubs.get(name):
            return hub
        known = islice(self._hubs, _MAX_COMPARED if with_hint else 0)
        shown = name[:_MAX_SHOWN]
        raise MockhubError(f"there is no hub {shown!r}{suggest(shown, known)}")

    def find_by_key(self, digest: bytes | None) -> HubBackend:
        """Return the hub of a key, or the default hub."""
        candidates = self._hubs_by_key.get(digest) if digest else None
        if not candidates or self.default.name in candidates:
            return self.default
        return next(iter(candidates.values()))

    def delete(self, name: str) -> None:
        """Delete a hub, and cancel the requests that wait in it.

        Raises:
            MockhubError: if there is none with that name, or it is the default one.
        """
        hub = self.get(name)
        if hub is self.default:
            raise MockhubError(f"the hub {name!r} is the default one; reset it instead")
        self._retire(hub, hub.keys)
        hub.cancel_waits()
        del self._hubs[name]

    def reset(self, name: str) -> HubBackend:
        """Reset a hub to its snapshot.

        Raises:
            MockhubError: if there is none with that name, or it has no snapshot.
        """
        hub = self.get(name)
        old_keys, totals = hub.keys, hub.credit_totals()
        hub.reset()
        self._index_keys(hub)
        self.totals_of_deleted_hubs.update(totals)
        self._unindex_keys(hub.name, old_keys.keys() - hub.keys.keys())
        return hub

    def __iter__(self) -> Iterator[HubBackend]:
        return iter(tuple(self._hubs.values()))

    def serves(self, hub: HubBackend) -> bool:
        """Return whether it has this hub, not another one of the same name."""
        return self._hubs.get(hub.name) is hub

    def __contains__(self, name: str) -> bool:
        return name in self._hubs

    def _index_keys(self, hub: HubBackend) -> None:
        def index_key(digest: bytes) -> None:
            hubs = self._hubs_by_key.setdefault(digest, {})
            is_ordered = hub.name in hubs or hub.name == next(reversed(self._hubs))
            hubs[hub.name] = hub
            if len(hubs) > 1 and not is_ordered:
                ordered = {name: hubs[name] for name in self._hubs if name in hubs}
                self._hubs_by_key[digest] = ordered

        for digest in hub.keys:
            index_key(digest)
        hub.on_key_added = index_key

    def _retire(self, hub: HubBackend, digests: Iterable[bytes]) -> None:
        hub.on_key_added = lambda digest: None
        self.totals_of_deleted_hubs.update(hub.credit_totals())
        self._unindex_keys(hub.name, digests)

    def _unindex_keys(self, name: str, digests: Iterable[bytes]) -> None:
        for digest in digests:
            hubs = self._hubs_by_key[digest]
            del hubs[name]
            if not hubs:
                del self._hubs_by_key[digest]
