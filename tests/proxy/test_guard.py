"""The guard: a budget that holds, and no request that is paid twice."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub.domain.clock import ManualClock
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.guard import Guard
from mockhub.proxy.guard_state import StateFile
from mockhub.proxy.report import summary
from tests.proxy.support import LiveProxy, start_proxy, wait_until
from tests.support.live_server import BODY, KEY, PNG, PUBLISHED, RICH, LiveHub, read_spec
from tests.support.scripted_server import Request, Response, json_response, scripted_server

SPEC = read_spec(resource_path("openapi.yaml"))


@contextmanager
def guarded(upstream: LiveHub, **options: Any) -> Iterator[LiveProxy]:
    """Start a proxy with a guard; `file` is a path."""
    file = options.pop("file", None)
    guard = Guard(SPEC, "target", file=StateFile(file), **options)
    with start_proxy(upstream.url + "/api/v1", guard=guard) as proxy:
        yield proxy


def status(proxy: LiveProxy) -> dict[str, object]:
    return proxy.server.call(proxy.api.guard.state.as_json)


def test_requests_beyond_the_budget_are_rejected(upstream: LiveHub) -> None:
    """The 402 is the documented one, has a header of its own, and reaches no upstream."""
    with guarded(upstream, budget=24) as proxy:
        assert [proxy.generate({"prompt": str(n)}).status_code for n in range(4)] == [200] * 3 + [
            402
        ]
        rejected = proxy.generate({})
        assert rejected.headers["x-mockhub-guard"] == "budget"
        assert rejected.json()["error"]["code"] == "insufficientCredits"
        assert "24 credits" in rejected.json()["error"]["message"]
        assert proxy.get("credits").json()["credits"] == 96
        assert status(proxy)["spent"] == 24
        assert status(proxy)["left"] == 0
    assert upstream.credits() == 96


def test_concurrent_requests_do_not_overspend(upstream: LiveHub) -> None:
    """The price is reserved before a request is sent."""
    with guarded(upstream, budget=40) as proxy, ThreadPoolExecutor(8) as threads:
        responses = threads.map(
            lambda n: proxy.generate({"prompt": str(n)}, RICH).status_code, range(16)
        )
        assert sorted(responses) == [200] * 5 + [402] * 11
    assert upstream.credits(RICH) == 1_000_000 - 40


def test_what_is_not_charged_is_released(upstream: LiveHub) -> None:
    """Errors and failed images give the budget back; an asynchronous one when a poll shows it."""
    with guarded(upstream, budget=24) as proxy:
        assert proxy.generate({"prompt": "[[fail]]", "n": 3}).status_code == 500
        assert proxy.generate({"n": 3}, "gih_live_wrong").status_code == 401
        assert status(proxy)["spent"] == 0
        created = proxy.generate({"async": True, "n": 3, "prompt": "[[fail polls=1]]"}).json()
        assert status(proxy)["spent"] == 24
        assert proxy.generate({}).status_code == 402
        proxy.get(f"generations/{created['id']}")
        assert status(proxy)["spent"] == 0
        assert proxy.generate({"n": 3, "prompt": "[[deliver=1]]"}).status_code == 200
        assert (status(proxy)["spent"], status(proxy)["unconfirmed"]) == (8, 0)


def test_request_without_a_known_price_counts_as_the_dearest(upstream: LiveHub) -> None:
    """What may cost anything passes only if the budget allows for it; a 400 costs nothing."""
    with guarded(upstream, budget=24) as proxy:
        assert proxy.generate({"model": "new"}).status_code == 402
        assert "model" in proxy.generate({"model": "new"}).json()["error"]["message"]
        assert proxy.client.post("/api/v1/other").status_code == 402
    with guarded(upstream, budget=10_000) as proxy:
        assert proxy.generate({"model": "new"}).status_code == 400
        assert status(proxy)["spent"] == 0


def test_large_forms_are_priced_before_their_end_is_sent(upstream: LiveHub) -> None:
    """Fields behind megabytes of files count, and the upstream charges nothing."""
    files = [("reference_image", ("a.png", PNG + bytes(3_000_000), "image/png"))]
    fields = {"model": "gpt-image-2", "prompt": "A", "size": "1024x1024", "n": "4"}
    parts = files + [(name, (None, value)) for name, value in fields.items()]
    with guarded(upstream, budget=24) as proxy:
        assert proxy.generate(files=parts).status_code == 402
    assert upstream.credits() == 120
    with guarded(upstream, budget=32) as proxy:
        assert proxy.generate(files=parts).status_code == 200
    assert upstream.credits() == 120 - 32


def lose(proxy: LiveProxy, fault: str = "reset@after", **options: Any) -> None:
    """Send a request whose response is lost on the way."""
    with suppress(httpx.TransportError):
        proxy.generate({}, headers={"X-Mockhub": fault}, **options)


@pytest.mark.parametrize("fault", ["reset@after", "truncate", "corrupt", "status=503@after"])
def test_repeat_after_a_lost_response_is_held_back(upstream: LiveHub, fault: str) -> None:
    """A retry gets 409 and is not paid again; another request, or another key, passes."""
    with guarded(upstream) as proxy:
        lose(proxy, fault)
        repeat = proxy.generate({})
        assert (repeat.status_code, repeat.json()["error"]["code"]) == (409, "repeatHeldBack")
        assert repeat.headers["x-mockhub-guard"] == "repeat"
        assert upstream.credits() == 112
        assert proxy.generate({"prompt": "Another"}).status_code == 200
        assert proxy.generate({}, RICH).status_code == 200


def test_repeat_can_get_the_response_to_the_first(upstream: LiveHub) -> None:
    """With `replay` the retry gets what was lost; the next request is a new one."""
    with guarded(upstream, repeats="replay") as proxy:
        lose(proxy)
        repeat = proxy.generate({})
        assert repeat.status_code == 200
        assert repeat.headers["x-mockhub-guard"] == "replayed"
        assert repeat.json()["balance"]["credits"] == 112
        assert upstream.credits() == 112
        assert proxy.generate({}).json()["id"] != repeat.json()["id"]
        assert upstream.credits() == 104


def test_repeat_of_a_form_is_recognized(upstream: LiveHub) -> None:
    """The boundary differs, the fields and files are the same."""
    with guarded(upstream) as proxy:
        options = {
            "data": BODY,
            "files": {"reference_image": ("a.png", PNG, "image/png")},
        }
        with suppress(httpx.TransportError):
            proxy.generate(headers={"X-Mockhub": "reset@after"}, **options)
        assert proxy.generate(**options).status_code == 409
    assert upstream.credits() == 112


def test_delivered_responses_may_be_repeated(upstream: LiveHub) -> None:
    """The same request twice is what a client may want, if it got the first response."""
    with guarded(upstream) as proxy:
        assert [proxy.generate({}).status_code for _ in range(2)] == [200, 200]
    with guarded(upstream, repeats="allow") as proxy:
        lose(proxy)
        assert proxy.generate({}).status_code == 200
    assert upstream.credits() == 120 - 4 * 8


def test_window_ends(upstream: LiveHub) -> None:
    clock = ManualClock(PUBLISHED, mode="hold")
    with guarded(upstream, clock=clock, repeat_window=60_000) as proxy:
        lose(proxy)
        assert proxy.generate({}).status_code == 409
        proxy.server.call(lambda: clock.advance(61_000))
        assert proxy.generate({}).status_code == 200
        assert status(proxy)["spent"] == 16


def test_client_that_gives_up_pays_once(upstream: LiveHub) -> None:
    """The upstream's response is awaited after the client has left, and its retry gets it."""
    with guarded(upstream, repeats="replay") as proxy:
        send_and_leave(proxy, lambda: upstream.credits() == 112, "delay=1h@after")
        wait_until(proxy.exchanges)
        assert proxy.generate({}).headers["x-mockhub-guard"] == "replayed"
    assert upstream.credits() == 112


@contextmanager
def paused_service() -> Iterator[tuple[str, Event, Event, list[Request]]]:
    """Serve one response, a failure, when the second event is set; the first one is a request."""
    has_arrived, may_respond = Event(), Event()
    requests: list[Request] = []

    def reply(request: Request) -> Response:
        requests.append(request)
        has_arrived.set()
        may_respond.wait(30)
        error = {"message": "No provider was free", "code": "generationFailed"}
        return json_response({"error": error}, 500)

    with scripted_server(reply) as url:
        try:
            yield url, has_arrived, may_respond, requests
        finally:
            may_respond.set()


def send_and_leave(proxy: LiveProxy, has_arrived: Callable[[], bool], fault: str = "") -> None:
    """Send a generation request, and disconnect as soon as *has_arrived* returns True."""
    request = httpx.Request("POST", proxy.url + "/api/v1/images/generations", json=BODY)
    fields = [*request.headers.items(), *([("X-Mockhub", fault)] if fault else [])]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    port = int(proxy.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        start = f"POST /api/v1/images/generations HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n"
        connection.sendall(f"{start}{head}\r\n".encode() + request.content)
        wait_until(has_arrived)


def test_repeat_while_the_first_request_runs_is_held_back() -> None:
    """The client has left, and the service still works on its request."""
    with (
        paused_service() as (url, has_arrived, may_respond, requests),
        start_proxy(url, guard=Guard(SPEC, url)) as proxy,
    ):
        send_and_leave(proxy, has_arrived.is_set)
        wait_until(lambda: status(proxy)["lost_responses"] == 1)
        assert proxy.generate({}).status_code == 409
        may_respond.set()
        wait_until(lambda: status(proxy)["spent"] == 0)
        assert len(requests) == 1


def test_request_of_a_client_that_has_left_is_not_sent() -> None:
    """A repeat that waits for the first response is not sent if its own client has left too."""
    guard = Guard(SPEC, "target", repeats="replay")
    admit, is_repeated = guard.admit, Event()

    async def admit_repeat(context: ProxyContext) -> None:
        is_repeated.set()
        await admit(context)

    with (
        paused_service() as (url, has_arrived, may_respond, requests),
        start_proxy(url, guard=guard) as proxy,
    ):
        send_and_leave(proxy, has_arrived.is_set)
        guard.admit = admit_repeat  # type: ignore[method-assign]
        wait_until(lambda: status(proxy)["lost_responses"] == 1)
        send_and_leave(proxy, is_repeated.is_set)
        may_respond.set()
        wait_until(lambda: len(proxy.exchanges()) == 2)
        assert len(requests) == 1
        assert status(proxy)["spent"] == 0


def test_repeat_of_a_request_that_was_not_charged_is_sent() -> None:
    """With `replay` it waits for the response to the first one, which costs nothing."""
    with (
        paused_service() as (url, has_arrived, may_respond, requests),
        start_proxy(url, guard=Guard(SPEC, url, repeats="replay")) as proxy,
        ThreadPoolExecutor(1) as threads,
    ):
        send_and_leave(proxy, has_arrived.is_set)
        wait_until(lambda: status(proxy)["lost_responses"] == 1)
        repeat = threads.submit(proxy.generate, {})
        may_respond.set()
        assert repeat.result(30).json()["error"]["code"] == "generationFailed"
        assert len(requests) == 2
        assert status(proxy)["spent"] == 0


def test_errors_that_are_not_the_apis_may_have_cost_something() -> None:
    """A 502 of something else counts as spent, unconfirmed, and is not sent again."""
    error = {"error": {"message": "Bad gateway", "code": "gateway"}}
    clock = ManualClock(PUBLISHED, mode="hold")
    with (
        scripted_server(lambda request: json_response(error, 502)) as url,
        start_proxy(url, guard=Guard(SPEC, url, budget=16, repeats="replay", clock=clock)) as proxy,
    ):
        lose(proxy)
        assert (status(proxy)["spent"], status(proxy)["unconfirmed"]) == (8, 8)
        assert status(proxy)["running"] == 0
        repeat = proxy.generate({})
        assert (repeat.status_code, repeat.json()["error"]["code"]) == (409, "repeatHeldBack")
        assert proxy.generate({"n": 2}).status_code == 402
        proxy.server.call(lambda: clock.advance(901_000))
        assert proxy.generate({"n": 2}).status_code == 402
        assert (status(proxy)["spent"], status(proxy)["unconfirmed"]) == (8, 8)
        assert status(proxy)["lost_responses"] == 0


def test_window_ends_for_a_task_that_is_never_polled(upstream: LiveHub) -> None:
    """Its price stays reserved, but the same request may be sent again."""
    clock = ManualClock(PUBLISHED, mode="hold")
    with guarded(upstream, clock=clock, repeat_window=60_000) as proxy:
        for _ in range(2):
            with suppress(httpx.TransportError):
                proxy.generate({"async": True}, headers={"X-Mockhub": "reset@after"})
            assert proxy.generate({"async": True}).status_code == 409
            proxy.server.call(lambda: clock.advance(61_000))
        assert proxy.generate({"async": True}).status_code == 202
        assert (status(proxy)["spent"], status(proxy)["running"]) == (24, 3)


def test_purchases_that_have_ended_are_summed_up(upstream: LiveHub) -> None:
    """Memory and file do not grow with the requests of a day."""
    with guarded(upstream) as proxy:
        for number in range(5):
            assert proxy.generate({"prompt": str(number)}).status_code == 200
        assert proxy.server.call(lambda: len(proxy.api.guard.state.purchases)) == 1
        assert (status(proxy)["spent"], status(proxy)["unconfirmed"]) == (40, 0)
        assert summary(proxy.api).startswith("5 exchanges, 0 violations, 0 warnings, 40 credits")
