"""Register mutants that read a request field differently, in one media type or in both."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.exceptions import ValidationError
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Change, Level, mutant
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.mutants.responses import Json
from mockhub.spec.operations import FORM, JSON

_MEDIA_TYPES = {JSON: ("json", "In JSON"), FORM: ("form", "In a form")}


def for_each_media_type(
    name: str,
    clause: str,
    description: str,
    change: Callable[[Json], object],
    *,
    field: str = "n",
    level: Level | None = None,
    conforms_if_documented: bool = False,
) -> None:
    """Register two mutants, each of which edits the schema of a field in one media type."""

    def edit_schema(media_type: str) -> Change:
        return lambda server: change(server.field(field, media_type))

    _register(name, clause, description, edit_schema, level, conforms_if_documented)


def mutate_field(
    name: str,
    clause: str,
    description: str,
    change: Callable[[Json], object],
    *,
    level: Level | None = None,
    conforms_if_documented: bool = False,
) -> None:
    """Register two mutants, each of which changes the fields of one media type in place."""

    def edit_body(media_type: str) -> Change:
        def edit(request: ParsedRequest) -> None:
            if request.media_type == media_type:
                change(request.values)

        return lambda server: server.on_request_body(edit)

    _register(name, clause, description, edit_body, level, conforms_if_documented)


def _register(
    name: str,
    clause: str,
    description: str,
    change_for: Callable[[str], Change],
    level: Level | None,
    conforms_if_documented: bool,
) -> None:
    for media_type, (suffix, prefix) in _MEDIA_TYPES.items():
        mutant(
            clause,
            f"{prefix}, {description}",
            level=level,
            conforms_if_documented=conforms_if_documented,
            name=f"{name}-in-{suffix}",
        )(change_for(media_type))


def reject_value(server: PatchedServer, name: str, value: object) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        if request.values.get(name) == value:
            raise ValidationError(f"{name}: {value} is not offered")


def change_text_field(server: PatchedServer, name: str, change: Callable[[str], str]) -> None:
    @server.on_request_body
    def apply(request: ParsedRequest) -> None:
        if isinstance(text := request.values.get(name), str):
            request.values[name] = change(text)
