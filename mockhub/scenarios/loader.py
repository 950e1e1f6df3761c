"""Scenarios: named starting worlds, written in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mockhub._resources import resource_path
from mockhub._text import suggest
from mockhub.exceptions import MockhubError
from mockhub.scenarios.schema import check_scenario
from mockhub.spec.config_file import load_yaml


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

    def predefined_keys(self) -> list[tuple[str, str, str]]:
        """The fixed keys as (key, name, account), in the order of the file."""
        return [
            (key["key"], key.get("name", account), account)
            for account, entry in self.content["accounts"].items()
            for key in entry.get("keys", ())
        ]


def bundled_scenarios() -> dict[str, Path]:
    """The scenarios that come along, by name."""
    return {file.stem: file for file in sorted(resource_path("fixtures/scenarios").glob("*.yaml"))}


@lru_cache(maxsize=64)
def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        MockhubError: naming the file, the line, the key and what is allowed.
    """
    content = load_yaml(path)
    check_scenario(content, path)
    return Scenario(path, content)


def scenario_from_json(source: str, content: Mapping[str, Any]) -> Scenario:
    """A scenario that came as JSON; *place* is what messages call it.

    Raises:
        MockhubError: naming the place and what is allowed.
    """
    check_scenario(content, Path(source))
    return Scenario(Path(source), content)


def find_scenario(name: str) -> Scenario:
    """A scenario by the name of one that comes along, or by its file.

    Raises:
        MockhubError: if there is none, or its file cannot be used.
    """
    known = bundled_scenarios()
    if name in known:
        return load_scenario(known[name])
    if "/" in name or Path(name).suffix in (".yaml", ".yml"):
        return load_scenario(Path(name))
    raise MockhubError(
        f"there is no scenario {name!r}{suggest(name, known)}; known are {', '.join(known)}, "
        "and any YAML file"
    )
