"""Match a method and a path to an operation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mockhub.spec.frozen_struct import FrozenStruct
from mockhub.spec.operations import Operation


class Router(FrozenStruct, frozen=True):
    """The operations by path and method."""

    static_routes: Mapping[str, Mapping[str, Operation]]
    pattern_routes: tuple[tuple[re.Pattern[str], Mapping[str, Operation]], ...]

    def match(self, path: str) -> tuple[Mapping[str, Operation], str | None] | None:
        """Return the operations of *path* by method, and the path parameter; None if unknown."""
        if methods := self.static_routes.get(path):
            return methods, None
        for pattern, methods in self.pattern_routes:
            if match := pattern.fullmatch(path):
                return methods, match[1]
        return None


def build_router(operations: tuple[Operation, ...]) -> Router:
    """Build the router of *operations*."""
    static_routes: dict[str, dict[str, Operation]] = {}
    pattern_routes: dict[re.Pattern[str], dict[str, Operation]] = {}
    for operation in operations:
        methods = (
            pattern_routes.setdefault(operation.path_pattern, {})
            if "{" in operation.path
            else static_routes.setdefault(operation.path, {})
        )
        methods[operation.method] = operation
    return Router(static_routes, tuple(pattern_routes.items()))


def allowed_methods(methods: Iterable[str]) -> tuple[str, ...]:
    """Return the methods of a path, with HEAD, where there is GET, and OPTIONS."""
    return tuple(sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}))
