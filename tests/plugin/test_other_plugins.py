"""The plugin works beside other plugins, patched names and proxies of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pytest_sessions import session

PATCHED_SLEEP = """
import asyncio, time
from unittest import mock
import mockhub as package
import pytest

async def at_once(*_): pass

@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(asyncio, "sleep", at_once)

@pytest.mark.parametrize("number", range(2))
def test_function_fixture(mockhub, number):
    time.sleep(0.15)  # until the server's next tick
    assert mockhub.client(timeout=3).get("/credits").status_code == 200

def test_running():
    with mock.patch("asyncio.sleep"), package.running(credits=8) as hub:
        time.sleep(0.15)
        client = hub.client(timeout=3)
        assert client.get("/credits").status_code == 200
"""


def test_patched_sleep_does_not_stop_the_server(tmp_path: Path) -> None:
    """The server's thread uses no name that a test may patch."""
    result = session(tmp_path, PATCHED_SLEEP, "-q", timeout=60)
    assert result.counts == {"passed": 3}, result.output


PROXIED = """
import urllib.request
import httpx, openai

def test_sdk(mockhub_env):
    client = openai.OpenAI(max_retries=0, timeout=5)
    assert client.images.generate(model="gpt-image-2", prompt="A cat").usage.credits == 8

def test_clients(mockhub):
    assert httpx.get(mockhub.base_url + "/models", timeout=5).status_code == 200
    assert urllib.request.urlopen(mockhub.base_url + "/models", timeout=5).status == 200
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "intra.example"},
        {"http_proxy": "http://127.0.0.1:9", "NO_PROXY": "*", "no_proxy": "*"},
    ],
)
def test_clients_reach_their_hub_without_the_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options = ("--mockhub-allow-live",) if "*" in environment.values() else ()
    result = session(tmp_path, PROXIED, "-q", *options)
    assert result.counts == {"passed": 2}, result.output


SOCKETS = """
import socket
import pytest
from mockhub import ASGI

def test_hub(mockhub):
    assert mockhub.client().get("/credits").status_code == 200
    assert mockhub.url.startswith("http://127.0.0.1")
    with pytest.raises(RuntimeError, match="192.0.2.1"):
        socket.create_connection(("192.0.2.1", 80), 1)

@pytest.mark.asyncio
async def test_in_process():
    async with ASGI(credits=8).hub.async_client() as client:
        assert (await client.get("/credits")).status_code == 200
"""


def test_hub_is_reached_with_blocked_sockets_and_allowed_hosts(tmp_path: Path) -> None:
    """pytest-socket blocks every other host."""
    options = ("--disable-socket", "--allow-hosts=127.0.0.1,localhost")
    result = session(tmp_path, SOCKETS, "-q", *options, plugins=("asyncio", "pytest_socket"))
    assert (result.code, result.counts["passed"]) == (0, 2), result.output


def test_blocked_sockets_are_an_error_that_names_the_option(tmp_path: Path) -> None:
    """The message says what pytest-socket has to allow; `mockhub.ASGI` needs no host."""
    options = ("--disable-socket", "--allow-unix-socket")
    result = session(tmp_path, SOCKETS, "-q", *options, plugins=("asyncio", "pytest_socket"))
    counts = result.counts
    assert (counts["error"], counts["passed"]) == (1, 1), result.output
    assert "run pytest with --allow-hosts=127.0.0.1,localhost" in result.output
