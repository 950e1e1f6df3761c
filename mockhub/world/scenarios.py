"""Scenarios: named starting worlds, written in YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from mockhub.resources import path
from mockhub.spec.coerce import Invalid, validate
from mockhub.spec.document import Pointer, error_at, nearest
from mockhub.spec.errors import ApiError, MockhubError
from mockhub.spec.law import Law
from mockhub.spec.operations import JSON
from mockhub.world.clock import Clock, ManualClock, SystemClock, from_text
from mockhub.world.faults import outcome, parse, restrict
from mockhub.world.generations import Request
from mockhub.world.hub import KEEP, Hub
from mockhub.world.provider import Provider

_MOMENT = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}


def _object(properties: Mapping[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_GRANT = _object({"credits": _COUNT, "expires_at": _MOMENT}, ["credits"])
_KEY = _object(
    {
        "key": {"type": "string", "minLength": 1},
        "name": {"type": "string"},
        "expires_at": _MOMENT,
        "revoked": {"type": "boolean"},
    },
    ["key"],
)
_ACCOUNT = _object(
    {
        "account_type": {"type": "string"},
        "grants": {"type": "array", "items": _GRANT},
        "keys": {"type": "array", "items": _KEY},
    }
)
_GENERATION = _object(
    {
        "id": {"type": "string", "minLength": 1},
        "account": {"type": "string"},
        "created_at": {"type": "string"},
        "request": {"type": "object"},
    },
    ["account", "request"],
)
_FAULT = {
    "oneOf": [
        {"type": "string"},
        _object({"fault": {"type": "string"}, "prompt": {"type": "string"}}, ["fault"]),
    ]
}
SCHEMA = _object(
    {
        "description": {"type": "string"},
        "seed": {"type": "integer"},
        "clock": {
            "oneOf": [
                {"const": "system"},
                _object(
                    {"manual": {"type": "string"}, "manner": {"enum": ["jump", "hold"]}}, ["manual"]
                ),
            ]
        },
        "image_format": {"enum": ["png", "jpeg", "webp"]},
        "keep": {"type": "integer", "minimum": 1},
        "accounts": {"type": "object", "additionalProperties": _ACCOUNT},
        "generations": {"type": "array", "items": _GENERATION},
        "provider": {"type": "array", "items": {"type": "string"}},
        "faults": {"type": "array", "items": _FAULT},
    },
    ["accounts"],
)
_VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


@dataclass(frozen=True)
class Scenario:
    """A starting world as its file says it, checked."""

    path: Path
    content: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def description(self) -> str:
        return str(self.content.get("description", "")).strip()

    def fixed_keys(self) -> list[tuple[str, str, str]]:
        """The fixed keys as (key, name, account), in the order of the file."""
        return [
            (key["key"], key.get("name", account), account)
            for account, entry in self.content["accounts"].items()
            for key in entry.get("keys", ())
        ]


def shipped() -> dict[str, Path]:
    """The scenarios that come along, by name."""
    return {file.stem: file for file in sorted(path("fixtures/scenarios").glob("*.yaml"))}


@lru_cache(maxsize=64)
def load(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        MockhubError: naming the file, the line, the key and what is allowed.
    """
    try:
        content = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise MockhubError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MockhubError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    content = _plain(content)
    if not isinstance(content, dict):
        raise MockhubError(f"{path}: {content!r} is no scenario; expected a mapping")
    for wrong in _VALIDATOR.iter_errors(content):
        raise error_at(path, *_explained(wrong))
    _check_words(path, content)
    return Scenario(path, content)


def build(
    scenario: Scenario, name: str, law: Law, *, clock: Clock | None = None, seed: int | None = None
) -> Hub:
    """A hub as the scenario describes it; *clock* and *seed* stand above the scenario's own.

    Raises:
        MockhubError: if a generation of the scenario cannot be made.
    """
    content = scenario.content
    hub = Hub(
        name,
        law,
        clock=clock or _clock(content.get("clock", "system")),
        seed=content.get("seed", 0) if seed is None else seed,
        keep=content.get("keep", KEEP),
        image_format=content.get("image_format", "png"),
    )
    for id, entry in content["accounts"].items():
        _open(hub, id, entry)
    for index, entry in enumerate(content.get("generations", ())):
        _generate(hub, scenario, index, entry)
    hub.provider = Provider(outcome(text) for text in content.get("provider", ()))
    hub.faults.arm(one for entry in content.get("faults", ()) for one in _fault(entry))
    hub.remember_start()
    return hub


def _clock(entry: Any) -> Clock:
    if entry == "system":
        return SystemClock()
    return ManualClock(from_text(entry["manual"]), manner=entry.get("manner", "jump"))


def _open(hub: Hub, id: str, entry: Mapping[str, Any]) -> None:
    account = hub.add_account(id, account_type=entry.get("account_type", "PRO"))
    for grant in entry.get("grants", ()):
        hub.grant(account, grant["credits"], expires_at=_moment(grant.get("expires_at")))
    for key in entry.get("keys", ()):
        hub.add_key(
            id,
            raw=key["key"],
            name=key.get("name", ""),
            expires_at=_moment(key.get("expires_at")),
            revoked=key.get("revoked", False),
        )


def _moment(text: str | None) -> int | None:
    return None if text is None else from_text(text)


def _generate(hub: Hub, scenario: Scenario, index: int, entry: Mapping[str, Any]) -> None:
    at: Pointer = ("generations", index)
    account = hub.accounts.get(entry["account"])
    if account is None:
        hint = nearest(entry["account"], hub.accounts)
        raise error_at(scenario.path, (*at, "account"), f"{entry['account']!r} is no account{hint}")
    try:
        request = _request(hub.law, entry["request"])
        hub.record(account, request, id=entry.get("id"), at=_moment(entry.get("created_at")))
    except (Invalid, ValueError, ApiError) as error:
        raise error_at(scenario.path, (*at, "request"), str(error)) from None


def _request(law: Law, fields: Mapping[str, Any]) -> Request:
    values = validate(fields, law.operations["create_generation"].bodies[JSON])
    if values["model"] not in law.catalog.models:
        raise Invalid(f"model: expected one of {', '.join(law.catalog.models)}")
    values["run_async"] = values.pop("async")
    return Request(**{name: values[name] for name in Request._fields if name in values})


def _fault(entry: Any) -> Iterable[Any]:
    if isinstance(entry, str):
        return parse(entry)
    return [restrict(one, prompt=entry.get("prompt")) for one in parse(entry["fault"])]


def _plain(value: Any) -> Any:
    """YAML makes times of unquoted dates; a scenario means their text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _explained(wrong: Any) -> tuple[Pointer, str]:
    """Where a scenario leaves its schema, and what is allowed there."""
    at: Pointer = tuple(wrong.instance_path)
    where: Any = SCHEMA
    for step in wrong.schema_path[:-1]:
        where = where[step]
    if wrong.schema_path[-1] == "additionalProperties":
        known = where["properties"]
        odd = next(name for name in wrong.instance if name not in known)
        hint = nearest(str(odd), known) or f"; known are {', '.join(known)}"
        return (*at, odd), f"{odd!r} is not known here{hint}"
    if wrong.schema_path[-1] == "enum":
        return at, f"{wrong.instance!r} is not valid; expected one of {', '.join(where['enum'])}"
    return at, wrong.message


def _check_words(path: Path, content: Mapping[str, Any]) -> None:
    """Read every time and directive once, so that a mistake is told with its place."""
    for at, text, reader in _words(content):
        try:
            reader(text)
        except MockhubError as error:
            raise error_at(path, at, str(error)) from None


def _words(content: Mapping[str, Any]) -> Iterator[tuple[Pointer, str, Callable[[str], object]]]:
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
    for index, fault in enumerate(content.get("faults", ())):
        yield ("faults", index), fault if isinstance(fault, str) else fault["fault"], parse
