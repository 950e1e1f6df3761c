"""control.yaml, read when it is first needed: a server that nobody controls need not know it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mockhub.spec.document import load
from mockhub.spec.errors import MockhubError
from mockhub.spec.operations import Operation, Routes, read_operations, read_routes
from mockhub.web.desk.call import Handler

FILE = Path(__file__).resolve().parent.parent / "control.yaml"


def read_description() -> tuple[Routes, Mapping[str, Handler]]:
    """The routes of the control plane, and what serves each operation."""
    operations = read_operations(load(FILE))
    return read_routes(operations), _handlers(operations)


def _handlers(operations: tuple[Operation, ...]) -> Mapping[str, Handler]:
    from mockhub.web.desk import accounts, clock, generations, hubs, journal, keys, script, server

    rooms = (server, hubs, accounts, keys, generations, script, clock, journal)
    found = {name: value for room in rooms for name, value in vars(room).items()}
    wanted = [operation.id for operation in operations]
    if odd := next((id for id in wanted if not callable(found.get(id))), None):
        raise MockhubError(f"{FILE}: the operation {odd!r} is not implemented")
    return {id: found[id] for id in wanted}
