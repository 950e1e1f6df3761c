"""Hubs without pytest's fixtures."""

from __future__ import annotations

import asyncio
import doctest
import unittest
from importlib import import_module

import httpx
import pytest
from starlette.testclient import TestClient

import mockhub
from mockhub import ASGI, MockhubError, running

CAT = {"model": "gpt-image-2", "prompt": "A cat", "size": "1024x1024"}


def test_running_serves_until_the_block_ends() -> None:
    """A hub can be asked within the block, and its journal after it."""
    with running(credits=8) as hub:
        assert hub.client().post("/images/generations", json=CAT).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(hub.url)
    assert [one.status for one in hub.journal] == [200]
    hub.assert_spent(8)


def test_running_fails_for_a_breach_of_the_law() -> None:
    """Books that do not agree fail the block."""
    with pytest.raises(AssertionError, match="internal mockhub error"), running() as hub:
        hub._backend.accounts[hub.account.id].balance += 1
        hub.client().get("/credits")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"credit": 1}, "mockhub.running: 'credit' is not an option; did you mean 'credits'"),
        ({"credits": -1}, "mockhub.running: credits=-1: expected a whole number from 0"),
        ({"credits": True}, "credits=True: expected a whole number"),
        ({"clock": "hld"}, "clock='hld': 'hld' is no clock; did you mean 'hold'"),
        ({"clock": 5}, "clock=5: expected a text such as 'hold'"),
        ({"seed": "x"}, "seed='x': expected a whole number"),
        ({"scenario": 3}, "scenario=3: expected the name of a scenario, or a YAML file"),
        ({"provider": "reset"}, "provider='reset': 'reset' is not a provider outcome"),
        ({"faults": 7}, "faults=7: expected directives such as 'reset@after'"),
    ],
)
def test_mistakes_in_options_are_explained(options: dict[str, object], told: str) -> None:
    """The error names the door, the option, its value and what is allowed."""
    with pytest.raises(MockhubError) as caught, running(**options):  # type: ignore[arg-type]
        pass
    assert told in str(caught.value)


async def ask(app: ASGI) -> int:
    async with app.hub.async_client() as client:
        answer = await client.post("/images/generations", json=CAT)
    status: int = answer.status_code
    return status


@pytest.mark.asyncio
async def test_asgi_needs_no_socket() -> None:
    """In process the same API answers, and the same claims hold."""
    app = ASGI(credits=8)
    assert [await ask(app) for _ in range(2)] == [200, 402]
    app.hub.assert_generated(prompt="A cat", times=1)
    app.hub.assert_spent(8)
    app.hub.assert_no_spec_violations()


@pytest.mark.asyncio
async def test_a_fault_in_process_is_an_exception() -> None:
    """Where there is no connection to break, the client sees the reset as an exception."""
    app = ASGI(faults="reset@after x1")
    with pytest.raises(ConnectionResetError):
        await ask(app)
    app.hub.assert_spent(8)


@pytest.mark.asyncio
async def test_a_held_request_in_process_ends_when_time_passes() -> None:
    """The clock of a hub in process lets a request go that waits in the same loop."""
    app = ASGI(clock="hold", provider="duration=30s")
    answer = asyncio.create_task(ask(app))
    while not app.hub.generations:
        await asyncio.sleep(0)
    assert app.hub.account.credits == 112
    app.hub.clock.advance("30s")
    assert await asyncio.wait_for(answer, 10) == 200


def test_asgi_works_with_starlettes_test_client() -> None:
    """Starlette's TestClient is the synchronous client in process."""
    app = ASGI()
    headers = {"Authorization": f"Bearer {app.hub.key}"}
    with TestClient(app, headers=headers) as client:
        assert client.get("/api/v1/credits").json()["credits"] == 120


def test_asgi_has_no_synchronous_client_of_its_own() -> None:
    """The error names the three ways there are."""
    with pytest.raises(MockhubError, match=r"async_client\(\), Starlette's TestClient, or mockhub"):
        ASGI().hub.client()


def test_two_asgi_worlds_are_apart() -> None:
    """Each has its own hub."""
    one, two = ASGI(credits=1), ASGI(credits=2)
    assert (one.hub.account.credits, two.hub.account.credits) == (1, 2)


class TestInUnittest(unittest.TestCase):
    """A hub in a TestCase."""

    def setUp(self) -> None:
        self.hub = self.enterContext(running(credits=8))

    def test_it_generates(self) -> None:
        """`enterContext` gives a hub to each test."""
        self.hub.client().post("/images/generations", json=CAT)
        self.hub.assert_generated(prompt="A cat")


def test_the_public_names_are_what_all_says() -> None:
    """`mockhub` offers these names, sorted, and each can be had; no other."""
    assert sorted(mockhub.__all__) == mockhub.__all__
    assert set(mockhub.__all__) <= set(dir(mockhub))
    assert all(getattr(mockhub, name) for name in mockhub.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Hbu'"):
        mockhub.Hbu  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("module", ["mockhub.testing.standalone", "mockhub.testing.hub"])
def test_the_docstrings_examples_run(module: str) -> None:
    """Each example gives what it says."""
    failed, tried = doctest.testmod(import_module(module), extraglobs={"mockhub": mockhub})
    assert failed == 0
    assert tried > 0
