"""The programs of docs/clients.md run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Serve, Server
from tests.support.tools import require

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "tests" / "node"
PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
# The file and the command of a program, which is its last argument.
FILES = {
    "go": ("lighthouse_test.go", ["go", "test", "-vet=off", "-v"]),
    "java": ("Lighthouse.java", ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]),
    "php": ("lighthouse.php", ["php"]),
    "python": ("lighthouse.py", [sys.executable]),
    "ruby": ("lighthouse.rb", ["ruby"]),
}
KINDS = "|".join(["js", *FILES])
BLOCKS: list[tuple[str, str]] = re.findall(
    rf"^```({KINDS})\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
)
KINDS_OF_BLOCKS = [f"{kind}-{number}" for number, (kind, _) in enumerate(BLOCKS)]
# Those of Python and of mockhub-client have tests of their own, and Java's takes two seconds.
PAYING = [
    (kind, program)
    for kind, program in BLOCKS
    if kind not in ("python", "java") and "mockhub-client" not in program
]


@pytest.fixture(scope="module")
def control_server(serve: Serve) -> Iterator[Server]:
    with serve("--control") as server:
        yield server


def node_command(program: str) -> list[str]:
    node = require("node")
    for package in re.findall(r'from "([^"]+)"', program):
        if package.startswith("mockhub-client"):
            module = package.partition("/")[2] or "index"
            program = program.replace(f'"{package}"', f'"{ROOT}/clients/node/{module}.mjs"')
        elif not (NODE / "node_modules" / package).exists():
            pytest.skip(f"the package {package} is not installed in tests/node")
    return [node, "--input-type=module", "--eval", program]


def command(kind: str, program: str, folder: Path) -> list[str]:
    if kind == "js":
        return node_command(program)
    name, words = FILES[kind]
    require(words[0])
    if kind == "php" and b"curl" not in subprocess.check_output(["php", "-m"]):
        pytest.skip("php has no extension curl")
    (folder / name).write_text(program)
    return [*words, str(folder / name)]


def run(
    block: tuple[str, str], folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*block, folder),
        cwd=NODE if block[0] == "js" else folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("block", BLOCKS, ids=KINDS_OF_BLOCKS)
def test_program_runs(block: tuple[str, str], control_server: Server, tmp_path: Path) -> None:
    """Each one does, unless it needs a package or a language that is not installed."""
    program = block[1]
    if "mockhub-client/" in program and "openai-fetch" not in program:
        pytest.skip("a test runner runs it, not node")
    url, key = control_server.url, control_server.keys["rich"]
    done = run(block, tmp_path, BASE_URL=f"{url}/api/v1", API_KEY=key, MOCKHUB_URL=url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
    for expected in re.findall(r"console\.log\(.*\); // (.+)", program):
        assert expected in done.stdout


@pytest.mark.parametrize("block", PAYING, ids=[kind for kind, _ in PAYING])
def test_program_pays_once_when_its_response_is_lost(
    block: tuple[str, str], control_server: Server, tmp_path: Path
) -> None:
    """The settings of the page prevent what its table says of each client."""
    with httpx.Client(base_url=f"{control_server.url}/_mockhub") as control:
        created = control.post("/hubs", json={"credits": 24}).json()
        hub = f"/hubs/{created['hub']['name']}"
        control.post(f"{hub}/faults", json={"fault": "reset@after x1"}).raise_for_status()
        run(block, tmp_path, BASE_URL=created["hub"]["base_url"], API_KEY=created["key"])
        exchanges = control.get(f"{hub}/journal").json()["exchanges"]
    assert [exchange["credits"] for exchange in exchanges] == [-8]
