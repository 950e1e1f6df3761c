"""`mockhub.asgi:app` runs on any ASGI server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from benchmarks.servers import free_port, running
from mockhub.asgi import app
from mockhub.web.asgi import Message
from tests.support.live_server import BODY, KEY

SERVERS = {
    "uvicorn": ["mockhub.asgi:app", "--port"],
    "hypercorn": ["mockhub.asgi:app", "--bind"],
    "granian": ["mockhub.asgi:app", "--interface", "asgi", "--port"],
}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def serve(server: str, **environment: str) -> Iterator[httpx.Client]:
    port = free_port()
    address = f"127.0.0.1:{port}" if server == "hypercorn" else str(port)
    command = [sys.executable, "-m", server, *SERVERS[server], address]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with (
            running(command, port=port, ready_path="/api/v1/models"),
            httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            yield client


def test_app_needs_no_configuration(server: str) -> None:
    """It serves the default scenario, with URLs of the port that all these servers default to."""
    with serve(server) as client:
        headers = {"Authorization": f"Bearer {KEY}"}
        response = client.post(
            "/api/v1/images/generations", json={**BODY, "async": True}, headers=headers
        )
        assert (response.status_code, response.json()["status"]) == (202, "queued")
        poll_url = response.json()["poll_url"]
        assert poll_url.startswith("http://127.0.0.1:8000/api/v1/generations/")
        path = poll_url.removeprefix("http://127.0.0.1:8000")
        assert client.get(path, headers=headers).status_code == 200
        assert client.get("/_mockhub/hubs").status_code == 404


def test_app_is_configured_by_environment_variables(server: str) -> None:
    """The scenario, the public URL and the token of the control plane can be set."""
    with serve(
        server,
        MOCKHUB_SCENARIO="endless",
        MOCKHUB_PUBLIC_URL="https://mock.example/",
        MOCKHUB_CONTROL_TOKEN="secret",
    ) as client:
        headers = {"Authorization": f"Bearer {KEY}"}
        response = client.post("/api/v1/images/generations", json=BODY, headers=headers)
        image = response.json()["images"][0]["url"]
        assert image.startswith("https://mock.example/images/")
        assert client.get(image.removeprefix("https://mock.example")).content[:4] == b"\x89PNG"
        hubs = "/_mockhub/hubs"
        assert client.get(hubs).status_code == 401
        with_token = {"Authorization": "Bearer secret"}
        assert client.get(hubs, headers=with_token).status_code == 200


@pytest.mark.asyncio
async def test_websocket_is_closed() -> None:
    """A WebSocket of any path is closed before it is accepted, which a server answers with 403."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    for path in ("/api/v1/models", "/_mockhub/hubs"):
        await app({"type": "websocket", "path": path}, receive, send)
    assert sent == [{"type": "websocket.close"}] * 2
