"""A hub of its own for each test, on a server with the control plane that a module shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.live_server import LiveHub, serve_hub


@pytest.fixture(scope="module")
def controlled() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        yield running


@pytest.fixture
def hub(controlled: LiveHub) -> Iterator[LiveHub]:
    with controlled.new_hub() as hub:
        yield hub
