"""The documentation has every command, option and make target, and no others."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mockhub._resources import resource_path
from mockhub.cli.main import main
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.spec.api_spec import load_spec

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(command: click.Command, words: str = "mockhub") -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand that is there, with the words that call it."""
    if not (command.short_help or "").startswith("(needs "):
        yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            assert subcommand
            yield from commands(subcommand, f"{words} {name}")


def printed_commands() -> Iterator[str]:
    """Every call of mockhub in the documentation, in a block or within a sentence."""
    yield from re.findall(r"`(mockhub [^`]+)`", TEXT)
    for page in PAGES:
        for kind, block in BLOCK.findall(page.read_text("utf-8")):
            if kind in ("", "console", "sh", "bash", "shell"):
                prompt = r"\$ +" if re.search(r"^ *\$ ", block, re.MULTILINE) else ""
                lines = block.replace("\\\n", " ")
                yield from re.findall(rf"^ *{prompt}(mockhub(?: .*)?)$", lines, re.MULTILINE)


@pytest.mark.parametrize("words", [words for words, _ in commands(main)])
def test_every_command_is_documented(words: str) -> None:
    """Each command is in README.md or docs/ as it is called."""
    assert words in TEXT


OPTIONS = [
    (words, option)
    for words, command in commands(main)
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in (*parameter.opts, *parameter.secondary_opts)
    if option.startswith("--")
]


@pytest.mark.parametrize(("words", "option"), OPTIONS)
def test_every_option_is_documented(words: str, option: str) -> None:
    """Each option is in a page that describes its command."""
    pages = [
        page for page in PAGES if words in (text := page.read_text("utf-8")) and option in text
    ]
    assert pages, f"no page that has {words!r} has {option}"


@pytest.mark.parametrize("line", sorted(set(printed_commands())))
def test_every_printed_command_can_be_called(line: str) -> None:
    """What the documentation shows has only commands and options that there are."""
    name, *arguments = shlex.split(re.split(r" \\?[|>&]|;", line)[0], comments=True)
    command: click.Command = main
    while isinstance(command, click.Group) and arguments and arguments[0][0] != "-":
        subcommand = command.get_command(click.Context(command), arguments[0])
        assert subcommand, f"there is no command {arguments[0]!r}"
        command, name, *arguments = subcommand, *arguments
    try:
        command.make_context(name, arguments)
    except click.exceptions.NoArgsIsHelpError:
        pass  # a group without a command prints its help
    except click.exceptions.Exit as done:
        assert done.exit_code == 0


def test_every_printed_make_target_exists() -> None:
    """Each `make TARGET` of the documentation is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    printed = set(re.findall(r"(?:`|^\$? *)make ([a-z-]+)", TEXT, re.MULTILINE))
    assert "lint-spec" in printed
    assert set() == printed - targets


def test_printed_scenario_can_be_served(tmp_path: Path) -> None:
    """The scenario file of docs/serve.md is a world that can be started in."""
    (example,) = (
        block
        for kind, block in BLOCK.findall((ROOT / "docs" / "serve.md").read_text("utf-8"))
        if kind == "yaml"
    )
    file = tmp_path / "world.yaml"
    file.write_text(example, "utf-8")
    hub = build_hub(load_scenario(file), "default", load_spec(resource_path("openapi.yaml")))
    assert {id: account.balance for id, account in hub.accounts.items()} == {
        "ana": 160 - 16,
        "ben": 10,
    }
    assert hub.audit() == []


def test_every_scenario_is_documented() -> None:
    """Each bundled scenario is listed in docs/serve.md."""
    text = (ROOT / "docs" / "serve.md").read_text("utf-8")
    for file in resource_path("fixtures/scenarios").glob("*.yaml"):
        assert f"| `{file.stem}` |" in text
