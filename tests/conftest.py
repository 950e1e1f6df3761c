"""Shared fixtures: hubs on a server in a thread, a `mockhub serve` process, and Node."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import settings

from tests.support.live_server import LiveHub, serve_hub
from tests.support.tools import require, require_node_package

# Slow machines must not fail a test; print_blob shows how to reproduce a failure. A change is
# tested with the same examples each time; --hypothesis-profile random finds others.
settings.register_profile("random", deadline=None, print_blob=True)
settings.register_profile("fixed", settings.get_profile("random"), derandomize=True)
settings.load_profile("fixed")

ROOT = Path(__file__).resolve().parent.parent

# Each httpx client reads the certificates that it trusts: 70 ms for the usual ones.
os.environ["SSL_CERT_FILE"] = str(ROOT / "tests" / "support" / "tls" / "no_server.pem")
NODE = ROOT / "tests" / "node"


def pytest_collection_finish() -> None:
    """Keep thousands of collected tests out of each garbage collection."""
    gc.freeze()


@dataclass(frozen=True)
class Server:
    """A running `mockhub serve`.

    Attributes:
        url: Its address.
        keys: The API keys of the scenario by name.
        log: The lines of its JSON log so far.
    """

    url: str
    keys: Mapping[str, str]
    log: list[dict[str, Any]]


Serve = Callable[..., AbstractContextManager[Server]]
Node = Callable[..., "subprocess.CompletedProcess[str]"]


@contextmanager
def start_server(
    *options: str, python: str = sys.executable, cwd: Path = ROOT, scenario: str = "default"
) -> Iterator[Server]:
    command = [python, "-m", "mockhub", "serve", "--port", "0", "--log-format", "json"]
    command += ["--no-control", "--scenario", scenario, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd) as process:
        assert process.stdout
        log: list[dict[str, Any]] = []
        try:
            started = json.loads(process.stdout.readline() or "null")
            assert started, f"{command} did not start"
            # Lines that are not read are dropped.
            reader = Thread(
                target=lambda out: log.extend(map(json.loads, out)), args=[process.stdout]
            )
            reader.start()
            yield Server(started["url"], started["keys"], log)
            process.send_signal(signal.SIGTERM)
            reader.join(20)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert [line for line in log if line.get("spec_violation")] == []


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Return a context manager that runs `mockhub serve`: `with serve("--seed", "7") as server`."""
    return start_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Run `mockhub serve` with the default scenario for the whole session."""
    with start_server() as started:
        yield started


@pytest.fixture(scope="session")
def node() -> Node:
    """Return a function that runs a script of tests/node or of one of its packages."""
    program = require("node")
    require_node_package()

    def run(
        script: str, *arguments: str | Path, cwd: Path = NODE, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
        return subprocess.run(
            [program, "--no-deprecation", NODE / script, *arguments],
            cwd=cwd,
            env=os.environ | quiet | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture(scope="session")
def hub_server() -> Iterator[LiveHub]:
    """Serve many hubs on one server for the whole session."""
    with serve_hub() as started:
        yield started


@pytest.fixture
def hub(hub_server: LiveHub) -> Iterator[LiveHub]:
    """Return an isolated hub with the default scenario and a manual clock."""
    with hub_server.new_hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def shared_hub() -> Iterator[LiveHub]:
    """Serve one hub for a module whose tests change nothing, such as rejected requests."""
    with serve_hub() as started:
        yield started
