"""Parse and validate request bodies; JSON and forms have the same rules."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from mockhub._text import format_value
from mockhub.exceptions import ValidationError
from mockhub.spec.error_messages import describe_error, describe_expected
from mockhub.spec.operations import BodySchema

_INTEGER_PATTERN = re.compile(r"-?(0|[1-9][0-9]{0,30})")  # longer ones are shown as sent
_TOO_DEEP = "The body is nested too deeply; expected a flat JSON object"
_CONTEXT_CHARS = 20
_ESCAPED_COLON = b"\\u003"  # the start of it


def parse_json_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object strictly: NaN, duplicate keys and lone surrogates are rejected.

    A byte order mark before it is ignored.

    Raises:
        ValidationError: with the place of the error.
    """
    raw = raw.removeprefix(BOM_UTF8)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ValidationError(
            f"The body is not valid JSON: {error}{_error_context(error)}; expected a JSON object"
        ) from None
    if not isinstance(body, dict):
        raise ValidationError(f"The body is {format_value(body)}; expected a JSON object")
    if not _has_no_duplicate_keys(raw, body):
        _reject_duplicate_keys(raw)
    return body


def _error_context(error: json.JSONDecodeError) -> str:
    text = error.doc[max(0, error.pos - _CONTEXT_CHARS) : error.pos + _CONTEXT_CHARS]
    return f", near {format_value(text)}" if text else ""


def _has_no_duplicate_keys(raw: bytes, body: Mapping[str, object]) -> bool:
    """Return True if the number of colons, one after each key, proves that no key is hidden.

    It saves a flat body a second, slower parse, two thirds of the time of parse_json_object.
    """
    surplus = raw.count(b":") - len(body)
    if surplus and _ESCAPED_COLON not in raw:
        texts = [value for value in body.values() if isinstance(value, str)]
        surplus -= "".join(texts).count(":")
    return surplus == 0


def _reject_duplicate_keys(raw: bytes) -> None:
    def check_unique(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValidationError(
                    f"{format_value(key)} occurs twice in the body; expected each field once"
                )
            seen.add(key)

    try:
        json.loads(raw, object_pairs_hook=check_unique)
    except RecursionError:
        raise ValidationError(_TOO_DEEP) from None


def coerce_form_fields(parts: Iterable[tuple[str, str]], body: BodySchema) -> dict[str, Any]:
    """Convert the text fields of a form by their schemas (REQ-16); ``2.0`` is not an integer.

    Raises:
        ValidationError: if a known field occurs twice.
    """
    values: dict[str, Any] = {}
    for name, text in parts:
        if name in values and name in body.fields:
            raise ValidationError(f"{name} occurs twice; expected once")
        values[name] = _coerce(text, body.fields.get(name, {}).get("type"))
    return values


def _coerce(text: str, type_name: object) -> object:
    """Convert *text*, or return it unchanged for the schema to reject."""
    if type_name == "integer" and _INTEGER_PATTERN.fullmatch(text):
        return int(text)
    if type_name == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def validate(values: Mapping[str, Any], body: BodySchema) -> dict[str, Any]:
    """Validate *values* and fill in the defaults (REQ-12); an integer written as 1.0 becomes 1.

    The schema decides on the prompt (REQ-11), size (REQ-3), quality (REQ-4), n (REQ-5) and a
    reference_image in JSON (REQ-6); it ignores unknown fields (REQ-15).

    Raises:
        ValidationError: naming the field, its value and what is allowed.
    """
    try:
        if not body.validator.is_valid(values):
            raise ValidationError(
                describe_error(next(body.validator.iter_errors(values)), values, body)
            )
    except ValueError:  # nested deeper than the validator's limit
        raise ValidationError(_TOO_DEEP) from None
    valid = {**body.defaults, **values}
    for name in _fractions(values, body):
        valid[name] = int(valid[name])
    return valid


def reject_fractions(values: Mapping[str, object], body: BodySchema) -> None:
    """Raise ValidationError for an integer that is written as 1.0."""
    for name in _fractions(values, body):
        expected = describe_expected(body.fields[name])
        raise ValidationError(
            f"{name}: {values[name]} is not valid; expected {expected}, without a fraction"
        )


def _fractions(values: Mapping[str, object], body: BodySchema) -> list[str]:
    if float not in map(type, values.values()):
        return []
    return [
        name
        for name, value in values.items()
        if type(value) is float and body.fields.get(name, {}).get("type") == "integer"
    ]
