"""Fixtures of the tests with real clients."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from conftest import Node, Server


@pytest.fixture(scope="session")
def png() -> bytes:
    """Return a small PNG for reference images."""
    file = io.BytesIO()
    Image.new("RGB", (2, 2), "teal").save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def observe(node: Node, server: Server) -> Callable[[str], Any]:
    """Run a script of tests/node against the server and return the JSON that it prints."""

    def run(script: str) -> Any:
        completed = node(script, MOCKHUB_URL=server.url, MOCKHUB_KEYS=json.dumps(dict(server.keys)))
        assert completed.returncode == 0, completed.stderr
        return json.loads(completed.stdout)

    return run
