"""What marks, ini options and the command line say of a test's hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError
from mockhub.testing.handles import milliseconds
from mockhub.testing.recipes import Recipe

if TYPE_CHECKING:
    from mockhub.testing.hub import Hub

_NUMBERS = ("credits", "seed")


def recipe(item: pytest.Item, options: Mapping[str, Any]) -> Recipe:
    """How a hub of a test begins: by *options*, else its marks from the inside, else the session's.

    Raises:
        MockhubError: naming the test, the option, its value and what is allowed.
    """
    path, line, _ = item.location
    where = f"{path}:{(line or 0) + 1}: @pytest.mark.mockhub"
    said = {**_of_session(item), **_of_marks(item, where)}
    if options:
        where = f"{path}: mockhub_factory"
        said |= options
    if isinstance(said.get("scenario"), str | Path):
        said["scenario"] = _beside(item, said["scenario"])
    return Recipe.read(said, where=where)


def _of_marks(item: pytest.Item, where: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers("mockhub"))):
        if mark.args:
            raise MockhubError(f"{where}: {mark.args[0]!r} has no name; write option=value")
        said |= mark.kwargs
    return said


def _of_session(item: pytest.Item) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name in ("scenario", "credits", "clock", "seed"):
        given, where = item.config.getoption(f"mockhub_{name}", None), f"--mockhub-{name}"
        if given is None and (text := item.config.getini(f"mockhub_{name}")):
            where = f"ini option mockhub_{name}"
            given = _number(where, text) if name in _NUMBERS else text
        if given is not None:
            said[name] = _beside(item, given) if name == "scenario" else given
            Recipe.read({name: said[name]}, where=where)
    return said


def _number(where: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise MockhubError(f"{where}: {text!r}: expected a whole number") from None


def poll_every(config: pytest.Config) -> int:
    """The shortest pause between polls that is no mistake, in milliseconds; raises MockhubError."""
    text = config.getini("mockhub_poll_every")
    try:
        return milliseconds(text)
    except MockhubError as error:
        raise MockhubError(f"ini option mockhub_poll_every: {error}") from None


def _beside(item: pytest.Item, scenario: str | Path) -> str | Path:
    """A scenario's file beside the test, or in the root folder; else as it was said."""
    for folder in (item.path.parent, item.config.rootpath):
        if (file := folder / scenario).is_file():
            return file
    return scenario


def environment(lines: Sequence[str], hub: Hub) -> dict[str, str]:
    """The variables that the ini option mockhub_env wants, with the hub's values in them.

    Raises:
        MockhubError: naming the line.
    """
    values = {name: str(getattr(hub, name)) for name in ("url", "base_url", "server_url", "key")}
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or not equals:
            raise MockhubError(f"ini option mockhub_env: {line!r}: expected NAME=value")
        try:
            found[name] = value.format_map(values)
        except (KeyError, ValueError, AttributeError, IndexError) as error:
            odd = str(error.args[0]) if error.args else line
            raise MockhubError(
                f"ini option mockhub_env: {line!r}: {odd!r} is no value of a hub"
                f"{nearest(odd, values)}; known are {', '.join(values)}"
            ) from None
    return found
