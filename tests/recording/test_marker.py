"""The marker `mockhub(replay=...)`, and `replay` of `mockhub.running` and `mockhub.ASGI`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

import mockhub
from mockhub.exceptions import MockhubError
from mockhub.testing.hub import Hub
from mockhub.testing.markers import hub_config
from tests.recording.conftest import Session
from tests.support.live_server import BODY

CASSETTE = Path(__file__).parent / "cassette"
JOB = {
    "model": "gpt-image-2",
    "prompt": "A lighthouse at dusk",
    "size": "256x256",
    "async": True,
}


@pytest.mark.mockhub(replay="cassette", replay_only=True)
def test_marker_replays_a_recording_beside_the_test(mockhub: Hub) -> None:
    with httpx.Client(base_url=mockhub.base_url) as client:  # without a key
        job = client.post("images/generations", json=JOB).json()
        before = mockhub.clock.now()
        states = [client.get(job["poll_url"]).json() for _ in range(3)]
        assert [one["status"] for one in states] == ["processing", "processing", "succeeded"]
        assert 1 < (mockhub.clock.now() - before).total_seconds() < 4  # as recorded
        url = states[-1]["images"][0]["url"]
        assert url.startswith(f"{mockhub.url}/images/")
        (image,) = (CASSETTE / "images").iterdir()
        assert client.get(url).content == image.read_bytes()
        assert [client.get("credits").json()["credits"] for _ in range(3)] == [120, 112, 112]
        missing = client.post("images/generations", json={**JOB, "n": 3})
        assert missing.json()["error"]["code"] == "notRecorded"
        mockhub.reset()
        assert client.get("credits").json()["credits"] == 120


def test_another_hub_simulates(mockhub: Hub) -> None:
    job = mockhub.client().post("/images/generations", json=JOB).json()
    assert not list(CASSETTE.glob(f"*{job['id']}*"))


def test_unknown_directory_is_an_error_of_the_test(request: pytest.FixtureRequest) -> None:
    message = r"test_marker.py: mockhub_factory: replay: casette: does not exist"
    with pytest.raises(MockhubError, match=message):
        hub_config(request.node, {"replay": "casette"})


def test_hub_in_process_replays(session: Session) -> None:
    app = mockhub.ASGI(replay=session.directory, base_url="http://here")

    async def generate() -> dict[str, object]:
        async with app.hub.async_client() as client:
            response = await client.post("/images/generations", json=BODY)
            content: dict[str, object] = response.json()
            return content

    assert "http://here/images/" in str(asyncio.run(generate())["images"])


def test_replay_only_needs_a_recording() -> None:
    with (
        pytest.raises(MockhubError, match="replay_only: needs a recording; expected replay too"),
        mockhub.running(replay_only=True),
    ):
        pass
