"""Hooks that change the fields of a request before they are validated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mockhub.exceptions import ValidationError
from mockhub.mutants.hook import Hook, hook_factory
from mockhub.mutants.hooks import on_request_body
from mockhub.mutants.matching import Matches
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, Table, mutant_table
from mockhub.mutants.types import Json, ParsedRequest
from mockhub.spec.operations import FORM, JSON

C = TypeVar("C")

_MEDIA_TYPES = {JSON: ("json", "In JSON"), FORM: ("form", "In a form")}


def field_table(
    clause: str, hook_for: Callable[[str], Hook[C]], *, conforms_if_documented: bool = False
) -> Table[C]:
    """Register each row twice, for one media type each: NAME-in-json and NAME-in-form."""

    def register(**rows: Row[C]) -> None:
        for name, row in rows.items():
            for media_type, (suffix, prefix) in _MEDIA_TYPES.items():
                mutant_table(
                    clause, hook_for(media_type), conforms_if_documented=conforms_if_documented
                )(**{f"{name}_in_{suffix}": Row(f"{prefix}, {row.description}", row.value)})

    return register


@hook_factory
def mutate_schema(
    server: PatchedServer, change: Callable[[Json], object], field: str, media_type: str
) -> None:
    change(server.field(field, media_type))


@hook_factory
def mutate_values(
    server: PatchedServer, change: Callable[[Json], object], *media_types: str
) -> None:
    """Change the fields of a request in place."""

    @on_request_body.on(server)
    def mutate(request: ParsedRequest) -> None:
        if request.media_type in (media_types or _MEDIA_TYPES):
            change(request.values)


@hook_factory
def replace_field(
    server: PatchedServer, change: Callable[[Any], object], name: str, *media_types: str
) -> None:
    @mutate_values(*media_types).on(server)
    def mutate(values: Json) -> None:
        if name in values:
            values[name] = change(values[name])


@on_request_body.adapted
def reject_if(matches: Matches, request: ParsedRequest) -> None:
    if matches(request):
        raise ValidationError("this mutant does not support the request")


@on_request_body.adapted
def crash_if(matches: Matches, request: ParsedRequest) -> None:
    if matches(request):
        raise RuntimeError("this mutant does not support the request")
