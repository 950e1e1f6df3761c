"""Check each `discriminator`: it must add nothing to the const or enum of its schemas.

mockhub validates by the schemas alone. OpenAPI calls a discriminator a hint; a document that relies
on it, or contradicts it, would be validated otherwise than its author means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mockhub._text import format_value
from mockhub.spec.config_file import Pointer

if TYPE_CHECKING:
    from mockhub.spec.document import Document

_DATA_KEYWORDS = ("value", "example", "examples", "default", "const", "enum")


def check_discriminators(document: Document) -> None:
    """Raise MockhubError, with the place, for a discriminator that adds to its schemas."""
    for pointer, schema in _discriminated_schemas(document.root, ()):
        for problem_pointer, problem in _problems(document, pointer, schema):
            raise document.error(problem_pointer, problem)


def _discriminated_schemas(
    node: object, pointer: Pointer
) -> Iterator[tuple[Pointer, Mapping[str, Any]]]:
    items: Iterable[tuple[str | int, object]] = ()
    if isinstance(node, dict):
        names_are_keywords = not pointer or pointer[-1] != "properties"
        if names_are_keywords and isinstance(node.get("discriminator"), dict):
            yield pointer, node
        items = [
            (name, value)
            for name, value in node.items()
            if not (names_are_keywords and name in _DATA_KEYWORDS)
        ]
    elif isinstance(node, list):
        items = enumerate(node)
    for name, value in items:
        yield from _discriminated_schemas(value, (*pointer, name))


def _problems(
    document: Document, pointer: Pointer, schema: Mapping[str, Any]
) -> Iterator[tuple[Pointer, str]]:
    discriminator, place = schema["discriminator"], (*pointer, "discriminator")
    name = discriminator.get("propertyName")
    if not name:
        yield place, "expected propertyName, the name of a property"
    branches = schema.get("oneOf") or schema.get("anyOf")
    if not branches:
        yield place, "expected oneOf or anyOf beside it"
    values_by_reference: dict[str, list[object]] = {}
    for keyword in ("oneOf", "anyOf"):
        for index, branch in enumerate(schema.get(keyword, ())):
            values = _values(document.resolve(branch), name, document)
            reference = branch.get("$ref", "") if isinstance(branch, dict) else ""
            if not values:
                yield (
                    (*pointer, keyword, index),
                    f"expected a required property {name!r} with const or enum, by which mockhub "
                    "distinguishes the schemas; it does not use the discriminator",
                )
            values_by_reference[reference] = values
    for value, reference in discriminator.get("mapping", {}).items():
        target = _full_reference(reference)
        if value not in values_by_reference.get(target, ()):
            yield (
                (*place, "mapping", value),
                f"{format_value(reference)} does not have the value {value!r} of {name!r}; "
                f"expected one of {_choices(values_by_reference, value)}",
            )


def _values(schema: object, name: str, document: Document) -> list[object]:
    """Return the values that a branch allows for the property, if it requires it."""
    if not isinstance(schema, dict):
        return []
    parts = [schema, *map(document.resolve, schema.get("allOf", ()))]
    fields = [document.resolve(part.get("properties", {}).get(name)) for part in parts]
    is_required = any(name in part.get("required", ()) for part in parts)
    for field in fields if is_required else ():
        if isinstance(field, dict) and {"const", "enum"} & field.keys():
            return [field["const"]] if "const" in field else list(field["enum"])
    return []


def _full_reference(reference: str) -> str:
    """Return a reference; a bare name in a mapping is that of a schema."""
    return reference if "/" in reference else f"#/components/schemas/{reference}"


def _choices(values_by_reference: Mapping[str, list[object]], value: str) -> str:
    fitting = [reference for reference, values in values_by_reference.items() if value in values]
    return ", ".join(fitting or values_by_reference)
