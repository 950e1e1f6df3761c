"""Schema validation errors as sentences: where, what was sent and what is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockhub._text import format_value, suggest
from mockhub.spec.operations import BodySchema


def describe_error(error: Any, values: Mapping[str, Any], body: BodySchema) -> str:
    if error.instance_path:
        return _describe_nested_error(error.instance_path, values, body)
    required = body.schema.get("required", ())
    if missing := next((name for name in required if name not in values), None):
        return f"{missing} is missing; expected {describe_expected(body.fields[missing])}"
    no_extra_fields = body.schema.get("additionalProperties") is False
    if unknown := next(
        (name for name in values if no_extra_fields and name not in body.fields), None
    ):
        known = ", ".join(body.fields) or "nothing"
        return f"{format_value(unknown)} is not known here; expected {known}{suggest(unknown, body.fields)}"  # noqa: E501
    if "not" not in body.schema:
        return (
            f"The body is {format_value(dict(values))}; expected {describe_expected(body.schema)}"
        )
    forbidden = body.schema["not"]["required"][0]
    return f"{forbidden} is not valid in a JSON body; expected it as a file in multipart/form-data"


def _describe_nested_error(
    pointer: Sequence[str | int], values: Mapping[str, Any], body: BodySchema
) -> str:
    """Which field does not fit its schema: its place, its value and what is allowed."""
    place, value, schema = str(pointer[0]), values[str(pointer[0])], body.fields[str(pointer[0])]
    for step in pointer[1:]:
        child_schema = schema.get("properties", {}).get(step) or schema.get("items")
        if not isinstance(child_schema, dict):
            break
        place += f"[{step}]" if isinstance(step, int) else f".{step}"
        value, schema = value[step], child_schema
    known = {} if schema.get("additionalProperties", True) else schema.get("properties", {})
    if unknown := next((name for name in value if name not in known), None) if known else None:
        return f"{place}.{unknown} is not known here; expected {', '.join(known)}{suggest(unknown, known)}"  # noqa: E501
    hint = suggest(value, schema["enum"]) if "enum" in schema and isinstance(value, str) else ""
    return (
        f"{place}: {format_value(value)} is not valid; expected {describe_expected(schema)}{hint}"
    )


def describe_expected(schema: Mapping[str, Any]) -> str:
    """What *schema* allows, in words."""
    type_name = schema.get("type")
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if type_name == "boolean":
        return "true or false"
    if "minimum" in schema and "maximum" in schema:
        return f"an {type_name} from {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        return f"a text of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    description = str(schema.get("description", f"a value of type {type_name}")).rstrip(".")
    first_word = description.partition(" ")[0]
    if first_word == first_word.capitalize():  # "A" and "The", but neither "API" nor "OpenAI"
        description = first_word.lower() + description[len(first_word) :]
    examples = ", ".join(map(str, schema.get("examples", ())))
    return description + (f" such as {examples}" if examples else "")
