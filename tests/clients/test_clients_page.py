"""The programs of docs/clients.md run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve, Server

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "tests" / "node"
PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(python|js)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def control_server(serve: Serve) -> Iterator[Server]:
    with serve("--control") as server:
        yield server


def node_command(program: str) -> list[str]:
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    for package in re.findall(r'from "([^"]+)"', program):
        if package.startswith("mockhub-client"):
            module = package.partition("/")[2] or "index"
            program = program.replace(f'"{package}"', f'"{ROOT}/clients/node/{module}.mjs"')
        elif not (NODE / "node_modules" / package).exists():
            pytest.skip(f"the package {package} is not installed in tests/node")
    return ["node", "--input-type=module", "--eval", program]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_program_runs(number: int, control_server: Server) -> None:
    """Each one does, unless it needs a package that the tests do not install."""
    kind, program = BLOCKS[number]
    server = control_server
    if "mockhub-client/" in program and "openai-fetch" not in program:
        pytest.skip("a test runner runs it, not node")
    command = [sys.executable, "-c", program] if kind == "python" else node_command(program)
    environment = {
        "BASE_URL": f"{server.url}/api/v1",
        "API_KEY": server.keys["rich"],
        "MOCKHUB_URL": server.url,
    }
    done = subprocess.run(
        command,
        cwd=NODE,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    for expected in re.findall(r"console\.log\(.*\); // (.+)", program):
        assert expected in done.stdout
