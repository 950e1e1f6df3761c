"""Install lines work in a clone: mockhub is on no package index."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mockhub._text import install_hint
from mockhub.cli import _click

ROOT = Path(__file__).resolve().parents[2]
_POSTGRESQL = "postgresql://127.0.0.1:1/x"
FROM_AN_INDEX = re.compile(r"pip install[^`\n]*?(?<![/\w.-])mockhub(\[|$|[\s`'\"])")


def test_install_lines_do_not_name_an_index() -> None:
    """`pip install mockhub` would install nothing, or the package of another author."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    files = [ROOT / name for name in listed if name and "test_install" not in name]
    lines = [
        f"{file.name}: {line}"
        for file in files
        if file.suffix in {".md", ".py", ".yml", ".yaml", ".toml", ""} and file.is_file()
        for line in file.read_text("utf-8").splitlines()
        if FROM_AN_INDEX.search(line.split(" #")[0])
    ]
    assert lines == []


def test_help_of_a_command_without_its_extra_says_what_to_install() -> None:
    """The command and its help name the missing package and the line that installs it."""
    group = _click.LazyGroup("mockhub", lazy_commands={"verify": "no_such_package.x:verify"})
    for arguments, stream in ((["verify", "--help"], "stdout"), (["verify", "-k", "A"], "stderr")):
        result = CliRunner().invoke(group, arguments)
        text = " ".join(click.unstyle(getattr(result, stream)).split())
        assert "needs no_such_package, which is not installed" in text
        assert install_hint("verify") in text


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (["serve", "--port", "0", "--workers", "1", "--database", _POSTGRESQL], "psycopg"),
        (["explain", "LED-2"], "httpx"),
        (["verify"], "httpx"),
        (["proxy", "--target", "http://127.0.0.1:1"], "aiohttp"),
        (["db", "prune", "--keep", "1", "--database", _POSTGRESQL], "psycopg"),
    ],
)
def test_command_without_its_extra_says_what_to_install(command: list[str], module: str) -> None:
    """Also one that imports the missing package late, and only for what was asked."""
    code = (
        f"import sys; sys.modules[{module!r}] = None; "
        "from mockhub.cli.main import main; main(prog_name='mockhub')"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=60
    )
    extras = {"psycopg": "storage", "httpx": "verify", "aiohttp": "proxy"}
    assert process.returncode == 2, process.stderr
    assert process.stderr == (
        f"mockhub: `mockhub {command[0]}` needs {module}, which is not installed; "
        f"{install_hint(extras[module])}\n"
    )


def test_each_package_of_an_extra_is_known_to_the_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = {
        re.split(r"[^\w-]", line)[0]
        for lines in project["optional-dependencies"].values()
        for line in lines
    }
    assert packages == _click.EXTRAS.keys()


def test_ranges_of_dependencies_exclude_unsafe_and_untested_versions() -> None:
    """python-multipart bounds the headers of a part since 0.0.27; the server extends uvicorn's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = dict(re.findall(r"^([\w-]+)([^;]*)", line)[0] for line in project["dependencies"])
    minimum = ranges["python-multipart"].removeprefix(">=").split(".")
    assert [*map(int, minimum)] >= [0, 0, 27]
    assert "<" in ranges["uvicorn"]
