"""The examples and the page of the plugin run as printed."""

from __future__ import annotations

import configparser
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mockhub import Hub
from mockhub.testing import options
from mockhub.testing.config import HubOptions
from tests.support.pytest_sessions import Session, session

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "pytest.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def blocks(kind: str) -> list[str]:
    return [block for name, block in BLOCKS if name == kind]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, away from the checkout and its settings."""
    folder = tmp_path_factory.mktemp("examples")
    return Path(shutil.copytree(ROOT / "examples", folder / "examples"))


def test_the_examples_pass(examples: Path) -> None:
    """All of them, synchronous, asynchronous and unittest, and their client makes no mistake."""
    done = session(examples, "", "-v", plugins=("asyncio",))
    assert done.code == 0, done.output
    assert {"passed"} == done.counts.keys()
    assert {"test_pictures.py", "test_pictures_async.py", "test_pictures_unittest.py"} <= {
        line.partition("::")[0] for line in done.output.splitlines() if "::" in line
    }
    assert not re.search("^(money|warning|hint):", done.output, re.MULTILINE), done.output


def test_the_unittests_need_no_pytest(examples: Path) -> None:
    """They run under unittest alone."""
    command = [sys.executable, "-W", "error", "-m", "unittest", "test_pictures_unittest"]
    done = subprocess.run(command, cwd=examples, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A session of every Python block of the page, each in a file of its own."""
    folder = tmp_path_factory.mktemp("page")
    for number, block in enumerate(blocks("python")):
        (folder / f"test_block_{number}.py").write_text(block)
    return session(folder, "", "-v", "-W", "error", plugins=("asyncio", "anyio", "xdist"))


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_every_python_block_is_a_test_that_passes(page: Session, number: int) -> None:
    """Each is a whole file, and passes as printed."""
    told = re.findall(rf"^test_block_{number}.py::.* \w+ +\[.*\]$", page.output, re.MULTILINE)
    assert told, page.output
    assert all("PASSED" in line for line in told), page.output


def test_the_page_starts_with_nine_lines() -> None:
    """The first thing that a reader sees is a test of nine lines."""
    assert len(blocks("python")[0].splitlines()) == 9
    assert PAGE.startswith("# Testing with pytest\n\n```python\n")


@pytest.mark.parametrize("block", blocks("ini"))
def test_every_ini_block_is_taken(tmp_path: Path, block: str) -> None:
    """pytest knows each option of the page, and a hub begins with it."""
    assert configparser.ConfigParser(interpolation=None).read_string(block) is None
    ini = block.removeprefix("[pytest]\n")
    done = session(tmp_path, "def test_it(mockhub_env): pass", "--strict-config", ini=ini)
    assert done.counts == {"passed": 1}, done.output


def test_the_yaml_block_is_a_workflow() -> None:
    """What CI would read can be read."""
    (workflow,) = map(yaml.safe_load, blocks("yaml"))
    assert any(
        "pytest -n auto" in step.get("run", "") for step in workflow["jobs"]["test"]["steps"]
    )


def test_the_page_shows_a_failure_as_it_is(mockhub: Hub) -> None:
    """The message on the page is that of the requests that it shows."""
    for prompt in ("A cow", "A cat"):
        body = {"model": "gpt-image-2", "prompt": prompt}
        mockhub.client().post("/images/generations", json=body)
    with pytest.raises(AssertionError) as caught:
        mockhub.assert_generated(prompt="A cat", n=2)
    assert f"AssertionError: {caught.value}\n" == blocks("text")[0]


def test_the_page_names_all_that_there_is() -> None:
    """Every public name of a hub, every option of the mark and of the plugin stands on the page."""
    for name in (name for name in dir(Hub) if not name.startswith("_")):
        if name not in ("create", "assert_no_spec_violations", "close", "format_journal"):
            assert re.search(rf"\b{name}\b", PAGE), name
    assert all(f"| `{name}` |" in PAGE for name in HubOptions.__annotations__)
    declared = re.findall(r'"(--mockhub-[\w-]+|mockhub_\w+)"', inspect.getsource(options))
    suite = ("--mockhub-target", "--mockhub-level", "--mockhub-budget")
    assert [
        name for name in declared if name not in (*suite, "mockhub_env") and name not in PAGE
    ] == []
