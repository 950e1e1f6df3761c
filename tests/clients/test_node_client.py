"""The Node client in clients/node, against a running server."""

from __future__ import annotations

import os
import runpy
import subprocess
from pathlib import Path

from tests.conftest import Serve
from tests.support.tools import require, require_node_package

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "node"
TYPES_CONFIG = (
    *("--strict", "--noEmit", "--module", "nodenext", "--target", "es2022"),
    *("--lib", "es2022,esnext.disposable,dom"),
)


def test_client_controls_hubs(serve: Serve) -> None:
    """Its own tests pass with node's runner."""
    with serve("--control") as server:
        done = subprocess.run(
            [require("node"), "--test", "client.test.mjs"],
            cwd=CLIENT,
            env=os.environ | {"MOCKHUB_URL": server.url},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 8" in done.stdout


def test_types_are_generated_from_the_control_plane() -> None:
    """`generate_types.py` writes the file that is checked in."""
    generated = runpy.run_path(str(CLIENT / "generate_types.py"))["generate"]()
    assert (CLIENT / "control.d.ts").read_text("utf-8") == generated


def test_declarations_are_valid_typescript() -> None:
    tsc = require_node_package(".bin/tsc")
    done = subprocess.run(
        [tsc, *TYPES_CONFIG, CLIENT / "index.d.ts", CLIENT / "openai-fetch.d.ts"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
