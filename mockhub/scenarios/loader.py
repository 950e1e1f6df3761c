"""Load scenarios, the initial states of hubs, from YAML files."""

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
    """The checked content of a scenario file."""

    path: Path
    content: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def description(self) -> str:
        return str(self.content.get("description", "")).strip()

    def predefined_keys(self) -> list[tuple[str, str, str]]:
        """Return the API keys as (key, name, account), in the order of the file."""
        return [
            (key["key"], key.get("name", account), account)
            for account, entry in self.content["accounts"].items()
            for key in entry.get("keys", ())
        ]


def bundled_scenarios() -> dict[str, Path]:
    """Return the files of the bundled scenarios by name."""
    return {file.stem: file for file in sorted(resource_path("fixtures/scenarios").glob("*.yaml"))}


@lru_cache(maxsize=64)
def load_scenario(path: Path) -> Scenario:
    """Load a scenario file.

    Raises:
        MockhubError: naming the file, the line, the key and what is allowed.
    """
    content = load_yaml(path)
    check_scenario(content, path)
    return Scenario(path, content)


def scenario_from_json(source: str, content: Mapping[str, Any]) -> Scenario:
    """Return a scenario of JSON content; messages call it *source*.

    Raises:
        MockhubError: naming the place and what is allowed.
    """
    check_scenario(content, Path(source))
    return Scenario(Path(source), content)


def find_scenario(name: str) -> Scenario:
    """Load a scenario by the name of a bundled one, or by the path of a YAML file.

    Raises:
        MockhubError: if there is none, or its file cannot be used.
    """
    known = bundled_scenarios()
    if name in known:
        return load_scenario(known[name])
    if "/" in name or Path(name).suffix in (".yaml", ".yml"):
        return load_scenario(Path(name))
    raise MockhubError(
        f"there is no scenario {name!r}{suggest(name, known)}; expected {', '.join(known)}, "
        "or the path of a YAML file"
    )
