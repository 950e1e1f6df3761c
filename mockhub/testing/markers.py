"""Resolves the options of a test's hub: from markers, the command line and the ini file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mockhub._text import suggest
from mockhub._timestamps import parse_duration
from mockhub.exceptions import MockhubError
from mockhub.testing.config import HubConfig

if TYPE_CHECKING:
    from mockhub.testing.hub import Hub

_INTEGER_OPTIONS = ("credits", "seed")


def hub_config(item: pytest.Item | pytest.Module, overrides: Mapping[str, object]) -> HubConfig:
    """Return the config of a hub: *overrides*, else the innermost marker, else the session.

    Raises:
        MockhubError: naming the test, the option, its value and what is allowed.
    """
    path, line, _ = getattr(item, "location", (item.nodeid, None, ""))
    source = f"{path}:{(line or 0) + 1}: @pytest.mark.mockhub"
    options = {**_session_options(item), **_marker_options(item, source)}
    if overrides:
        source = f"{path}: mockhub_factory"
        options |= overrides
    if isinstance(scenario := options.get("scenario"), str | Path):
        options["scenario"] = _resolve_path(item, scenario)
    if isinstance(directory := options.get("replay"), str | Path):
        options["replay"] = _resolve_path(item, directory, exists=Path.is_dir)
    return HubConfig.from_options(options, source=source)


def _marker_options(item: pytest.Item | pytest.Module, source: str) -> dict[str, object]:
    options: dict[str, object] = {}
    for mark in reversed(list(item.iter_markers("mockhub"))):
        if mark.args:
            raise MockhubError(
                f"{source}: {mark.args[0]!r} is a positional argument; write option=value"
            )
        options |= mark.kwargs
    return options


def _session_options(item: pytest.Item | pytest.Module) -> dict[str, object]:
    options: dict[str, object] = {}
    for name in ("scenario", "credits", "clock", "seed"):
        value, source = item.config.getoption(f"mockhub_{name}", None), f"--mockhub-{name}"
        if value is None and (text := item.config.getini(f"mockhub_{name}")):
            source = f"ini option mockhub_{name}"
            value = _parse_int(source, text) if name in _INTEGER_OPTIONS else text
        if value is not None:
            options[name] = _resolve_path(item, value) if name == "scenario" else value
            HubConfig.from_options({name: options[name]}, source=source)
    return options


def _parse_int(source: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise MockhubError(f"{source}: {text!r}: expected a whole number") from None


def min_poll_interval(config: pytest.Config) -> int:
    """Return the ini option in milliseconds; raises MockhubError."""
    text = config.getini("mockhub_min_poll_interval")
    try:
        return parse_duration(text)
    except MockhubError as error:
        raise MockhubError(f"ini option mockhub_min_poll_interval: {error}") from None


def _resolve_path(
    item: pytest.Item | pytest.Module,
    path: str | Path,
    exists: Callable[[Path], bool] = Path.is_file,
) -> str | Path:
    """Return what is beside the test or in the root folder, or *path* if neither is there."""
    for folder in (item.path.parent, item.config.rootpath):
        if exists(found := folder / path):
            return found
    return path


def environment(lines: Sequence[str], hub: Hub) -> dict[str, str]:
    """Return the environment variables of the ini option mockhub_env, for a hub.

    Raises:
        MockhubError: naming the line.
    """
    values = {name: str(getattr(hub, name)) for name in ("url", "base_url", "server_url", "key")}
    variables: dict[str, str] = {}
    for line in lines:
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or not equals:
            raise MockhubError(f"ini option mockhub_env: {line!r}: expected NAME=value")
        try:
            variables[name] = value.format_map(values)
        except (KeyError, ValueError, AttributeError, IndexError) as error:
            unknown = str(error.args[0]) if error.args else line
            raise MockhubError(
                f"ini option mockhub_env: {line!r}: unknown value {unknown!r}"
                f"{suggest(unknown, values)}; known values: {', '.join(values)}"
            ) from None
    return variables
