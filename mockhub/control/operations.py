"""The operations of control.yaml, and which of them a server allows."""

from __future__ import annotations

from functools import cache

from mockhub.control import OPENAPI_FILE
from mockhub.spec.document import load_document
from mockhub.spec.operations import Operation, compile_operations
from mockhub.web.api import PublicApi


@cache
def load_operations() -> tuple[Operation, ...]:
    """Return the operations; read once."""
    return compile_operations(load_document(OPENAPI_FILE))


def allowed_changes(api: PublicApi) -> list[str]:
    """Return the operations that may change something on the server of *api*."""
    if api.allowed_changes is not None:
        return sorted(api.allowed_changes)
    return sorted(operation.id for operation in load_operations() if operation.method != "GET")
