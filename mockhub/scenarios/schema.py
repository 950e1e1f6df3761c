"""The JSON Schema of scenario files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mockhub._numbers import MAX_GENERATIONS, MAX_GENERATIONS_SIZE, MAX_INTEGER
from mockhub._text import format_value
from mockhub._timestamps import parse_timestamp
from mockhub.domain.clock import parse_clock_time
from mockhub.domain.names import (
    KEY_NAME_DESCRIPTION,
    KEY_NAME_PATTERN,
    NAME_DESCRIPTION,
    NAME_PATTERN,
)
from mockhub.domain.provider import parse_outcome
from mockhub.faults.grammar import Directive, parse_directives, with_conditions
from mockhub.spec.config_file import (
    ConfigError,
    ConfigSchema,
    error_at,
    integer,
    mapping,
    sequence,
    string,
)

_TIME_DESCRIPTION = "a time such as 2026-04-30T08:00:00Z"
_TIMESTAMP = string(_TIME_DESCRIPTION, parser="timestamp")
_EXPIRY = _TIMESTAMP | {"description": f"{_TIME_DESCRIPTION}, or null", "type": ["string", "null"]}
_GRANT = mapping(
    "a grant such as {credits: 120}",
    {"credits": integer(f"a whole number from 0 to {MAX_INTEGER}", 0), "expires_at": _EXPIRY},
    required=("credits",),
)
_KEY = mapping(
    "a key such as {key: gih_live_..., name: mine}",
    {
        "key": string("a string of visible ASCII characters", pattern="^[!-~]+$"),
        "name": string(KEY_NAME_DESCRIPTION, pattern=KEY_NAME_PATTERN),
        "expires_at": _EXPIRY,
        "revoked": {"description": "true or false", "type": "boolean"},
    },
    required=("key",),
)
_ACCOUNT = mapping(
    "an account such as {grants: [{credits: 120}], keys: [{key: gih_live_...}]}",
    {
        "account_type": string("a string such as PRO"),
        "grants": sequence("a list of grants", _GRANT),
        "keys": sequence("a list of keys", _KEY),
    },
)
_GENERATION = mapping(
    "a generation with its account and request",
    {
        "id": string(NAME_DESCRIPTION, pattern=NAME_PATTERN),
        "account": string("the name of an account"),
        "created_at": _TIMESTAMP,
        "request": {"description": "a request body such as {prompt: a cat}", "type": "object"},
    },
    required=("account", "request"),
)
_CLOCK_DESCRIPTION = f"system, or {{manual: {_TIME_DESCRIPTION}, mode: autojump or hold}}"
_CLOCK = {
    "if": {"type": "object"},
    "then": mapping(
        _CLOCK_DESCRIPTION,
        {"manual": _TIMESTAMP | {"parser": "clock_time"}, "mode": {"enum": ["autojump", "hold"]}},
        required=("manual",),
    ),
    "else": {"description": _CLOCK_DESCRIPTION, "const": "system"},
}
_FAULT_DESCRIPTION = "a fault such as reset@after, or {fault: reset@after, prompt: cat}"
_FAULT = {
    "parser": "fault",
    "if": {"type": "object"},
    "then": mapping(
        _FAULT_DESCRIPTION,
        {
            "fault": string("a fault such as reset@after"),
            "prompt": string("a part of a prompt"),
        },
        required=("fault",),
    ),
    "else": string(_FAULT_DESCRIPTION),
}
_ROOT = mapping(
    "a mapping with accounts",
    {
        "description": string("a string"),
        "seed": integer(f"a whole number from {-MAX_INTEGER} to {MAX_INTEGER}", -MAX_INTEGER),
        "clock": _CLOCK,
        "prompt_faults": {"description": "true or false", "type": "boolean"},
        "image_format": {"enum": ["png", "jpeg", "webp"]},
        "max_generations": integer(
            f"a whole number from 1 to {MAX_GENERATIONS}", 1, MAX_GENERATIONS
        ),
        "max_generations_size": integer(
            f"a number of bytes from 1 to {MAX_GENERATIONS_SIZE}", 1, MAX_GENERATIONS_SIZE
        ),
        "accounts": {
            "description": "a mapping of names to accounts",
            "type": "object",
            "propertyNames": string(NAME_DESCRIPTION, pattern=NAME_PATTERN),
            "additionalProperties": _ACCOUNT,
        },
        "generations": sequence("a list of generations", _GENERATION),
        "provider": sequence(
            "a list of outcomes such as [fail, deliver=2]", string("an outcome", parser="outcome")
        ),
        "faults": sequence("a list of faults such as [reset@after]", _FAULT),
        "extends": string("a name from `mockhub scenarios`, or the path of a YAML file"),
    },
    required=("accounts",),
)


def parse_fault_entry(entry: str | Mapping[str, str]) -> list[Directive]:
    """Return the directives of an entry under `faults`; raises MockhubError."""
    if isinstance(entry, str):
        return list(parse_directives(entry))
    return [
        with_conditions(directive, prompt=entry.get("prompt"))
        for directive in parse_directives(entry["fault"])
    ]


_SCHEMA = ConfigSchema(
    _ROOT,
    {
        "timestamp": parse_timestamp,
        "clock_time": parse_clock_time,
        "outcome": parse_outcome,
        "fault": parse_fault_entry,
    },
)


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors."""
    choices = [{"required": [name]} for name in ("accounts", "extends")]
    return {
        **{name: value for name, value in _ROOT.items() if name != "required"},
        "anyOf": choices,
    }


def check_scenario(content: Any, source: Path) -> None:
    """Raise MockhubError for the first error of a scenario, with its place in *source*."""
    _SCHEMA.check(content, source)
    for pointer, message in _duplicate_names(content):
        raise error_at(source, pointer, message)


def _duplicate_names(content: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find a key of two accounts, and an id of two generations."""
    keys = [
        (("accounts", id, "keys", index, "key"), entry["key"])
        for id, account in content["accounts"].items()
        for index, entry in enumerate(account.get("keys", ()))
    ]
    ids = [
        (("generations", index, "id"), entry["id"])
        for index, entry in enumerate(content.get("generations", ()))
        if "id" in entry
    ]
    for places in (keys, ids):
        seen: set[str] = set()
        for pointer, name in places:
            if name in seen:
                yield pointer, f"{format_value(name)} occurs twice; expected once"
            seen.add(name)
