"""Hooks that change the fields of a request before they are validated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mockhub.exceptions import ValidationError
from mockhub.mutants.hooks import hook
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Hook, Rows, mutant
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.mutants.responses import Json
from mockhub.spec.operations import FORM, JSON

C = TypeVar("C")
Matches = Callable[[ParsedRequest], bool]

_MEDIA_TYPES = {JSON: ("json", "In JSON"), FORM: ("form", "In a form")}
_ALL = (JSON, FORM)


def field_table(
    clause: str, hook_for: Callable[[str], Hook[C]], *, conforms_if_documented: bool = False
) -> Rows[C]:
    """Register each row twice, for one media type each: NAME-in-json and NAME-in-form."""

    def register(**rows: tuple[str, C]) -> None:
        for name, (description, function) in rows.items():
            for media_type, (suffix, prefix) in _MEDIA_TYPES.items():
                mutant(
                    clause,
                    f"{prefix}, {description}",
                    conforms_if_documented=conforms_if_documented,
                    name=f"{name}_in_{suffix}",
                )(hook_for(media_type)(function))

    return register


def mutate_schema(field: str) -> Callable[[str], Hook[Callable[[Json], object]]]:
    """Change the schema of a field, for `field_table`."""

    def hook_for(media_type: str) -> Hook[Callable[[Json], object]]:
        return hook(lambda server, change: change(server.field(field, media_type)))

    return hook_for


def mutate_values(*media_types: str) -> Hook[Callable[[Json], object]]:
    """Change the fields of a request in place."""

    @hook
    def apply(server: PatchedServer, change: Callable[[Json], object]) -> None:
        @server.on_request_body
        def mutate(request: ParsedRequest) -> None:
            if request.media_type in (media_types or _ALL):
                change(request.values)

    return apply


def replace_field(name: str, *media_types: str) -> Hook[Callable[[Any], object]]:
    """Replace the value of a field if a request has it."""

    @hook
    def apply(server: PatchedServer, change: Callable[[Any], object]) -> None:
        @mutate_values(*media_types)
        def mutate(values: Json) -> None:
            if name in values:
                values[name] = change(values[name])

        mutate(server)

    return apply


def if_type(expected_type: type, change: Callable[[Any], object]) -> Callable[[object], object]:
    """Return *change* as a function that leaves values of other types unchanged."""
    return lambda value: change(value) if type(value) is expected_type else value


@hook
def reject_if(server: PatchedServer, matches: Matches) -> None:
    """Reject some requests with 400 invalid_request."""

    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        if matches(request):
            raise ValidationError("this mutant does not support the request")


@hook
def crash_if(server: PatchedServer, matches: Matches) -> None:
    """Return 500 for some requests."""

    @server.on_request_body
    def crash(request: ParsedRequest) -> None:
        if matches(request):
            raise RuntimeError("this mutant does not support the request")


def has_value(name: str, *values: object) -> Matches:
    """Return a function that matches requests with one of the values of a field."""
    return lambda request: request.values.get(name) in values


def lacks(name: str) -> Matches:
    """Return a function that matches requests without a field."""
    return lambda request: name not in request.values
