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
OPENAPI_FILE = resource_path("openapi.yaml")

Observed = dict[str, Any]


def _environment(server: Server) -> dict[str, str]:
    return {"MOCKHUB_URL": server.url, "MOCKHUB_KEYS": json.dumps(dict(server.keys))}


def run_openapi_python_client(request: pytest.FixtureRequest, folder: Path) -> Observed:
    """Generate with warnings as errors, and import the generated package."""
    options = ["--path", OPENAPI_FILE, "--meta", "none", "--output-path", folder / "hub_client"]
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
        completed = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=folder
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr
    observed: Observed = json.loads(completed.stdout)
    return observed


def run_openapi_typescript(request: pytest.FixtureRequest, folder: Path) -> Observed:
    """Generate the types, compile a script with them, and run it."""
    node: Node = request.getfixturevalue("node")
    scripts = HERE.parent / "node"
    for name in ("generated.mts", "shared.mjs", "tsconfig.json", "package.json", "node_modules"):
        (folder / name).symlink_to(scripts / name)
    for script, *options in (
        (
            "node_modules/openapi-typescript/bin/cli.js",
            OPENAPI_FILE,
            "--output",
            folder / "api.d.ts",
        ),
        ("node_modules/typescript/bin/tsc", "--project", folder),
        (folder / "out" / "generated.mjs",),
    ):
        completed = node(
            script, *options, cwd=folder, **_environment(request.getfixturevalue("server"))
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr
    observed: Observed = json.loads(completed.stdout)
    return observed


@pytest.fixture(
    scope="module",
    params=[run_openapi_python_client, run_openapi_typescript],
    ids=["openapi-python-client", "openapi-typescript"],
)
def observed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """Return the responses that a newly generated client received."""
    responses: Observed = request.param(request, tmp_path_factory.mktemp("generated"))
    return responses


def test_generates_images(observed: Observed) -> None:
    """A JSON request returns the generation, typed, with its images and its price."""
    assert (observed["generation"]["status"], len(observed["generation"]["images"])) == (
        "succeeded",
        2,
    )
    assert (observed["generation"]["quality"], observed["generation"]["usage"]["credits"]) == (
        "1K",
        16,
    )


@pytest.mark.parametrize("references", ["one", "two"])
def test_sends_reference_images(observed: Observed, references: str) -> None:
    """A form contains one reference image as a file, and several as a list."""
    assert (observed[references]["status"], len(observed[references]["images"])) == ("succeeded", 1)


def test_polls_a_queued_generation(observed: Observed) -> None:
    """An asynchronous request returns the queued type, and its id the completed one."""
    assert (observed["queued"]["status"], observed["queued"]["usage"]["credits_requested"]) == (
        "queued",
        8,
    )
    assert (observed["polled"]["id"], observed["polled"]["status"]) == (
        observed["queued"]["id"],
        "succeeded",
    )
    assert len(observed["polled"]["images"]) == 1


def test_insufficient_credits_return_the_error_type(observed: Observed) -> None:
    """402 returns the typed error."""
    assert observed["rejected"] == {"status": 402, "code": "insufficientCredits"}


def test_reads_models_and_credits(observed: Observed) -> None:
    """The model list needs no key, and the balance is the one after the last charge."""
    assert observed["models"] == ["gpt-image-2"]
    assert observed["credits"] == observed["two"]["balance"]["credits"] - 8
