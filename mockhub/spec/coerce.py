"""From bytes to a request's fields: one set of rules for JSON and forms, a message a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from mockhub.spec.document import nearest
from mockhub.spec.operations import Body

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_TOO_DEEP = "The body is nested too deeply; expected a flat JSON object"
_SHOWN = 60
_NEAR = 20


class Invalid(ValueError):
    """What is wrong with a request's body or parameters, as a sentence for its author."""


def read_json(raw: bytes) -> dict[str, Any]:
    """Read a JSON object strictly: no NaN, no key twice, no lone surrogates.

    Raises:
        Invalid: with the place of the mistake.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid(
            f"The body is not valid JSON: {error}{_near(error)}; expected a JSON object"
        ) from None
    if not isinstance(body, dict):
        raise Invalid(f"The body is {shown(body)}; expected a JSON object")
    if not _surely_unique(raw, body):
        _refuse_repeated_keys(raw)
    return body


def _near(error: json.JSONDecodeError) -> str:
    text = error.doc[max(0, error.pos - _NEAR) : error.pos + _NEAR]
    return f", near {shown(text)}" if text else ""


def _surely_unique(raw: bytes, body: Mapping[str, Any]) -> bool:
    """No key of a flat object is hidden: each quote belongs to a key or a value that is seen.

    It spares the usual body a second, slower reading.
    """
    if b"\\" in raw or b"[" in raw or raw.count(b"{") > 1:
        return False
    texts = [*map(type, body.values())].count(str)
    return raw.count(b'"') == 2 * (len(body) + texts)


def _refuse_repeated_keys(raw: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Invalid(f"{shown(key)} stands twice in the body; expected each field once")
            seen.add(key)

    try:
        json.loads(raw, object_pairs_hook=unique)
    except RecursionError:
        raise Invalid(_TOO_DEEP) from None


def read_texts(parts: Iterable[tuple[str, str]], body: Body) -> dict[str, Any]:
    """Read a form's texts by their schemas, strictly: ``2`` is an integer, ``2.0`` is not.

    Raises:
        Invalid: if a field that the law knows comes twice.
    """
    values: dict[str, Any] = {}
    for name, text in parts:
        if name in values and name in body.fields:
            raise Invalid(f"{name} stands twice in the form; expected it once")
        values[name] = _typed(text, body.fields.get(name, {}).get("type"))
    return values


def _typed(text: str, kind: Any) -> Any:
    """*text* as *kind*, or as it is: then the schema refuses it in its own words."""
    if kind == "integer" and len(text) < _SHOWN and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def validate(values: Mapping[str, Any], body: Body) -> dict[str, Any]:
    """Hold *values* to the body's schema and fill in what was left out (REQ-12).

    Raises:
        Invalid: naming the field, its value and what is allowed.
    """
    try:
        if not body.validator.is_valid(values):
            raise Invalid(_complaint(next(body.validator.iter_errors(values)), values, body))
    except Invalid:
        raise
    except ValueError:  # the validator's own limit
        raise Invalid(_TOO_DEEP) from None
    return {**body.defaults, **values}


def _complaint(error: Any, values: Mapping[str, Any], body: Body) -> str:
    if error.instance_path:
        return _misfit(error.instance_path, values, body)
    required = body.schema.get("required", ())
    if missing := next((name for name in required if name not in values), None):
        return f"{missing} is missing; expected {expected(body.fields[missing])}"
    closed = body.schema.get("additionalProperties") is False
    if odd := next((name for name in values if closed and name not in body.fields), None):
        known = ", ".join(body.fields) or "nothing"
        return f"{shown(odd)} is not known here; expected {known}{nearest(odd, body.fields)}"
    if "not" not in body.schema:
        return f"The body is {shown(dict(values))}; expected {expected(body.schema)}"
    barred = body.schema["not"]["required"][0]
    return f"{barred} is not valid in a JSON body; expected it as a file in multipart/form-data"


def _misfit(at: Sequence[str | int], values: Mapping[str, Any], body: Body) -> str:
    """Which field does not fit its schema: its place, its value and what is allowed."""
    place, value, schema = str(at[0]), values[str(at[0])], body.fields[str(at[0])]
    for step in at[1:]:
        within = schema.get("properties", {}).get(step) or schema.get("items")
        if not isinstance(within, dict):
            break
        place += f"[{step}]" if isinstance(step, int) else f".{step}"
        value, schema = value[step], within
    known = {} if schema.get("additionalProperties", True) else schema.get("properties", {})
    if odd := next((name for name in value if name not in known), None) if known else None:
        return f"{place}.{odd} is not known here; expected {', '.join(known)}{nearest(odd, known)}"
    hint = nearest(value, schema["enum"]) if "enum" in schema and isinstance(value, str) else ""
    return f"{place}: {shown(value)} is not valid; expected {expected(schema)}{hint}"


def expected(schema: Mapping[str, Any]) -> str:
    """What *schema* allows, in words."""
    kind = schema.get("type")
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if kind == "boolean":
        return "true or false"
    if "minimum" in schema and "maximum" in schema:
        return f"an {kind} from {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        return f"a text of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    described = str(schema.get("description", f"a value of type {kind}")).rstrip(".")
    first = described.partition(" ")[0]
    if first == first.capitalize():  # "A" and "The", but neither "API" nor "OpenAI"
        described = first.lower() + described[len(first) :]
    examples = ", ".join(map(str, schema.get("examples", ())))
    return described + (f" such as {examples}" if examples else "")


def shown(value: Any) -> str:
    """*value* as JSON, shortened."""
    if isinstance(value, str) and len(value) > _SHOWN:
        value, more = value[:_SHOWN], f"... ({len(value)} characters)"
    else:
        more = ""
    text = json.dumps(value, ensure_ascii=False, default=str) if _small(value) else _kind(value)
    return text + more


def _small(value: Any) -> bool:
    return not isinstance(value, (dict, list)) or len(value) == 0


def _kind(value: Any) -> str:
    return f"an {'object' if isinstance(value, dict) else 'array'} of {len(value)}"
