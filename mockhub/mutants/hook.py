"""A hook: a place in a server where the function of a mutant is called.

A hook is a decorator that turns such a function into a mutant, if it keeps nothing between
requests:

    @mutant("CRD-3", "A balance has the name of its account.")
    @responses.mutate_json(OperationId.GET_CREDITS, status=200)
    def named_balance(content: Json, context: RequestContext) -> None:
        content["account"] = context.account.id

`mutant_table` does so with several functions, and `@responses.mutate_json(...).on(server)` changes
a server from within a mutant that keeps something.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from itertools import count
from typing import Concatenate, Generic, ParamSpec, TypeVar, cast

from mockhub.mutants.changes import only_if
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.types import Generation, Json

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")
D = TypeVar("D")
F = TypeVar("F", bound=Callable[..., object])

Change = Callable[[PatchedServer], object]
Replace = Callable[..., object]


class Hook(Generic[C]):
    """A place in a server where a function of type C is called.

    Args:
        apply: Registers a function with a server.
    """

    def __init__(self, apply: Callable[[PatchedServer, C], object]) -> None:
        self._apply = apply

    def __call__(self, function: C) -> Change:
        """Return a change of a server that registers the function."""

        @wraps(cast("Callable[..., object]", function))
        def change(server: PatchedServer) -> None:
            self._apply(server, function)

        return change

    def on(self, server: PatchedServer) -> Callable[[C], object]:
        """Return a decorator that registers a function with *server*."""
        return lambda function: self(function)(server)

    def with_server(
        self: Hook[Callable[P, R]], function: Callable[Concatenate[PatchedServer, P], R]
    ) -> Change:
        """Return a change that registers a function, which gets the server before the arguments."""

        @wraps(function)
        def change(server: PatchedServer) -> None:
            self.on(server)(partial(function, server))

        return change

    def adapted(self: Hook[Callable[P, R]], function: Callable[Concatenate[D, P], R]) -> Hook[D]:
        """Return a hook for other functions, which *function* gets before the arguments."""
        return Hook(lambda server, each: self.on(server)(partial(function, each)))


def hook_factory(apply: Callable[Concatenate[PatchedServer, C, P], object]) -> Callable[P, Hook[C]]:
    """Turn a function with options into a function of the options that returns a hook."""

    @wraps(apply)
    def factory(*args: P.args, **kwargs: P.kwargs) -> Hook[C]:
        return Hook(lambda server, function: apply(server, function, *args, **kwargs))

    return factory


def every(number: int) -> Callable[[], bool]:
    """Return a function that is true every *number* calls."""
    calls = count(1)
    return lambda: next(calls) % number == 0


def at_every(number: int, hook: Hook[F]) -> Hook[F]:
    """Call the function of a hook at every *number* occasions only."""

    @Hook
    def apply(server: PatchedServer, function: F) -> None:
        is_due = every(number)

        def sometimes(*args: object) -> object:
            return function(*args) if is_due() else args[0]

        hook.on(server)(cast("F", sometimes))

    return apply


def when(matches: Callable[[Generation], bool], hook: Hook[F]) -> Hook[F]:
    """Call the function of a hook for some generations only."""
    return Hook(lambda server, function: hook.on(server)(cast("F", only_if(matches, function))))


def replace_at(hook: Hook[Callable[Concatenate[Json, P], object]], *path: str) -> Hook[Replace]:
    """Replace a value in the JSON that a hook passes by the result of a function of it."""

    @hook.adapted
    def replace(change: Replace, content: Json, /, *args: P.args, **kwargs: P.kwargs) -> None:
        for name in path[:-1]:
            content = content[name]
        content[path[-1]] = change(content[path[-1]], *args)

    return replace


apply_change: Hook[Change] = Hook(lambda server, change: change(server))
