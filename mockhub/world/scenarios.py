"""Scenarios: named starting worlds, written in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mockhub.resources import path
from mockhub.spec.coerce import Invalid, validate
from mockhub.spec.document import Pointer, error_at, nearest, read_yaml
from mockhub.spec.errors import ApiError, MockhubError
from mockhub.spec.law import Law
from mockhub.spec.operations import JSON
from mockhub.world.clock import Clock, ManualClock, SystemClock, from_text
from mockhub.world.faults import outcome
from mockhub.world.generations import Request
from mockhub.world.hub import KEEP, Hub
from mockhub.world.provider import Provider
from mockhub.world.scenario_files import complaints, fault


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
        content = _plain(read_yaml(path))
    except RecursionError:
        raise MockhubError(f"{path}: it contains itself, or is nested too deeply") from None
    for at, message in complaints(content):
        raise error_at(path, at, message)
    return Scenario(path, content)


def from_json(place: str, content: Mapping[str, Any]) -> Scenario:
    """A scenario that came as JSON; *place* is what messages call it.

    Raises:
        MockhubError: naming the place and what is allowed.
    """
    for at, message in complaints(content):
        raise error_at(Path(place), at, message)
    return Scenario(Path(place), content)


def _plain(value: Any) -> Any:
    """YAML makes times of unquoted dates; a scenario means their text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


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
    hub.faults.arm(one for entry in content.get("faults", ()) for one in fault(entry))
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
    except (Invalid, ApiError) as error:
        raise error_at(scenario.path, (*at, "request"), str(error)) from None


def _request(law: Law, fields: Mapping[str, Any]) -> Request:
    values = validate(fields, law.operations["create_generation"].bodies[JSON])
    law.catalog.check(values, references=0)
    values["run_async"] = values.pop("async")
    return Request(**{name: values[name] for name in Request.__struct_fields__ if name in values})
