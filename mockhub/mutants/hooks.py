"""The hooks of a `PatchedServer` as decorators that turn a function into a mutant.

Where a mutant keeps nothing between requests, its function can be what one hook calls:

    @mutant("CRD-2", "The balance has no account type.")
    @mutate_json(OperationId.GET_CREDITS, status=200)
    def missing_account_type(content: Json, context: RequestContext) -> None:
        del content["account_type"]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Hook

P = ParamSpec("P")
C = TypeVar("C", bound=Callable[..., object])


def hook(apply: Callable[[PatchedServer, C], object]) -> Hook[C]:
    """Turn a function that applies a callback to a server into a hook."""

    def decorator(callback: C) -> Callable[[PatchedServer], None]:
        @wraps(callback)
        def change(server: PatchedServer) -> None:
            apply(server, callback)

        return change

    return decorator


def _hook_factory(
    method: Callable[Concatenate[PatchedServer, P], Callable[[C], object]],
) -> Callable[P, Hook[C]]:
    def factory(*args: P.args, **kwargs: P.kwargs) -> Hook[C]:
        return hook(lambda server, callback: method(server, *args, **kwargs)(callback))

    return factory


on_request = hook(PatchedServer.on_request)
on_request_body = hook(PatchedServer.on_request_body)
on_response = _hook_factory(PatchedServer.on_response)
mutate_json = _hook_factory(PatchedServer.mutate_json)
replace_json = _hook_factory(PatchedServer.replace_json)
mutate_generation = hook(PatchedServer.mutate_generation)
wrap_handler = _hook_factory(PatchedServer.wrap_handler)
on_ledger_entry = _hook_factory(PatchedServer.on_ledger_entry)
on_quote = hook(PatchedServer.on_quote)
