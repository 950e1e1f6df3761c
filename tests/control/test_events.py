"""The event stream of a hub: what it reports, how it is bounded, and when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx
import pytest

from mockhub.control import events
from mockhub.domain.clock import ManualClock
from tests.support.live_server import LiveHub, serve_hub

PREFIX = "/_mockhub/hubs"
Events = Iterator[dict[str, Any]]


def read_events(hub: LiveHub, query: str = "") -> Events:
    url = f"{hub.client.base_url.copy_with(path=f'{PREFIX}/{hub.backend.name}/events')}{query}"
    with hub.client.stream("GET", url) as response:
        assert response.headers["content-type"] == "text/event-stream"
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])


def control(hub: LiveHub, method: str, path: str, body: Any = None) -> httpx.Response:
    url = hub.client.base_url.copy_with(path=f"{PREFIX}/{hub.backend.name}{path}")
    response = hub.client.request(method, url, json=body)
    assert response.is_success, response.text
    return response


def test_new_exchange_is_reported_with_what_it_changed(hub: LiveHub) -> None:
    """A viewer sees the exchanges so far, then each new one, and which parts of the hub changed."""
    hub.get("models")
    with closing(read_events(hub)) as stream:
        assert [one["operation"] for one in next(stream)["exchanges"]] == ["list_models"]
        hub.generate({})
        event = next(stream)
    assert (event["total"], event["left_out"], event["cleared"]) == (2, 0, False)
    assert event["changed"] == ["generations", "accounts", "faults"]
    (exchange,) = event["exchanges"]
    assert (exchange["status"], exchange["credits"], exchange["faults"]) == (200, -8, [])


def test_first_event_names_all_parts(hub: LiveHub) -> None:
    """A viewer that connects again learns that anything may have changed meanwhile."""
    with closing(read_events(hub)) as stream:
        assert next(stream)["changed"] == ["generations", "accounts", "faults", "clock"]


def test_another_journal_has_another_version(hub: LiveHub) -> None:
    """The version stays while requests arrive, and differs after each call that voids numbers."""
    hub.server.call(hub.backend.save_snapshot)
    versions = [journal_version(hub)]
    hub.get("models")
    assert journal_version(hub) == versions[0]
    for method, path in (("DELETE", "/journal"), ("POST", "/reset")):
        control(hub, method, path)
        versions.append(journal_version(hub))
    for _ in range(2):  # a hub that is created again is another one, although it is the same
        control(hub, "DELETE", "")
        hub.server.call(lambda: hub.app.api.hub_registry.add(hub.backend.fork(hub.backend.name)))
        versions.append(journal_version(hub))
    assert len({*versions}) == len(versions)


def journal_version(hub: LiveHub) -> str:
    with closing(read_events(hub)) as stream:
        version: str = next(stream)["journal"]
    assert control(hub, "GET", "/journal").json()["journal"] == version
    return version


def test_error_is_reported_with_its_reason(hub: LiveHub) -> None:
    """The summary of an error has its code and message."""
    hub.generate({"n": 99})
    with closing(read_events(hub)) as stream:
        (exchange,) = next(stream)["exchanges"]
    assert (exchange["status"], exchange["code"]) == (400, "invalid_request")
    assert "n" in exchange["reason"]


def test_burst_is_cut_to_the_newest_exchanges(hub: LiveHub) -> None:
    """One event has a bounded number of exchanges and says how many it leaves out."""
    for _ in range(events.MAX_EXCHANGES + 7):
        hub.get("models")
    with closing(read_events(hub, "?since=3")) as stream:
        event = next(stream)
    numbers = [one["number"] for one in event["exchanges"]]
    assert numbers == [*range(8, events.MAX_EXCHANGES + 8)]
    assert (event["left_out"], event["total"]) == (4, events.MAX_EXCHANGES + 7)


@pytest.mark.parametrize(
    ("method", "path", "body", "changed"),
    [
        ("POST", "/faults", {"fault": "reset"}, ["faults"]),
        ("POST", "/clock/advance", {"by": "1s"}, ["clock"]),
        ("POST", "/accounts", {"id": "new", "credits": 5}, ["accounts"]),
        ("PUT", "/provider", {"script": ["fail"]}, ["faults"]),
    ],
)
def test_change_by_the_control_plane_is_reported(
    hub: LiveHub, method: str, path: str, body: Any, changed: list[str]
) -> None:
    """A viewer learns of what other people do, without a request to the API."""
    with closing(read_events(hub)) as stream:
        next(stream)
        control(hub, method, path, body)
        assert next(stream)["changed"] == changed


@pytest.mark.parametrize("call", [("DELETE", "/journal"), ("POST", "/reset")])
def test_cleared_journal_is_reported(hub: LiveHub, call: tuple[str, str]) -> None:
    """A viewer learns that the exchanges it knows are gone."""
    hub.server.call(hub.backend.save_snapshot)
    hub.get("models")
    with closing(read_events(hub)) as stream:
        next(stream)
        control(hub, *call)
        assert next(stream)["cleared"] is True


def test_stream_ends_with_its_hub(hub: LiveHub) -> None:
    """The stream of a deleted hub ends, and a new one is a 404."""
    stream = read_events(hub)
    next(stream)
    control(hub, "DELETE", "")
    assert [*stream] == []
    url = hub.client.base_url.copy_with(path=f"{PREFIX}/{hub.backend.name}/events")
    assert hub.client.get(url).status_code == 404


def test_client_that_left_is_noticed(hub: LiveHub) -> None:
    """A closed connection ends the stream on the server."""
    wakers = hub.app.api.clock_waiter.wakers
    before = hub.server.call(lambda: len(wakers))
    with closing(read_events(hub)) as stream:
        next(stream)
        assert hub.server.call(lambda: len(wakers)) == before + 1
    hub.client.close()  # the connection was kept for the rest of the stream

    async def wait() -> None:
        async with asyncio.timeout(20):
            while hub.server.call(lambda: len(wakers)) > before:
                await asyncio.sleep(0.02)

    asyncio.run(wait())


def test_stream_does_not_delay_the_shutdown() -> None:
    """The server ends the stream when it shuts down."""
    with serve_hub(control=True) as hub, httpx.Client(base_url=hub.url) as client:
        viewer = replace(hub, client=client)
        stream = read_events(viewer)
        next(stream)
        hub.server.call(hub.app.api.clock_waiter.close)  # what `Server.shutdown` does first
        assert [*stream] == []


def test_slow_viewer_is_disconnected(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A viewer that does not read is dropped after a time, and nothing waits for it."""
    monkeypatch.setattr(events, "SEND_TIMEOUT", 0.01)
    closed: list[str] = []
    sent: list[str] = []

    class Source:
        def watch(self, on_disconnect: object) -> None:
            closed.append("watched")

        def unwatch(self) -> None:
            closed.append("unwatched")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def run() -> None:
        stream = events.EventStream(hub.app.api, hub.backend, 0)
        with pytest.raises(ConnectionResetError):  # which no other ASGI server can do
            await stream.send({"method": "GET"}, Source(), send)  # type: ignore[arg-type]

    asyncio.run(run())
    assert sent == ["http.response.start", "http.response.body"]
    assert closed == ["watched", "unwatched"]


def test_due_generation_is_reported_without_a_request() -> None:
    """On the system's clock a generation ends by itself, and its viewer learns of it."""
    with serve_hub(control=True, scenario="slow", clock=ManualClock(1_800_000_000_000)) as hub:
        hub.generate({"async": True})
        with closing(read_events(hub)) as stream:
            next(stream)
            control(hub, "POST", "/clock/next")
            assert set(next(stream)["changed"]) >= {"generations", "clock"}
