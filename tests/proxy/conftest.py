"""Fixtures: the proxy in front of our mock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.proxy.support import LiveProxy, start_proxy
from tests.support.live_server import LiveHub, serve_hub


@pytest.fixture(scope="module")
def upstream_server() -> Iterator[LiveHub]:
    with serve_hub() as served:
        yield served


@pytest.fixture
def upstream(upstream_server: LiveHub) -> Iterator[LiveHub]:
    """Return a new hub of the mock, which is the service behind the proxy."""
    with upstream_server.new_hub() as hub:
        yield hub


@pytest.fixture
def proxy(upstream: LiveHub) -> Iterator[LiveProxy]:
    """Return a proxy in front of `upstream`."""
    with start_proxy(upstream.url + "/api/v1") as proxy:
        yield proxy
