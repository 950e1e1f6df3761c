"""Programs that are not in the test environment: where one is missing, its tests are skipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

NODE = Path(__file__).resolve().parents[1] / "node"


def require(program: str) -> str:
    """Return the path of a program, or skip the test."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def require_node_package(name: str = ".installed") -> Path:
    """Return the folder of a package of tests/node, or skip the test."""
    path = NODE / "node_modules" / name
    if not path.exists():
        pytest.skip("the packages of tests/node are not installed; `make env` does it")
    return path


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
