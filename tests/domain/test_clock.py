"""A manual clock moves generations, keys and credits together, and only when it is moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockhub._timestamps import format_timestamp, parse_duration, parse_timestamp
from mockhub.domain.clock import MAX_TIMESTAMP, ManualClock, SystemClock
from mockhub.exceptions import MockhubError
from tests.support.live_server import BODY, KEY, LOW, PUBLISHED, LiveHub, serve_hub

HOUR = 3_600_000


@pytest.fixture
def hub_on_hold(hub_server: LiveHub) -> Iterator[LiveHub]:
    """Yield a hub whose clock does not move, so that requests wait."""
    with hub_server.new_hub(mode="hold") as hub:
        yield hub


Send = Callable[..., "Future[httpx.Response]"]


@pytest.fixture
def send(hub_on_hold: LiveHub) -> Iterator[Send]:
    """Return a function that sends a request in a thread and returns when it waits in the hub."""
    with ThreadPoolExecutor(4) as pool:

        def post(prompt: str, **headers: str) -> Future[httpx.Response]:
            waits = Event()
            hub_on_hold.server.call(lambda: hub_on_hold.backend.listeners.append(waits.set))
            before = len(hub_on_hold.backend.clock_listeners)
            response = pool.submit(hub_on_hold.generate, {"prompt": prompt}, headers=headers)
            while (
                not response.done()
                and hub_on_hold.server.call(lambda: len(hub_on_hold.backend.clock_listeners))
                <= before
            ):
                waits.wait(0.01)
            return response

        yield post


def test_request_waits_until_the_clock_is_moved(hub_on_hold: LiveHub, send: Send) -> None:
    """A synchronous request on a held clock gets its response when the clock is moved (GEN-1)."""
    response = send("[[duration=60s]]")
    assert hub_on_hold.credits() == 112
    hub_on_hold.server.call(lambda: hub_on_hold.backend.clock.advance(59_999))
    assert not response.done()
    hub_on_hold.server.call(lambda: hub_on_hold.backend.clock.advance(1))
    assert response.result(10).json()["status"] == "succeeded"


def test_held_request_fails_at_the_time_limit(hub_on_hold: LiveHub, send: Send) -> None:
    """A held generation that takes too long fails at 800 seconds and is refunded (LIM-1)."""
    response = send("[[duration=2h]]")
    hub_on_hold.server.call(lambda: hub_on_hold.backend.clock.advance(799_999))
    assert (hub_on_hold.credits(), response.done()) == (112, False)
    hub_on_hold.server.call(lambda: hub_on_hold.backend.clock.advance(1))
    assert (
        response.result(10).status_code,
        response.result().json()["error"]["code"],
    ) == (500, "generationFailed")
    assert hub_on_hold.credits() == 120


def test_held_request_can_be_completed_by_hand(hub_on_hold: LiveHub, send: Send) -> None:
    """A held generation that is completed by hand gets its response without time passing."""
    response = send("[[never]]")
    (id,) = (
        generation.id
        for generation in hub_on_hold.backend.generations.values()
        if not generation.ended
    )
    hub_on_hold.server.call(lambda: hub_on_hold.backend.complete(id))
    assert response.result(10).json()["status"] == "succeeded"
    assert hub_on_hold.backend.clock.now() == PUBLISHED


def test_delay_waits_for_a_held_clock(hub_on_hold: LiveHub, send: Send) -> None:
    response = send("x", **{"X-Mockhub": "delay=30s"})
    assert (hub_on_hold.credits(), response.done()) == (120, False)
    hub_on_hold.server.call(lambda: hub_on_hold.backend.clock.advance(30_000))
    assert response.result(10).status_code == 200


def test_several_requests_wait_for_the_same_clock(hub_on_hold: LiveHub, send: Send) -> None:
    """Each waiting request ends at its own time, whatever their order was."""
    responses = [send(f"[[duration={seconds}s]]") for seconds in (30, 10, 20)]
    ended = []
    for _ in range(3):
        hub_on_hold.server.call(hub_on_hold.backend.advance_to_next_event)
        (now,) = (i for i, response in enumerate(responses) if i not in ended and _soon(response))
        ended.append(now)
    assert ended == [1, 2, 0]


def _soon(response: Future[httpx.Response]) -> bool:
    try:
        return response.result(0.3).status_code == 200
    except TimeoutError:
        return False


@pytest.mark.parametrize("end", ["reset", "delete"])
@pytest.mark.parametrize("prompt", ["[[never]]", "[[delay=30s]]", "[[hang]]"])
def test_waiting_requests_end_with_their_hub(hub_on_hold: LiveHub, end: str, prompt: str) -> None:
    """The connection of a waiting request closes when its hub is reset or deleted."""
    registry = hub_on_hold.app.api.hub_registry
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(hub_on_hold.generate, {"prompt": prompt})
        while not hub_on_hold.server.call(lambda: len(hub_on_hold.backend.clock_listeners)):
            assert not response.done()
        hub_on_hold.server.call(lambda: getattr(registry, end)(hub_on_hold.backend.name))
        assert isinstance(response.exception(10), httpx.RemoteProtocolError)


def test_client_that_disconnects_is_charged(hub_on_hold: LiveHub) -> None:
    """A client that disconnects has been charged, and its images are still made (LED-1)."""
    hub_on_hold.client.timeout = httpx.Timeout(30, read=0.2)
    with pytest.raises(httpx.ReadTimeout):
        hub_on_hold.generate({"prompt": "[[duration=60s]]"})
    hub_on_hold.client.timeout = httpx.Timeout(30)
    assert hub_on_hold.credits() == 112
    hub_on_hold.server.call(lambda: hub_on_hold.backend.clock.advance(60_000))
    *_, newest = hub_on_hold.backend.generations
    assert hub_on_hold.get(f"generations/{newest}").json()["status"] == "succeeded"
    assert hub_on_hold.credits() == 112


def test_next_event_is_a_generation_a_key_or_credits(hub: LiveHub) -> None:
    """The next event is whatever is due first: a generation, a key or a lot of credits."""
    low = hub.backend.accounts["low"]
    hub.server.call(lambda: hub.backend.grant(low, 100, expires_at=PUBLISHED + 3 * HOUR))
    key = hub.server.call(lambda: hub.backend.add_key("low", expires_at=PUBLISHED + 2 * HOUR))
    queued = hub.generate({"async": True, "prompt": "[[duration=1h]]"}, key=LOW).json()["id"]
    seen = []
    for _ in range(3):
        now = hub.server.call(hub.backend.advance_to_next_event)
        seen.append(
            (
                (now - PUBLISHED) // HOUR,
                hub.get(f"generations/{queued}", LOW).json()["status"],
                hub.get("credits", key).status_code,
                hub.credits(LOW),
            )
        )
    assert seen == [
        (1, "succeeded", 200, 116),
        (2, "succeeded", 401, 116),
        (3, "succeeded", 401, 24),
    ]
    assert hub.server.call(hub.backend.next_event) is None


def test_system_clock_cannot_be_moved(hub_server: LiveHub) -> None:
    """On the system clock a generation takes real time, and the clock cannot be moved."""
    with hub_server.new_hub(clock=SystemClock()) as hub:
        before = hub.server.call(lambda: hub.backend.clock.now())
        assert hub.generate({"prompt": "[[duration=30ms]]"}).status_code == 200
        assert hub.server.call(lambda: hub.backend.clock.now()) - before >= 30
        with pytest.raises(MockhubError, match="is the system's"):
            hub.server.call(hub.backend.advance_to_next_event)


def test_manual_clock_does_not_go_back() -> None:
    """A manual clock rejects an earlier time and names both times."""
    clock = ManualClock(PUBLISHED)
    clock.advance(0)
    with pytest.raises(MockhubError, match="cannot go back to 2026-04-30T07:59:59.999Z"):
        clock.advance(-1)
    assert clock.now() == PUBLISHED


@given(st.integers(0, parse_timestamp("9999-12-31T23:59:59.999Z")))
def test_timestamps_round_trip(timestamp: int) -> None:
    """A formatted time is parsed back to the millisecond (GEN-8)."""
    assert parse_timestamp(format_timestamp(timestamp)) == timestamp


@pytest.mark.parametrize(
    "text", ["", "now", "2026-04-30", "2026-04-30T08:00:00", "1777536000", "x"]
)
def test_text_that_is_not_a_timestamp_is_rejected(text: str) -> None:
    with pytest.raises(MockhubError, match="expected one such as"):
        parse_timestamp(text)


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:59-23:59",
        "9999-12-31T23:59:59.9999999Z",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_timestamp_that_cannot_be_formatted_is_rejected(text: str) -> None:
    """Only the years 1 to 9999 of UTC can be written."""
    shown = repr(text)
    with pytest.raises(MockhubError, match=f"{shown[:10]}.* is out of range; expected a year from"):
        parse_timestamp(text)
    with pytest.raises(MockhubError):
        parse_timestamp(text + 5000 * "0")


@pytest.mark.parametrize(
    "value",
    [-1, -0.5, 10**20, 1e-7, float("nan"), float("inf"), timedelta(-1), timedelta(4000), "x"],
)
def test_duration_out_of_bounds_is_rejected(value: str | float | timedelta) -> None:
    with pytest.raises(MockhubError, match="expected one such as 2s|expected at most 3650d"):
        parse_duration(value)


def test_number_that_python_cannot_write_is_rejected() -> None:
    with pytest.raises(MockhubError, match="'a number of more than 200 digits' is too long"):
        parse_duration(10**5000)


def test_manual_clock_has_a_latest_time() -> None:
    """Neither a new clock nor one that is moved goes beyond the year 9000."""
    latest = parse_timestamp("9000-01-01T00:00:00Z")
    clock = ManualClock(latest)
    with pytest.raises(MockhubError, match="cannot go beyond 9000-01-01"):
        clock.advance(1)
    with pytest.raises(MockhubError, match="cannot go beyond 9000-01-01"):
        ManualClock(latest + 1)


def test_time_stops_in_the_year_9000(hub_server: LiveHub) -> None:
    """A wait beyond the latest time of a clock ends there, and is not an error."""
    with hub_server.new_hub(mode="autojump") as hub:
        hub.server.call(lambda: hub.backend.manual_clock().set(MAX_TIMESTAMP - 1000))
        prompts = ("[[delay=10m]]", "[[duration=2m]]", "[[duration=2m]]", "[[never]]")
        responses = [hub.generate({"prompt": prompt}) for prompt in prompts]
        assert [response.status_code for response in responses] == [200, 200, 200, 500]
        assert responses[3].json()["error"]["code"] == "generationFailed"
        assert hub.backend.clock.now() == MAX_TIMESTAMP
        assert hub.backend.audit() == []


def test_server_stops_while_a_request_waits() -> None:
    """A waiting request ends when the server stops, and does not keep the server running."""
    with ThreadPoolExecutor(1) as pool, serve_hub(clock=ManualClock(PUBLISHED, mode="hold")) as hub:
        headers = {"Authorization": f"Bearer {KEY}"}
        body = {**BODY, "prompt": "[[never]]"}
        url = f"{hub.url}/api/v1/images/generations"
        response = pool.submit(httpx.post, url, json=body, headers=headers, timeout=30)
        while hub.credits() == 120:
            pass
    assert isinstance(response.exception(10), httpx.HTTPError)
