"""A recording of our own mock, with what a client received while it was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockhub.domain.provider import Provider, parse_outcome
from mockhub.recording.recorder import Recorder, RecordingApp
from tests.support.live_server import BODY, KEY, OTHER, PNG, POOR, LiveHub, serve_hub

FORM = {"model": "gpt-image-2", "prompt": "Ein Bär, भालू", "n": "2"}
GENERATIONS = "/api/v1/images/generations"


@dataclass
class Session:
    """What a client sent and received."""

    directory: Path
    base_url: str = ""
    received: list[tuple[dict[str, Any], httpx.Response]] = field(default_factory=list)

    def send(self, client: httpx.Client, key: str | None = KEY, **request: Any) -> httpx.Response:
        """Send a request and keep the response; *request* is as for `httpx.Client.request`."""
        headers = {**request.pop("headers", {})}
        response = client.request(headers=with_key(headers, key), **request)
        self.received.append(({**request, "headers": headers, "key": key}, response))
        return response


def with_key(headers: dict[str, str], key: str | None) -> dict[str, str]:
    return {**headers, **({"Authorization": f"Bearer {key}"} if key else {})}


def run_client(session: Session, live: LiveHub) -> None:
    """Use the API: generations of all kinds, polls, errors, images."""
    client = live.client
    session.base_url = live.url
    session.send(client, None, method="GET", url="/api/v1/models")
    session.send(client, method="GET", url="/api/v1/credits")
    done = session.send(client, method="POST", url=GENERATIONS, json=BODY).json()
    session.send(client, method="GET", url="/api/v1/credits")
    files = [("reference_image", ("a.png", PNG, "image/png"))]
    session.send(client, method="POST", url=GENERATIONS, data=FORM, files=files)
    url = done["images"][0]["url"].removeprefix(live.url)
    session.send(client, None, method="GET", url=url)
    session.send(client, None, method="HEAD", url=url)
    session.send(client, None, method="GET", url=url, headers={"Range": "bytes=5-44"})
    live.server.call(lambda: set_provider(live, "deliver=2 duration=9s"))
    request = {**BODY, "prompt": "Later", "n": 3, "async": True}
    job = session.send(client, method="POST", url=GENERATIONS, json=request).json()
    for _ in range(2):
        session.send(client, method="GET", url=f"/api/v1/generations/{job['id']}")
        live.server.call(lambda: live.backend.clock.advance(9000))  # type: ignore[attr-defined]
    session.send(client, method="GET", url=f"/api/v1/generations/{job['id']}")
    live.server.call(lambda: set_provider(live, "fail"))
    failing = {**BODY, "prompt": "Fails"}
    session.send(client, method="POST", url=GENERATIONS, json=failing)
    session.send(client, POOR, method="POST", url=GENERATIONS, json={**BODY, "n": 4})
    session.send(client, OTHER, method="GET", url="/api/v1/credits")
    session.send(client, OTHER, method="GET", url=f"/api/v1/generations/{job['id']}")
    session.send(client, None, method="POST", url=GENERATIONS, json={**BODY, "prompt": "No key"})
    session.send(client, method="POST", url=GENERATIONS, json={**BODY, "n": 9})


def set_provider(live: LiveHub, outcome: str) -> None:
    live.backend.provider = Provider([parse_outcome(outcome)])


def record(directory: Path) -> Session:
    """Record `run_client` in a directory."""
    session = Session(directory)
    with serve_hub() as live:
        recorder = Recorder(directory, live.app.api.spec, live.url)
        live.app.handler = RecordingApp(live.app.handler, recorder)
        run_client(session, live)
    recorder.close()
    return session


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return record(tmp_path_factory.mktemp("recordings") / "session")


@pytest.fixture(scope="session")
def live() -> Iterator[LiveHub]:
    """Serve a hub for replays, at another address than the recorded one."""
    with serve_hub() as live:
        yield live
