"""Clients that are generated from openapi.yaml work against the mock without changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mockhub._resources import resource_path

if TYPE_CHECKING:
    from conftest import Node, Server

HERE = Path(__file__).resolve().parent
TOOLS = Path(sys.executable).parent
LAW = resource_path("openapi.yaml")

Seen = dict[str, Any]


def _environment(server: Server) -> dict[str, str]:
    return {"MOCKHUB_URL": server.url, "MOCKHUB_KEYS": json.dumps(dict(server.keys))}


def _of_openapi_python_client(request: pytest.FixtureRequest, folder: Path) -> Seen:
    """Generate with warnings as errors, and import the generated package."""
    options = ["--path", LAW, "--meta", "none", "--output-path", folder / "hub_client"]
    options += ["--config", HERE / "openapi-python-client.yaml"]
    environment = os.environ | {
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",  # the generator calls ruff
        "PYTHONPATH": str(folder),
        **_environment(request.getfixturevalue("server")),
    }
    for command in (
        [TOOLS / "openapi-python-client", "generate", "--fail-on-warning", *options],
        [sys.executable, "-W", "error", HERE / "generated.py"],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    seen: Seen = json.loads(done.stdout)
    return seen


def _of_openapi_typescript(request: pytest.FixtureRequest, folder: Path) -> Seen:
    """Generate the types, compile a script with them, and run it."""
    node: Node = request.getfixturevalue("node")
    scripts = HERE.parent / "node"
    for name in ("generated.mts", "world.mjs", "tsconfig.json", "package.json", "node_modules"):
        (folder / name).symlink_to(scripts / name)
    for script, *options in (
        ("node_modules/openapi-typescript/bin/cli.js", LAW, "--output", folder / "api.d.ts"),
        ("node_modules/typescript/bin/tsc", "--project", folder),
        (folder / "out" / "generated.mjs",),
    ):
        done = node(script, *options, cwd=folder, **_environment(request.getfixturevalue("server")))
        assert done.returncode == 0, done.stdout + done.stderr
    seen: Seen = json.loads(done.stdout)
    return seen


@pytest.fixture(
    scope="module",
    params=[_of_openapi_python_client, _of_openapi_typescript],
    ids=["openapi-python-client", "openapi-typescript"],
)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Return what a newly generated client received from the server."""
    found: Seen = request.param(request, tmp_path_factory.mktemp("generated"))
    return found


def test_generates_images(seen: Seen) -> None:
    """A JSON request returns the generation, typed, with its images and its price."""
    assert (seen["generation"]["status"], len(seen["generation"]["images"])) == ("succeeded", 2)
    assert (seen["generation"]["quality"], seen["generation"]["usage"]["credits"]) == ("1K", 16)


@pytest.mark.parametrize("references", ["one", "two"])
def test_sends_reference_images(seen: Seen, references: str) -> None:
    """A form contains one reference image as a file, and several as a list."""
    assert (seen[references]["status"], len(seen[references]["images"])) == ("succeeded", 1)


def test_polls_a_queued_generation(seen: Seen) -> None:
    """An asynchronous request returns the queued type, and its id the completed one."""
    assert (seen["queued"]["status"], seen["queued"]["usage"]["credits_requested"]) == ("queued", 8)
    assert (seen["queued"]["id"], "succeeded") == (seen["polled"]["id"], seen["polled"]["status"])
    assert len(seen["polled"]["images"]) == 1


def test_insufficient_credits_return_the_error_type(seen: Seen) -> None:
    """402 returns the typed error."""
    assert seen["rejected"] == {"status": 402, "code": "insufficientCredits"}


def test_reads_models_and_credits(seen: Seen) -> None:
    """The model list needs no key, and the balance is the one after the last charge."""
    assert seen["models"] == ["gpt-image-2"]
    assert seen["two"]["balance"]["credits"] - 8 == seen["credits"]
