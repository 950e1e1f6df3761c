"""Hubs are isolated: under xdist, and in threads on one server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mockhub.testing.server import HubServer
from tests.conftest import Serve
from tests.support.pytest_sessions import session

IN_WORKERS = """
import os, httpx, pytest

URL = os.environ["MOCKHUB_URL"]

@pytest.fixture(scope="session")
def client():
    with httpx.Client(timeout=60) as client:
        yield client

@pytest.mark.parametrize("number", range(150))
def test_alone(mockhub, client, number):
    mockhub.account.grant(number)
    headers = {"Authorization": f"Bearer {mockhub.key}"}
    body = {"model": "gpt-image-2", "prompt": f"Number {number}", "n": 1 + number % 4}
    base_url = mockhub.base_url if number % 2 else f"{mockhub.server_url}/api/v1"
    response = client.post(f"{base_url}/images/generations", json=body, headers=headers).json()
    spent = 8 * (1 + number % 4)
    assert 120 + number - spent == response["balance"]["credits"] == mockhub.account.credits
    mockhub.assert_generated(prompt=f"Number {number}", times=1)
    mockhub.assert_spent(spent)
    assert len(mockhub.journal) == 1

@pytest.mark.parametrize("number", range(150))
def test_on_one_server(client, number):
    made = client.post(f"{URL}/_mockhub/hubs", json={"credits": 100 + number}).json()
    name, headers = made["hub"]["name"], {"Authorization": f"Bearer {made['key']}"}
    base_url = made["hub"]["base_url"] if number % 2 else f"{URL}/api/v1"
    body = {"model": "gpt-image-2", "prompt": f"Number {number}"}
    client.post(f"{base_url}/images/generations", json=body, headers=headers)
    balance = client.get(f"{base_url}/credits", headers=headers).json()
    assert balance["credits"] == 92 + number
    logs = client.get(f"{URL}/_mockhub/hubs/{name}/generations").json()["generations"]
    assert [log["prompt"] for log in logs] == [f"Number {number}"]
    assert 200 <= client.delete(f"{URL}/_mockhub/hubs/{name}").status_code < 300
"""


def test_tests_in_four_workers_are_isolated(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sees only its own credits, prompt and journal, by its URL or by its key alone.

    150 tests have a hub on the server of their worker, and 150 create one on the same server.
    """
    with serve("--control") as server:
        monkeypatch.setenv("MOCKHUB_URL", server.url)
        result = session(tmp_path, IN_WORKERS, "-n", "4", "-q", plugins=("xdist",))
        hubs = httpx.get(f"{server.url}/_mockhub/hubs").json()["hubs"]
    assert result.counts == {"passed": 300}, result.output
    assert [hub["name"] for hub in hubs] == ["default"]


def test_64_threads_on_one_server_are_isolated() -> None:
    """150 hubs are created, used and deleted by 64 threads."""
    limits = httpx.Limits(max_connections=64)
    with HubServer() as server, httpx.Client(limits=limits, timeout=60) as client:

        def use_hub(number: int) -> tuple[int, int, int]:
            with server.create_hub(credits=100 + number, name="same") as hub:
                headers = {"Authorization": f"Bearer {hub.key}"}
                body = {"model": "gpt-image-2", "prompt": str(number)}
                base_url = hub.base_url if number % 2 else f"{server.url}/api/v1"
                client.post(f"{base_url}/images/generations", json=body, headers=headers)
                hub.assert_generated(prompt=str(number), times=1)
                hub.assert_no_spec_violations()
                return hub.account.credits, hub.credits_spent, len(hub.journal)

        with ThreadPoolExecutor(64) as pool:
            values = list(pool.map(use_hub, range(150)))
        assert values == [(92 + number, 8, 1) for number in range(150)]
        assert [hub.name for hub in server.hub_registry] == ["default"]
