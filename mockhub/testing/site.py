"""A site: an app with many hubs, and the way to meet them without a race."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from mockhub.testing.recipes import the_law
from mockhub.web.app import App
from mockhub.web.pipeline import Pipeline
from mockhub.web.visit import Visit
from mockhub.world.hub import Hub as World
from mockhub.world.store import DEFAULT, Store

T = TypeVar("T")

_NAME_LENGTH = 48
_ROOM_FOR_COUNT = 8


class Site:
    """An app whose hubs are made and dropped by tests.

    Its default hub is empty: nobody's key opens it, and what arrives there went astray.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = Store(World(DEFAULT, the_law()))
        self.app = App(Pipeline(the_law(), self.store, url, observers=[self._observe]))
        self._violations: dict[str, list[str]] = {}
        self.stray_violations = self._violations.setdefault(DEFAULT, [])
        self._names: dict[str, int] = {}

    def call(self, function: Callable[[], T]) -> T:
        """Run *function* where no request runs meanwhile."""
        return function()

    def name(self, wanted: str) -> str:
        """A hub's name like *wanted* that fits in a URL and was not given out before."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted)[:_NAME_LENGTH].strip("-.") or "hub"
        count = self._names[name] = self._names.get(name, 0) + 1
        if count == 1 and name != DEFAULT:
            return name
        return self.name(f"{name[: _NAME_LENGTH - _ROOM_FOR_COUNT]}-{count}")

    def open(self, world: World) -> list[str]:
        """Let requests reach *world*; returns the list that breaches of its law are added to."""
        self.store.put(world)
        return self._violations.setdefault(world.name, [])

    def close(self, world: World) -> None:
        """Let no more requests reach *world*; to do so again does nothing."""
        if world.name != DEFAULT and self._violations.pop(world.name, None) is not None:
            self.store.drop(world.name)

    def _observe(self, visit: Visit) -> None:
        if visit.violation and (told := self._violations.get(visit.hub.name)) is not None:
            told.append(f"{visit.method} {visit.path}: {visit.violation}")
