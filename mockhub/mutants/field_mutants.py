"""How a request's field is read otherwise, in one media type or in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.exceptions import ValidationError
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Level, mutant
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.spec.operations import FORM, JSON

_NAME_SUFFIXES = {JSON: "json", FORM: "form"}
_DESCRIPTION_PREFIXES = {JSON: "In JSON", FORM: "In a form"}


def for_each_media_type(
    name: str,
    clause: str,
    description: str,
    change: Callable[[Any], object],
    *,
    field: str = "n",
    level: Level | None = None,
    conforms_if_documented: bool = False,
) -> None:
    """Register two mutants, each with another schema of a field in one media type."""
    for media_type, suffix in _NAME_SUFFIXES.items():

        def edit(server: PatchedServer, media_type: str = media_type) -> None:
            change(server.field(field, media_type))

        mutant(
            clause,
            level=level,
            conforms_if_documented=conforms_if_documented,
            name=f"{name}-in-{suffix}",
            description=f"{_DESCRIPTION_PREFIXES[media_type]}, {description}",
        )(edit)


def mutate_field(
    name: str,
    clause: str,
    description: str,
    change: Callable[[dict[str, Any]], object],
    **options: Any,
) -> None:
    """Register two mutants, each of which reads one media type's fields otherwise."""
    for media_type, suffix in _NAME_SUFFIXES.items():

        def edit(server: PatchedServer, media_type: str = media_type) -> None:
            server.on_request_body(
                lambda request: change(request.values) if request.media_type == media_type else None
            )

        options.setdefault("conforms_if_documented", False)
        mutant(
            clause,
            name=f"{name}-in-{suffix}",
            description=f"{_DESCRIPTION_PREFIXES[media_type]}, {description}",
            **options,
        )(edit)


def reject_value(name: str, value: object) -> Callable[[PatchedServer], None]:
    """A defect that refuses a value of a field."""
    return lambda server: reject_value_on(server, name, value)


def lowercase_field(server: PatchedServer, name: str) -> None:
    transform_text_field(server, name, str.lower)


def strip_field(server: PatchedServer, name: str) -> None:
    transform_text_field(server, name, str.strip)


def transform_text_field(server: PatchedServer, name: str, change: Callable[[str], str]) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update({name: change(request.values[name])})
            if isinstance(request.values.get(name), str)
            else None
        )
    )


def reject_value_on(server: PatchedServer, name: str, value: object) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        if request.values.get(name) == value:
            raise ValidationError(f"{name}: {value} is not offered")
