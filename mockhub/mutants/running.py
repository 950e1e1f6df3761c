"""A mutant or a variant, served over HTTP in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from mockhub.mutants.house import House
from mockhub.mutants.registry import Change
from mockhub.resources import path
from mockhub.spec.law import Law, load_law
from mockhub.web.server import Background, listen
from mockhub.world.faults import outcome
from mockhub.world.provider import Provider
from mockhub.world.scenarios import Scenario, load

# Tasks run for some polls, so that each is seen queued, processing more than once, and ended.
_PROVIDER = "polls=4"


@dataclass(frozen=True)
class Running:
    """A house that is being served.

    Attributes:
        patient: whether who judges it has the time for slow generations.
    """

    house: House
    server: Background
    patient: bool

    def call(self, function: Callable[[House], Any]) -> Any:
        """Run *function* on the house where the requests run; returns its result."""
        return self.server.call(lambda: function(self.house))


_running: list[Running] = []


def latest() -> Running:
    """The house that was started last; raises IndexError if none runs."""
    return _running[-1]


@contextmanager
def running(change: Change, *, patient: bool = False) -> Iterator[House]:
    """Serve the default world, changed, on a free port; a parsed law serves all."""
    listener = listen("127.0.0.1", 0)
    house = House(law(), scenario(), f"http://127.0.0.1:{listener.getsockname()[1]}")
    change(house)
    if house.hub.provider.script == Provider().script:
        house.hub.provider = Provider([outcome(_PROVIDER)])
    served = Running(house, Background(house.app, listener), patient)
    _running.append(served)
    try:
        yield house
    finally:
        _running.remove(served)
        served.server.stop()


def together(changes: Sequence[Change]) -> Change:
    """Several changes as one; those that edit the document come before what follows from it."""

    def edits(change: Change) -> bool:
        house = House(law(), scenario(), "http://127.0.0.1:1")
        change(house)
        return house.edits

    def change(house: House) -> None:
        for one in sorted(changes, key=edits, reverse=True):
            one(house)

    return change


@cache
def law() -> Law:
    """The law, read once."""
    return load_law(path("openapi.yaml"))


@cache
def scenario() -> Scenario:
    """The default world, read once."""
    return load(path("fixtures/scenarios") / "default.yaml")
