"""The API tests on uvicorn's own HTTP protocol: the application needs no server of mockhub."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import uvicorn

from mockhub.server import server
from mockhub.web.app import App
from tests.support.live_server import LiveHub, serve_hub
from tests.web.test_async import *  # noqa: F403
from tests.web.test_generate import *  # noqa: F403
from tests.web.test_golden import *  # noqa: F403


class StockServer(uvicorn.Server):
    def __init__(self, app: App, *, on_ready: Callable[[], None]) -> None:
        super().__init__(uvicorn.Config(app, http="httptools", log_config=None, access_log=False))
        self._on_ready = on_ready

    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)  # type: ignore[arg-type]
        self._on_ready()


@pytest.fixture(scope="module", autouse=True)
def stock_uvicorn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "create_server", StockServer)
        yield


@pytest.fixture(scope="module")
def hub_server(stock_uvicorn: None) -> Iterator[LiveHub]:
    with serve_hub() as started:
        yield started


def test_server_is_stock_uvicorn(hub: LiveHub) -> None:
    """Only uvicorn's own protocol names its server in the response."""
    assert hub.get("models").headers["server"] == "uvicorn"
