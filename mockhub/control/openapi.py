"""Load control.yaml and find the handlers of its operations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mockhub.control import OPENAPI_FILE
from mockhub.control.context import Handler
from mockhub.control.operations import load_operations
from mockhub.exceptions import MockhubError
from mockhub.spec.operations import Operation
from mockhub.spec.router import Router, build_router


@cache
def load_openapi() -> tuple[Router, Mapping[str, Handler]]:
    """Return the router of the control plane, and the handler of each operation; read once."""
    operations = load_operations()
    return build_router(operations), _handlers(operations)


def _handlers(operations: tuple[Operation, ...]) -> Mapping[str, Handler]:
    from mockhub.control.handlers import (
        accounts,
        clock,
        faults,
        generations,
        hubs,
        journal,
        keys,
        provider,
        requests,
        server,
    )

    modules = (
        *(server, hubs, accounts, keys, generations, provider, faults, clock, journal, requests),
    )
    functions = {name: value for module in modules for name, value in vars(module).items()}
    operation_ids = [operation.id for operation in operations]
    if unimplemented := next((id for id in operation_ids if not callable(functions.get(id))), None):
        raise MockhubError(f"{OPENAPI_FILE}: the operation {unimplemented!r} is not implemented")
    return {id: functions[id] for id in operation_ids}
