"""What may stand in a scenario file, and what is told of one that has something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from mockhub.spec.coerce import shown
from mockhub.spec.document import Pointer, nearest
from mockhub.spec.errors import MockhubError
from mockhub.world.clock import from_text
from mockhub.world.faults import Directive, outcome, parse, restrict

Complaint = tuple[Pointer, str]

_LARGEST = 2**53 - 1  # what every JSON reader takes for a whole number
_TIME = "a time such as 2026-04-30T08:00:00Z"


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


def _word(description: str) -> dict[str, Any]:
    return {"description": description, "type": "string", "minLength": 1}


def _number(description: str, least: int) -> dict[str, Any]:
    return {"description": description, "type": "integer", "minimum": least, "maximum": _LARGEST}


_MOMENT = {"description": f"{_TIME}, or null", "type": ["string", "null"]}
_GRANT = _object(
    "a grant such as {credits: 120}",
    {"credits": _number(f"a whole number from 0 to {_LARGEST}", 0), "expires_at": _MOMENT},
    ["credits"],
)
_KEY = _object(
    "a key such as {key: gih_live_..., name: mine}",
    {
        "key": {**_word("a text without blanks, as a header can carry it"), "pattern": "^[!-~]+$"},
        "name": _word("a text"),
        "expires_at": _MOMENT,
        "revoked": {"description": "true or false", "type": "boolean"},
    },
    ["key"],
)
_ACCOUNT = _object(
    "an account such as {grants: [{credits: 120}], keys: [{key: gih_live_...}]}",
    {
        "account_type": _word("a text such as PRO"),
        "grants": _list("a list of grants", _GRANT),
        "keys": _list("a list of keys", _KEY),
    },
)
_GENERATION = _object(
    "a generation with its account and request",
    {
        "id": _word("a text"),
        "account": _word("the name of an account"),
        "created_at": _word(_TIME),
        "request": {"description": "a request as JSON has it", "type": "object"},
    },
    ["account", "request"],
)
_CLOCK = {
    "description": f"system, or {{manual: {_TIME}, manner: jump or hold}}",
    "oneOf": [
        {"const": "system"},
        _object("", {"manual": _word(_TIME), "manner": {"enum": ["jump", "hold"]}}, ["manual"]),
    ],
}
_FAULT = {
    "description": "a fault such as drop@after, or {fault: drop@after, prompt: cat}",
    "oneOf": [_word(""), _object("", {"fault": _word(""), "prompt": _word("")}, ["fault"])],
}
SCHEMA = _object(
    "a mapping with accounts",
    {
        "description": _word("a text"),
        "seed": _number("a whole number", -_LARGEST),
        "clock": _CLOCK,
        "image_format": {"enum": ["png", "jpeg", "webp"]},
        "keep": _number("a whole number from 1", 1),
        "accounts": {
            "description": "a mapping of names to accounts",
            "type": "object",
            "additionalProperties": _ACCOUNT,
        },
        "generations": _list("a list of generations", _GENERATION),
        "provider": _list("a list of outcomes such as [fail, deliver=2]", _word("an outcome")),
        "faults": _list("a list of faults such as [drop@after]", _FAULT),
    },
    ["accounts"],
)
_VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


def fault(entry: Any) -> list[Directive]:
    """The directives of an entry under `faults`; raises MockhubError."""
    if isinstance(entry, str):
        return list(parse(entry))
    return [restrict(one, prompt=entry.get("prompt")) for one in parse(entry["fault"])]


def complaints(content: Any) -> Iterator[Complaint]:
    """What is wrong with a scenario, with its place: the first one is meant to be told."""
    yield from _odd_keys(content, ())
    for wrong in _VALIDATOR.iter_errors(content):
        yield _explained(wrong)
    yield from _misread(content)
    yield from _repeated(content)


def _odd_keys(value: Any, at: Pointer) -> Iterator[Complaint]:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield (*at, key), f"the key {key!r} is not text; quote it"
            yield from _odd_keys(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _odd_keys(item, (*at, index))


def _explained(wrong: Any) -> Complaint:
    """Where a scenario leaves its schema, and what is allowed there."""
    at: Pointer = tuple(wrong.instance_path)
    where: Any = SCHEMA
    for step in wrong.schema_path[:-1]:
        where = where[step]
    rule = wrong.schema_path[-1]
    if rule == "additionalProperties":
        known = where["properties"]
        odd = next(name for name in wrong.instance if name not in known)
        hint = nearest(str(odd), known) or f"; known are {', '.join(known)}"
        return (*at, odd), f"{odd!r} is not known here{hint}"
    if rule == "required":
        missing = next(name for name in where["required"] if name not in wrong.instance)
        return at, f"{missing!r} is missing; expected {where['description']}"
    expected = f"one of {', '.join(where['enum'])}" if rule == "enum" else where["description"]
    return at, f"{shown(wrong.instance)} is not valid; expected {expected}"


def _misread(content: Mapping[str, Any]) -> Iterator[Complaint]:
    """Every time and directive is read once, so that a mistake is told with its place."""
    for at, value, reader in _words(content):
        try:
            reader(value)
        except MockhubError as error:
            yield at, str(error)


def _words(content: Mapping[str, Any]) -> Iterator[tuple[Pointer, Any, Callable[[Any], object]]]:
    clock = content.get("clock")
    if isinstance(clock, dict):
        yield ("clock", "manual"), clock["manual"], from_text
    for id, account in content["accounts"].items():
        for list_name in ("grants", "keys"):
            for index, entry in enumerate(account.get(list_name, ())):
                if entry.get("expires_at"):
                    at = ("accounts", id, list_name, index, "expires_at")
                    yield at, entry["expires_at"], from_text
    for index, entry in enumerate(content.get("generations", ())):
        if "created_at" in entry:
            yield ("generations", index, "created_at"), entry["created_at"], from_text
    for index, text in enumerate(content.get("provider", ())):
        yield ("provider", index), text, outcome
    for index, entry in enumerate(content.get("faults", ())):
        yield ("faults", index), entry, fault


def _repeated(content: Mapping[str, Any]) -> Iterator[Complaint]:
    """A key opens one account, and an id names one generation."""
    keys: set[str] = set()
    for id, account in content["accounts"].items():
        for index, entry in enumerate(account.get("keys", ())):
            if entry["key"] in keys:
                place: Pointer = ("accounts", id, "keys", index, "key")
                yield place, f"the key {shown(entry['key'])} stands twice; expected once"
            keys.add(entry["key"])
    ids: set[str] = set()
    for index, entry in enumerate(content.get("generations", ())):
        if entry.get("id") in ids:
            place = ("generations", index, "id")
            yield place, f"the id {shown(entry['id'])} stands twice; expected once"
        ids |= {entry["id"]} if "id" in entry else set()
