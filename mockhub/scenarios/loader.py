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
from mockhub.spec.config_file import error_at, load_yaml


@dataclass(frozen=True)
class Scenario:
    """The checked content of a scenario file, and the files that it is from."""

    path: Path
    content: Mapping[str, Any] = field(repr=False)
    files: tuple[Path, ...] = field(default=(), repr=False)

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
    return _load(path, ())


def _load(path: Path, extended_by: tuple[Path, ...]) -> Scenario:
    if path in extended_by:
        raise error_at(extended_by[-1], ("extends",), f"{path} extends itself")
    content = load_yaml(path)
    files: tuple[Path, ...] = (path,)
    if isinstance(content, dict) and isinstance(name := content.get("extends"), str):
        known = bundled_scenarios()
        base_path = known.get(name) or path.parent / name
        if name not in known and not base_path.is_file():
            raise error_at(path, ("extends",), _unknown_scenario(name))
        base = _load(base_path, (*extended_by, path))
        content, files = _merge(base.content, content), (path, *base.files)
    check_scenario(content, path)
    return Scenario(path, content, files)


def _merge(base: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Replace fields of *base*, and accounts by their name."""
    merged = {**base, **content}
    if isinstance(accounts := content.get("accounts", {}), dict):
        merged["accounts"] = {**base["accounts"], **accounts}
    del merged["extends"]
    return merged


def scenario_from_json(source: str, content: Mapping[str, Any]) -> Scenario:
    """Return a scenario of JSON content; messages call it *source*.

    Raises:
        MockhubError: naming the place and what is allowed.
    """
    if isinstance(content, dict) and isinstance(name := content.get("extends"), str):
        if name not in bundled_scenarios():  # a file of the server is not for its clients
            raise error_at(Path(source), ("extends",), _unknown_scenario(name))
        content = _merge(load_scenario(bundled_scenarios()[name]).content, content)
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
    raise MockhubError(_unknown_scenario(name))


def _unknown_scenario(name: str) -> str:
    known = bundled_scenarios()
    return (
        f"there is no scenario {name!r}{suggest(name, known)}; expected {', '.join(known)}, "
        "or the path of a YAML file"
    )
