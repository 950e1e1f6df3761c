"""Names and sentences use the words of docs/glossary.md and of the field, and no metaphors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from mockhub.cli.main import main
from mockhub.control import OPENAPI_FILE

ROOT = Path(__file__).resolve().parents[2]
CODE = ("mockhub", "contract_tests", "benchmarks", "examples", "tests")
BANNED_NAMES = {
    "answer",
    "answers",
    "asked",
    "astray",
    "borne",
    "deck",
    "decks",
    "desk",
    "desks",
    "door",
    "doors",
    "garble",
    "garbled",
    "hasty",
    "house",
    "houses",
    "judge",
    "judged",
    "judges",
    "law",
    "laws",
    "manner",
    "mistaken",
    "mood",
    "moods",
    "nobody",
    "outlet",
    "outlets",
    "picture",
    "pictures",
    "purse",
    "purses",
    "refusal",
    "refusals",
    "refused",
    "roof",
    "roofs",
    "said",
    "somebody",
    "strike",
    "strikes",
    "struck",
    "stuck",
    "tell",
    "telling",
    "tells",
    "told",
    "visit",
    "visited",
    "visits",
    "whom",
    "wish",
    "wishes",
    "world",
    "worlds",
}
BANNED_PHRASES = re.compile(
    r"\b(told|borne?|let (?:it |them |him )?go|lets go|comes? along|whom|whoever|the law|its law"
    r"|the world|the door|the roof|the house|the desk|the deck|purse|who (?:waits|asks|has|is)"
    r"|answered and left|is let in|law of the house|broke its own law"
    # No articles at the beginning of a test name, no indefinite persons, no "what is asked".
    r"|def test_(?:an?|the)_\w*|(?:every|no|some|any)body|what is (?:asked|answered)"
    r"|, be it|goes on)\b",
    re.IGNORECASE,
)
THIS_FILE = Path(__file__).resolve()


def files(*patterns: str) -> list[Path]:
    paths = (path for pattern in patterns for path in ROOT.glob(pattern))
    skipped = ("node_modules", "build", ".venv", ".venv-newest", "dist")
    return sorted(
        path for path in paths if not set(skipped) & set(path.parts) and path != THIS_FILE
    )


def words(name: str) -> set[str]:
    """Split a snake_case, kebab-case or CamelCase name."""
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def defined_names(path: Path) -> Iterator[str]:
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg


def command_names(command: click.Command) -> Iterator[str]:
    yield from (option for parameter in command.params for option in parameter.opts)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield name
            yield from command_names(command.get_command(context, name) or command)


def property_names(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
    children = schema.values() if isinstance(schema, dict) else schema
    for child in children if isinstance(schema, dict | list) else ():
        yield from property_names(child)


@pytest.mark.parametrize("folder", CODE)
def test_code_has_no_banned_names(folder: str) -> None:
    """Modules, classes, functions and parameters have standard names."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files(f"{folder}/**/*.py")
        for name in defined_names(path)
        if words(name) & BANNED_NAMES
    ]
    assert found == []


def test_commands_and_json_have_no_banned_names() -> None:
    """Commands, options and the JSON of the control plane have standard names."""
    fields = property_names(yaml.safe_load(OPENAPI_FILE.read_text("utf-8")))
    names = {*command_names(main), *fields}
    assert len(names) > 100
    assert sorted(name for name in names if words(name) & BANNED_NAMES) == []


def test_prose_has_no_banned_phrases() -> None:
    """Documentation, docstrings, comments, messages and test names are plain English."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in files("*.md", "docs/*.md", "**/*.py", "**/*.yaml", "Makefile", ".ci/run")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (match := BANNED_PHRASES.search(line))
    ]
    assert found == []
