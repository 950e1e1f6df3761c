"""What users of other programs expect of a command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mockhub import __version__
from mockhub.cli.main import main
from tests.support.live_server import serve_hub


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("arguments", [("version",), ("-V",), ("--version",)])
def test_version_is_printed(arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == f"mockhub, version {__version__}\n"


@pytest.mark.parametrize("words", [(), ("serve",), ("ctl", "create-hub")])
def test_help_is_that_of_the_command(words: tuple[str, ...]) -> None:
    shown, expected = run("help", *words).splitlines(), run(*words, "--help").splitlines()
    assert shown[1:] == expected[1:]


def test_help_of_an_unknown_command_suggests_one() -> None:
    result = CliRunner().invoke(main, ["help", "ctl", "kyes"])
    assert (result.exit_code, "did you mean 'keys'?" in result.stderr) == (2, True)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_ctl_options_come_before_or_after_the_command(order: slice) -> None:
    with serve_hub(control=True) as hub:
        options, command = ("--url", hub.url, "--hub=default", "--json"), ("keys",)
        words = [word for part in [options, command][order] for word in part]
        assert json.loads(run("ctl", *words))["keys"]
