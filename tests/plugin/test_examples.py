"""The examples and the blocks of docs/pytest.md run as printed."""

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
from tests.support.pytest_sessions import session

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "pytest.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def blocks(kind: str) -> list[str]:
    return [block for name, block in BLOCKS if name == kind]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the examples to a folder without the settings of the checkout."""
    folder = tmp_path_factory.mktemp("examples")
    return Path(shutil.copytree(ROOT / "examples", folder / "examples"))


def test_examples_pass(examples: Path) -> None:
    """They are synchronous, asynchronous and unittest, and their client has no findings."""
    result = session(examples, "", "-v", plugins=("asyncio",))
    assert result.code == 0, result.output
    assert result.counts.keys() == {"passed"}, result.output
    assert {
        "test_image_client.py",
        "test_image_client_async.py",
        "test_image_client_unittest.py",
    } <= {line.partition("::")[0] for line in result.output.splitlines() if "::" in line}
    assert not re.search("^(money|warning|hint):", result.output, re.MULTILINE), result.output


def test_unittest_example_needs_no_pytest(examples: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "unittest", "test_image_client_unittest"]
    result = subprocess.run(command, cwd=examples, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_every_python_block_is_a_passing_test(tmp_path: Path) -> None:
    """Each is a complete file and passes as printed."""
    for number, block in enumerate(blocks("python")):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    plugins = ("asyncio", "anyio", "xdist")
    result = session(tmp_path, "", "-v", "-W", "error", plugins=plugins)
    for number in range(len(blocks("python"))):
        line = rf"^test_block_{number}.py::.* \w+ +\[.*\]$"
        results = re.findall(line, result.output, re.MULTILINE)
        assert results, result.output
        assert all("PASSED" in line for line in results), result.output


def test_page_begins_with_a_test_of_nine_lines() -> None:
    assert len(blocks("python")[0].splitlines()) == 9
    assert PAGE.startswith("# Testing with pytest\n\n```python\n")


@pytest.mark.parametrize("block", blocks("ini"))
def test_every_ini_block_is_valid(tmp_path: Path, block: str) -> None:
    """pytest knows each option of the page, and a hub can be created with them."""
    configparser.ConfigParser(interpolation=None).read_string(block)
    ini = block.removeprefix("[pytest]\n")
    result = session(tmp_path, "def test_it(mockhub_env): pass", "--strict-config", ini=ini)
    assert result.counts == {"passed": 1}, result.output


def test_yaml_block_is_a_workflow() -> None:
    (workflow,) = map(yaml.safe_load, blocks("yaml"))
    assert any(
        "pytest -n auto" in step.get("run", "") for step in workflow["jobs"]["test"]["steps"]
    )


def test_page_shows_a_failure_as_it_is_printed(mockhub: Hub) -> None:
    for prompt in ("A cow", "A cat"):
        body = {"model": "gpt-image-2", "prompt": prompt}
        mockhub.client().post("/images/generations", json=body)
    with pytest.raises(AssertionError) as caught:
        mockhub.assert_generated(prompt="A cat", n=2)
    assert blocks("text")[0] == f"AssertionError: {caught.value}\n"


def test_page_names_all_public_names() -> None:
    """It has every public name of Hub, and every option of the marker and of the plugin."""
    for name in (name for name in dir(Hub) if not name.startswith("_")):
        if name not in ("create", "assert_no_spec_violations", "close", "format_journal"):
            assert re.search(rf"\b{name}\b", PAGE), name
    assert all(f"| `{name}` |" in PAGE for name in HubOptions.__annotations__)
    declared = re.findall(r'"(--mockhub-[\w-]+|mockhub_\w+)"', inspect.getsource(options))
    suite = ("--mockhub-target", "--mockhub-level", "--mockhub-budget", "--mockhub-examples")
    assert [
        name for name in declared if name not in (*suite, "mockhub_env") and name not in PAGE
    ] == []
