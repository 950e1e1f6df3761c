"""Time: it moves jobs, keys and credits together, and only when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockhub._timestamps import format_timestamp, parse_timestamp
from mockhub.domain.clock import ManualClock, SystemClock
from mockhub.exceptions import MockhubError
from tests.support.live_server import BODY, KEY, LOW, PUBLISHED, LiveHub, serve_hub

HOUR = 3_600_000


@pytest.fixture
def held(hub_server: LiveHub) -> Iterator[LiveHub]:
    """A hub whose clock stands still until it is told: who waits, waits."""
    with hub_server.new_hub(mode="hold") as hub:
        yield hub


Ask = Callable[..., "Future[httpx.Response]"]


@pytest.fixture
def ask(held: LiveHub) -> Iterator[Ask]:
    """Asks for an image in a thread, and returns when the request waits in the hub."""
    with ThreadPoolExecutor(4) as pool:

        def post(prompt: str, **headers: str) -> Future[httpx.Response]:
            waits = Event()
            held.server.call(lambda: held.backend.listeners.append(waits.set))
            before = len(held.backend.listeners)
            answer = pool.submit(held.generate, {"prompt": prompt}, headers=headers)
            while (
                not answer.done()
                and held.server.call(lambda: len(held.backend.listeners)) <= before
            ):
                waits.wait(0.01)
            return answer

        yield post


def test_a_held_request_stays_open(held: LiveHub, ask: Ask) -> None:
    """A synchronous request on a clock that is held is answered when it is moved (GEN-1)."""
    answer = ask("[[duration=60s]]")
    assert held.credits() == 112
    held.server.call(lambda: held.backend.clock.advance(59_999))
    assert not answer.done()
    held.server.call(lambda: held.backend.clock.advance(1))
    assert answer.result(10).json()["status"] == "succeeded"


def test_a_held_request_fails_at_the_limit(held: LiveHub, ask: Ask) -> None:
    """A held generation that is told to take too long fails at 800 seconds, refunded (LIM-1)."""
    answer = ask("[[duration=2h]]")
    held.server.call(lambda: held.backend.clock.advance(799_999))
    assert (held.credits(), answer.done()) == (112, False)
    held.server.call(lambda: held.backend.clock.advance(1))
    assert (
        answer.result(10).status_code,
        answer.result().json()["error"]["code"],
    ) == (500, "generationFailed")
    assert held.credits() == 120


def test_a_held_request_may_be_ended_by_hand(held: LiveHub, ask: Ask) -> None:
    """A held generation that is ended by hand is answered at once, without time passing."""
    answer = ask("[[never]]")
    (id,) = (one.id for one in held.backend.generations.values() if not one.ended)
    held.server.call(lambda: held.backend.complete(id))
    assert answer.result(10).json()["status"] == "succeeded"
    assert held.backend.clock.now() == PUBLISHED


def test_a_held_delay_waits_for_the_clock(held: LiveHub, ask: Ask) -> None:
    """A delay on a clock that is held lasts until it is moved."""
    answer = ask("x", **{"X-Mockhub": "delay=30s"})
    assert (held.credits(), answer.done()) == (120, False)
    held.server.call(lambda: held.backend.clock.advance(30_000))
    assert answer.result(10).status_code == 200


def test_several_wait_for_the_same_clock(held: LiveHub, ask: Ask) -> None:
    """Each waiting request ends at its own moment, whoever came first."""
    answers = [ask(f"[[duration={seconds}s]]") for seconds in (30, 10, 20)]
    ended = []
    for _ in range(3):
        held.server.call(held.backend.advance_to_next_event)
        (now,) = (i for i, one in enumerate(answers) if i not in ended and _soon(one))
        ended.append(now)
    assert ended == [1, 2, 0]


def _soon(answer: Future[httpx.Response]) -> bool:
    try:
        return answer.result(0.3).status_code == 200
    except TimeoutError:
        return False


@pytest.mark.parametrize("end", ["reset", "delete"])
@pytest.mark.parametrize("prompt", ["[[never]]", "[[delay=30s]]", "[[hang]]"])
def test_nobody_waits_in_a_hub_that_ended(held: LiveHub, end: str, prompt: str) -> None:
    """Who waits in a hub that is reset or dropped is let go: the connection ends."""
    store = held.app.api.hub_registry
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(held.generate, {"prompt": prompt})
        while not held.server.call(lambda: len(held.backend.listeners)):
            assert not answer.done()
        held.server.call(lambda: getattr(store, end)(held.backend.name))
        assert isinstance(answer.exception(10), httpx.RemoteProtocolError)


def test_who_leaves_pays(held: LiveHub) -> None:
    """A client that gives up has been charged, and its images come all the same (LED-1)."""
    held.client.timeout = httpx.Timeout(30, read=0.2)
    with pytest.raises(httpx.ReadTimeout):
        held.generate({"prompt": "[[duration=60s]]"})
    held.client.timeout = httpx.Timeout(30)
    assert held.credits() == 112
    held.server.call(lambda: held.backend.clock.advance(60_000))
    *_, made = held.backend.generations
    assert held.get(f"generations/{made}").json()["status"] == "succeeded"
    assert held.credits() == 112


def test_jobs_keys_and_credits_move_together(hub: LiveHub) -> None:
    """The next event is whatever falls due first: a job, a key or a lot of credits."""
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
    assert None is hub.server.call(hub.backend.next_event)


def test_the_systems_clock_passes_by_itself(hub_server: LiveHub) -> None:
    """On the system's clock a generation takes its time in earnest, and nobody can move it."""
    with hub_server.new_hub(clock=SystemClock()) as hub:
        before = hub.server.call(lambda: hub.backend.clock.now())
        assert hub.generate({"prompt": "[[duration=30ms]]"}).status_code == 200
        assert hub.server.call(lambda: hub.backend.clock.now()) - before >= 30
        with pytest.raises(MockhubError, match="is the system's"):
            hub.server.call(hub.backend.advance_to_next_event)


def test_time_does_not_run_backwards() -> None:
    """A manual clock moves on or stands; going back is refused with both times."""
    clock = ManualClock(PUBLISHED)
    clock.advance(0)
    with pytest.raises(MockhubError, match="cannot go back to 2026-04-30T07:59:59.999Z"):
        clock.advance(-1)
    assert clock.now() == PUBLISHED


@given(st.integers(0, parse_timestamp("9999-12-31T23:59:59.999Z")))
def test_times_are_written_and_read_exactly(moment: int) -> None:
    """A moment that is written reads back to the millisecond (GEN-8)."""
    assert moment == parse_timestamp(format_timestamp(moment))


@pytest.mark.parametrize(
    "text", ["", "now", "2026-04-30", "2026-04-30T08:00:00", "1777536000", "x"]
)
def test_a_time_has_a_zone(text: str) -> None:
    """What is no moment in time is refused with an example."""
    with pytest.raises(MockhubError, match="expected one such as"):
        parse_timestamp(text)


def test_the_server_goes_down_while_somebody_waits() -> None:
    """A request that is held ends when the server does, and the server with it."""
    with ThreadPoolExecutor(1) as pool, serve_hub(clock=ManualClock(PUBLISHED, mode="hold")) as hub:
        headers = {"Authorization": f"Bearer {KEY}"}
        body = {**BODY, "prompt": "[[never]]"}
        where = f"{hub.url}/api/v1/images/generations"
        answer = pool.submit(httpx.post, where, json=body, headers=headers, timeout=30)
        while hub.credits() == 120:
            pass
    assert isinstance(answer.exception(10), httpx.HTTPError)
