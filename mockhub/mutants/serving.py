"""Serve a mutant or a variant over HTTP in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from mockhub._resources import resource_path
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.mutants.hook import Change
from mockhub.mutants.patched_server import PatchedServer
from mockhub.scenarios.loader import Scenario, load_scenario
from mockhub.server.server import ServerThread, bind
from mockhub.spec.api_spec import ApiSpec, load_spec

# A task takes some polls, so that it is seen queued, processing more than once, and ended.
_PROVIDER_SCRIPT = "polls=4"


@dataclass(frozen=True)
class RunningMutant:
    """A server that is running.

    Attributes:
        allow_slow: Whether its state handlers offer slow generations.
    """

    server: PatchedServer
    thread: ServerThread
    allow_slow: bool

    def call(self, function: Callable[[PatchedServer], Any]) -> Any:
        """Run a function in the thread of the server and return its result."""
        return self.thread.call(lambda: function(self.server))


_active: list[RunningMutant] = []


def current() -> RunningMutant:
    """Return the server that was started last; raises IndexError if none runs."""
    return _active[-1]


@contextmanager
def running(change: Change, *, allow_slow: bool = False) -> Iterator[PatchedServer]:
    """Serve the default scenario with a change on a free port."""
    listener = bind("127.0.0.1", 0)
    server = PatchedServer(
        api_spec(), default_scenario(), f"http://127.0.0.1:{listener.getsockname()[1]}"
    )
    change(server)
    if server.hub.provider.script == Provider().script:
        server.hub.provider = Provider([parse_outcome(_PROVIDER_SCRIPT)])
    running_mutant = RunningMutant(server, ServerThread(server.app, listener), allow_slow)
    _active.append(running_mutant)
    try:
        yield server
    finally:
        _active.remove(running_mutant)
        running_mutant.thread.stop()


def combine(changes: Sequence[Change]) -> Change:
    """Combine several changes; those that edit the document are applied first."""

    def edits_document(change: Change) -> bool:
        server = PatchedServer(api_spec(), default_scenario(), "http://127.0.0.1:1")
        change(server)
        return server.document_edited

    def change(server: PatchedServer) -> None:
        for one in sorted(changes, key=edits_document, reverse=True):
            one(server)

    return change


@cache
def api_spec() -> ApiSpec:
    """Return the API spec, parsed once."""
    return load_spec()


@cache
def default_scenario() -> Scenario:
    """Return the default scenario, read once."""
    return load_scenario(resource_path("fixtures/scenarios") / "default.yaml")
