"""Describe schema errors of a request as sentences: the field, its value, what is expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mockhub._text import format_value, suggest
from mockhub.spec.operations import BodySchema


def describe_error(error: Any, values: Mapping[str, Any], body: BodySchema) -> str:
    """Describe an error of the validator of *body*."""
    if error.instance_path:
        return _describe_nested_error(error.instance_path, values, body)
    for name in body.schema.get("required", ()):
        if name not in values:
            return f"{name} is missing; expected {describe_expected(body.fields[name])}"
    if body.schema.get("additionalProperties") is False:
        for name in values:
            if name not in body.fields:
                return _describe_unknown(name, body.fields)
    if not body.forbidden:
        expected = describe_expected(body.schema)
        return f"The body is {format_value(dict(values))}; expected {expected}"
    forbidden = body.forbidden[0]
    return f"{forbidden} is not valid in a JSON body; expected it as a file in multipart/form-data"


def _describe_nested_error(
    pointer: Sequence[str | int], values: Mapping[str, Any], body: BodySchema
) -> str:
    place, value, schema = str(pointer[0]), values[str(pointer[0])], body.fields[str(pointer[0])]
    for step in pointer[1:]:
        child_schema = schema.get("properties", {}).get(step) or schema.get("items")
        if not isinstance(child_schema, dict):
            break
        place += f"[{step}]" if isinstance(step, int) else f".{step}"
        value, schema = value[step], child_schema
    if isinstance(value, dict) and schema.get("additionalProperties") is False:
        known = schema.get("properties", {})
        for name in value:
            if name not in known:
                return f"{place}: {_describe_unknown(name, known)}"
    if value is None and place in body.defaults:
        problem = "null is not valid, leave it out for the default"
    else:
        problem = f"{format_value(value)} is not valid"
    hint = suggest(value, schema["enum"]) if "enum" in schema and isinstance(value, str) else ""
    expected = describe_expected(schema)
    return f"{place}: {problem}; expected {expected}{hint}"


def _describe_unknown(name: str, known: Iterable[str]) -> str:
    expected = ", ".join(known) or "nothing"
    return f"{format_value(name)} is not known here; expected {expected}{suggest(name, known)}"


def describe_expected(schema: Mapping[str, Any]) -> str:
    """Describe the values that *schema* allows, such as ``an integer from 1 to 4``."""
    type_name = schema.get("type")
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if type_name == "boolean":
        return "true or false"
    if "minimum" in schema and "maximum" in schema:
        return f"an {type_name} from {schema['minimum']} to {schema['maximum']}"
    if "minLength" in schema and "maxLength" in schema:
        return f"a string of {schema['minLength']} to {schema['maxLength']} characters"
    description = str(schema.get("description", f"a value of type {type_name}")).rstrip(".")
    first_word = description.partition(" ")[0]
    if first_word == first_word.capitalize():  # "A" and "The", but neither "API" nor "OpenAI"
        description = first_word.lower() + description[len(first_word) :]
    examples = ", ".join(map(str, schema.get("examples", ())))
    return description + (f" such as {examples}" if examples else "")
