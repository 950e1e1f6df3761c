"""What may stand in a scenario file, and what is told of one that has something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from mockhub._text import format_value, suggest
from mockhub._timestamps import parse_timestamp
from mockhub.domain.provider import parse_outcome
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import Directive, parse_directives, with_conditions
from mockhub.spec.document import Pointer

SchemaError = tuple[Pointer, str]

_MAX_INTEGER = 2**53 - 1  # what every JSON reader takes for a whole number
_TIME_DESCRIPTION = "a time such as 2026-04-30T08:00:00Z"


def _object(
    description: str, properties: Mapping[str, Any], required: Iterable[str] = ()
) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(description: str, items: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "type": "array", "items": items}


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "type": "string", "minLength": 1}


def _integer(description: str, minimum: int) -> dict[str, Any]:
    return {
        "description": description,
        "type": "integer",
        "minimum": minimum,
        "maximum": _MAX_INTEGER,
    }


_TIMESTAMP = {"description": f"{_TIME_DESCRIPTION}, or null", "type": ["string", "null"]}
_GRANT = _object(
    "a grant such as {credits: 120}",
    {"credits": _integer(f"a whole number from 0 to {_MAX_INTEGER}", 0), "expires_at": _TIMESTAMP},
    ["credits"],
)
_KEY = _object(
    "a key such as {key: gih_live_..., name: mine}",
    {
        "key": {**_text("a text without blanks, as a header can carry it"), "pattern": "^[!-~]+$"},
        "name": _text("a text"),
        "expires_at": _TIMESTAMP,
        "revoked": {"description": "true or false", "type": "boolean"},
    },
    ["key"],
)
_ACCOUNT = _object(
    "an account such as {grants: [{credits: 120}], keys: [{key: gih_live_...}]}",
    {
        "account_type": _text("a text such as PRO"),
        "grants": _list("a list of grants", _GRANT),
        "keys": _list("a list of keys", _KEY),
    },
)
_GENERATION = _object(
    "a generation with its account and request",
    {
        "id": _text("a text"),
        "account": _text("the name of an account"),
        "created_at": _text(_TIME_DESCRIPTION),
        "request": {"description": "a request as JSON has it", "type": "object"},
    },
    ["account", "request"],
)
_CLOCK = {
    "description": f"system, or {{manual: {_TIME_DESCRIPTION}, mode: autojump or hold}}",
    "oneOf": [
        {"const": "system"},
        _object(
            "",
            {"manual": _text(_TIME_DESCRIPTION), "mode": {"enum": ["autojump", "hold"]}},
            ["manual"],
        ),
    ],
}
_FAULT = {
    "description": "a fault such as reset@after, or {fault: reset@after, prompt: cat}",
    "oneOf": [_text(""), _object("", {"fault": _text(""), "prompt": _text("")}, ["fault"])],
}
SCHEMA = _object(
    "a mapping with accounts",
    {
        "description": _text("a text"),
        "seed": _integer("a whole number", -_MAX_INTEGER),
        "clock": _CLOCK,
        "image_format": {"enum": ["png", "jpeg", "webp"]},
        "max_generations": _integer("a whole number from 1", 1),
        "accounts": {
            "description": "a mapping of names to accounts",
            "type": "object",
            "additionalProperties": _ACCOUNT,
        },
        "generations": _list("a list of generations", _GENERATION),
        "provider": _list("a list of outcomes such as [fail, deliver=2]", _text("an outcome")),
        "faults": _list("a list of faults such as [reset@after]", _FAULT),
    },
    ["accounts"],
)
_VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


def parse_fault_entry(entry: Any) -> list[Directive]:
    """The directives of an entry under `faults`; raises MockhubError."""
    if isinstance(entry, str):
        return list(parse_directives(entry))
    return [
        with_conditions(one, prompt=entry.get("prompt")) for one in parse_directives(entry["fault"])
    ]


def find_errors(content: Any) -> Iterator[SchemaError]:
    """What is wrong with a scenario, with its place: the first one is meant to be told."""
    yield from _non_string_keys(content, ())
    for error in _VALIDATOR.iter_errors(content):
        yield _describe(error)
    yield from _unparsable_values(content)
    yield from _duplicate_names(content)


def _non_string_keys(value: Any, pointer: Pointer) -> Iterator[SchemaError]:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield (*pointer, key), f"the key {key!r} is not text; quote it"
            yield from _non_string_keys(item, (*pointer, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _non_string_keys(item, (*pointer, index))


def _describe(error: Any) -> SchemaError:
    """Where a scenario leaves its schema, and what is allowed there."""
    pointer: Pointer = tuple(error.instance_path)
    schema: Any = SCHEMA
    for step in error.schema_path[:-1]:
        schema = schema[step]
    keyword = error.schema_path[-1]
    if keyword == "additionalProperties":
        known = schema["properties"]
        unknown = next(name for name in error.instance if name not in known)
        hint = suggest(str(unknown), known) or f"; known are {', '.join(known)}"
        return (*pointer, unknown), f"{unknown!r} is not known here{hint}"
    if keyword == "required":
        missing = next(name for name in schema["required"] if name not in error.instance)
        return pointer, f"{missing!r} is missing; expected {schema['description']}"
    expected = f"one of {', '.join(schema['enum'])}" if keyword == "enum" else schema["description"]
    return pointer, f"{format_value(error.instance)} is not valid; expected {expected}"


def _unparsable_values(content: Mapping[str, Any]) -> Iterator[SchemaError]:
    """Every time and directive is read once, so that a mistake is told with its place."""
    for pointer, value, parser in _parsed_values(content):
        try:
            parser(value)
        except MockhubError as error:
            yield pointer, str(error)


def _parsed_values(
    content: Mapping[str, Any],
) -> Iterator[tuple[Pointer, Any, Callable[[Any], object]]]:
    clock = content.get("clock")
    if isinstance(clock, dict):
        yield ("clock", "manual"), clock["manual"], parse_timestamp
    for id, account in content["accounts"].items():
        for list_name in ("grants", "keys"):
            for index, entry in enumerate(account.get(list_name, ())):
                if entry.get("expires_at"):
                    pointer = ("accounts", id, list_name, index, "expires_at")
                    yield pointer, entry["expires_at"], parse_timestamp
    for index, entry in enumerate(content.get("generations", ())):
        if "created_at" in entry:
            yield ("generations", index, "created_at"), entry["created_at"], parse_timestamp
    for index, text in enumerate(content.get("provider", ())):
        yield ("provider", index), text, parse_outcome
    for index, entry in enumerate(content.get("faults", ())):
        yield ("faults", index), entry, parse_fault_entry


def _duplicate_names(content: Mapping[str, Any]) -> Iterator[SchemaError]:
    """A key opens one account, and an id names one generation."""
    keys: set[str] = set()
    for id, account in content["accounts"].items():
        for index, entry in enumerate(account.get("keys", ())):
            if entry["key"] in keys:
                pointer: Pointer = ("accounts", id, "keys", index, "key")
                yield pointer, f"the key {format_value(entry['key'])} stands twice; expected once"
            keys.add(entry["key"])
    ids: set[str] = set()
    for index, entry in enumerate(content.get("generations", ())):
        if entry.get("id") in ids:
            pointer = ("generations", index, "id")
            yield pointer, f"the id {format_value(entry['id'])} stands twice; expected once"
        ids |= {entry["id"]} if "id" in entry else set()
