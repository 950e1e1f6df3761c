"""Hubs without pytest's fixtures."""

from __future__ import annotations

import asyncio
import doctest
import unittest
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import anyio
import httpx
import pytest
import trio
from starlette.testclient import TestClient

import mockhub
from mockhub import ASGI, MockhubError, running
from mockhub.domain.hub import HubBackend

CAT = {"model": "gpt-image-2", "prompt": "A cat", "size": "1024x1024"}


def test_running_serves_until_the_end_of_the_block() -> None:
    """The journal of the hub can be read afterwards."""
    with running(credits=8) as hub:
        assert hub.client().post("/images/generations", json=CAT).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(hub.url)
    assert [one.status for one in hub.journal] == [200]
    hub.assert_spent(8)


def test_running_raises_for_a_failed_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubBackend, "audit", lambda hub: ["the balance is not the sum"])
    message = "internal mockhub error, please report it:\n  the balance is not the sum"
    with pytest.raises(AssertionError, match=message), running() as hub:
        hub.client().get("/credits")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"credit": 1}, "mockhub.running: 'credit' is not an option; did you mean 'credits'"),
        (
            {"credits": -1},
            "mockhub.running: credits: -1 is not valid; expected a whole number",
        ),
        ({"credits": True}, "credits: true is not valid; expected a whole number"),
        ({"clock": "hld"}, "clock: unknown clock 'hld'; did you mean 'hold'"),
        ({"clock": 5}, "clock: 5 is not valid; expected a string such as 'hold'"),
        ({"seed": "x"}, 'seed: "x" is not valid; expected a whole number'),
        ({"credits": 2**53}, "expected a whole number from 0 to 9007199254740991"),
        ({"seed": 2**53}, "expected a whole number from -9007199254740991 to 9007199254740991"),
        ({"clock": "9999-12-31T23:59:59-01:00"}, "is out of range; expected a year from 1 to 9999"),
        ({"clock": "2026-02-30T00:00:00Z"}, "expected one such as 2026-04-30T08:00:00Z; or expe"),
        (
            {"scenario": 3},
            "scenario: 3 is not valid; expected the name of a scenario, or the path of a YAML file",
        ),
        ({"provider": "reset"}, "provider: 'reset' is not a provider outcome"),
        ({"credits": 1.0}, "credits: 1.0 is not valid"),
        (
            {"clock": datetime(2026, 4, 30, tzinfo=UTC)},
            "clock: not JSON: Unsupported type",
        ),
        ({"faults": 7}, "faults: 7 is not valid; expected a string such as 'reset@after'"),
    ],
)
def test_invalid_options_are_explained(options: dict[str, object], message: str) -> None:
    """The error names the function, the option, its value and what is allowed."""
    with pytest.raises(MockhubError) as caught, running(**options):  # type: ignore[arg-type]
        pass
    assert message in str(caught.value)


async def post_generation(app: ASGI) -> int:
    async with app.hub.async_client() as client:
        response = await client.post("/images/generations", json=CAT)
    return response.status_code


@pytest.mark.asyncio
async def test_asgi_works_in_process() -> None:
    """The same API and the same assertions work without a socket."""
    app = ASGI(credits=8)
    assert [await post_generation(app) for _ in range(2)] == [200, 402]
    app.hub.assert_generated(prompt="A cat", times=1)
    app.hub.assert_spent(8)
    app.hub.assert_no_spec_violations()


FAULTS: Any = [
    ("reset@after", httpx.ReadError),
    ("reset@after", ConnectionResetError),
    ("truncate", httpx.RemoteProtocolError),
    ("hang@after", httpx.ReadTimeout),
]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_faults_in_process_raise_the_errors_of_httpx(
    backend: str, fault: str, error: type[Exception]
) -> None:
    """The client sees what it would see of a server; the credits are charged."""

    async def lose_a_response() -> None:
        app = ASGI(faults=f"{fault} x1")
        timeout = 1 if error is httpx.ReadTimeout else 30
        async with app.hub.async_client(timeout=timeout) as client:
            with pytest.raises(error):
                await client.post("/images/generations", json=CAT)
        app.hub.assert_spent(8)

    anyio.run(lose_a_response, backend=backend)


def test_asgi_works_under_trio() -> None:
    """Requests that wait for the clock run beside each other, and the test moves the clock."""

    async def scene() -> None:
        app = ASGI(clock="hold", provider="duration=30s", credits=16)
        statuses: list[int] = []

        async def post() -> None:
            statuses.append(await post_generation(app))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(post)
            nursery.start_soon(post)
            with trio.fail_after(30):
                while len(app.hub.generations) < 2:
                    await trio.sleep(0.01)
            app.hub.clock.advance("30s")
        assert (statuses, app.hub.account.credits) == ([200, 200], 0)
        app.hub.assert_no_spec_violations()

    trio.run(scene)


@pytest.mark.asyncio
async def test_advance_completes_a_held_request_in_process() -> None:
    """The clock can be moved in the event loop in which the request waits."""
    app = ASGI(clock="hold", provider="duration=30s")
    response = asyncio.create_task(post_generation(app))
    while not app.hub.generations:
        await asyncio.sleep(0)
    assert app.hub.account.credits == 112
    app.hub.clock.advance("30s")
    assert await asyncio.wait_for(response, 10) == 200


def test_asgi_works_with_starlettes_test_client() -> None:
    app = ASGI()
    headers = {"Authorization": f"Bearer {app.hub.key}"}
    with TestClient(app, headers=headers) as client:
        assert client.get("/api/v1/credits").json()["credits"] == 120


def test_asgi_has_no_synchronous_client() -> None:
    """The error names the three alternatives."""
    with pytest.raises(MockhubError, match=r"async_client\(\), Starlette's TestClient, or mockhub"):
        ASGI().hub.client()


def test_two_asgi_applications_are_isolated() -> None:
    one, two = ASGI(credits=1), ASGI(credits=2)
    assert (one.hub.account.credits, two.hub.account.credits) == (1, 2)


class TestUnittest(unittest.TestCase):
    def setUp(self) -> None:
        self.hub = self.enterContext(running(credits=8))

    def test_generates(self) -> None:
        self.hub.client().post("/images/generations", json=CAT)
        self.hub.assert_generated(prompt="A cat")


def test_all_is_sorted_and_complete() -> None:
    assert sorted(mockhub.__all__) == mockhub.__all__
    assert set(mockhub.__all__) <= set(dir(mockhub))
    assert all(getattr(mockhub, name) for name in mockhub.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Hbu'"):
        mockhub.Hbu  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("module", ["mockhub.testing.standalone", "mockhub.testing.hub"])
def test_examples_in_docstrings_run(module: str) -> None:
    failed, tried = doctest.testmod(import_module(module), extraglobs={"mockhub": mockhub})
    assert failed == 0
    assert tried > 0
