"""The plugin works beside plugins that replace transports, clocks and files, or repeat tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pytest_sessions import session

TRANSPORTS = """
import httpx, pytest, requests, requests_mock, responses, respx, vcr

CAT = {"model": "gpt-image-2", "prompt": "A cat"}

@pytest.mark.httpx_mock(should_mock=lambda request: request.url.host != "127.0.0.1")
def test_pytest_httpx(mockhub, httpx_mock):
    httpx_mock.add_response(url="https://other.example/", text="mocked")
    assert httpx.get("https://other.example/").text == "mocked"
    assert mockhub.client().post("/images/generations", json=CAT).status_code == 200
    mockhub.assert_spent(8)

def test_respx(mockhub, respx_mock):
    respx_mock.get("https://other.example/").respond(text="mocked")
    respx_mock.route(host="127.0.0.1").pass_through()
    assert httpx.get("https://other.example/").text == "mocked"
    assert mockhub.client().get("/credits").status_code == 200

@responses.activate
def test_responses(mockhub):
    responses.get("https://other.example/", body="mocked")
    responses.add_passthru("http://127.0.0.1")
    assert requests.get("https://other.example/").text == "mocked"
    assert requests.get(mockhub.base_url + "/models").status_code == 200

def test_requests_mock(mockhub):
    with requests_mock.Mocker(real_http=True) as mocker:
        mocker.get("https://other.example/", text="mocked")
        assert requests.get("https://other.example/").text == "mocked"
        assert requests.get(mockhub.base_url + "/models").status_code == 200

def test_vcrpy(mockhub, tmp_path):
    cassette = tmp_path / "cassette.yaml"
    headers = {"Authorization": f"Bearer {mockhub.key}"}
    recorder = vcr.VCR(match_on=["method", "path"], filter_headers=["authorization"])
    for _ in range(2):
        with recorder.use_cassette(str(cassette)):
            requests.post(mockhub.base_url + "/images/generations", json=CAT, headers=headers)
    assert mockhub.request_count == 1  # the second response is the cassette's
    assert mockhub.key not in cassette.read_text()
    with vcr.VCR(ignore_localhost=True).use_cassette(str(cassette)):
        mockhub.client().get("/credits")
    assert mockhub.request_count == 2
"""

TIME_AND_FILES = """
from datetime import datetime
from pathlib import Path
import freezegun, time_machine

CAT = {"model": "gpt-image-2", "prompt": "A cat"}

@freezegun.freeze_time("2020-01-01")
def test_freezegun(mockhub):
    assert datetime.now().year == 2020
    mockhub.client().post("/images/generations", json=CAT).raise_for_status()
    assert mockhub.journal[0].timestamp.year == 2026  # the hub has its own clock

@time_machine.travel("2020-01-01", tick=False)
def test_time_machine(mockhub):
    assert datetime.now().year == 2020
    mockhub.client().post("/images/generations", json=CAT).raise_for_status()
    assert mockhub.journal[0].timestamp.year == 2026

def test_pyfakefs(mockhub, fs):
    assert not Path(__file__).exists()
    made = mockhub.client().post("/images/generations", json=CAT).json()
    Path("/cat.png").write_bytes(mockhub.images(made["id"])[0])
    assert Path("/cat.png").read_bytes()[:4] == b"\\x89PNG"
"""

REPEATED = """
import hypothesis, httpx, pytest
from hypothesis import given, settings, strategies

CAT = {"model": "gpt-image-2", "prompt": "A cat"}
runs = []

def test_rerun_gets_a_new_hub(mockhub):
    runs.append(mockhub.name)
    client = mockhub.client()
    assert client.post("/images/generations", json=CAT).status_code == 200
    mockhub.assert_spent(8)
    assert len(set(runs)) == 2

@settings(max_examples=5, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@given(n=strategies.integers(1, 4))
def test_factory_in_every_example(mockhub_factory_of_session, n):
    with mockhub_factory_of_session(credits=32) as hub:
        hub.client().post("/images/generations", json={**CAT, "n": n})
        hub.assert_spent(8 * n)

@settings(max_examples=5, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@given(n=strategies.integers(1, 4))
def test_reset_in_every_example(mockhub, n):
    mockhub.reset()
    mockhub.client().post("/images/generations", json={**CAT, "n": n})
    mockhub.assert_spent(8 * n)

@pytest.fixture(scope="session")
def mockhub_factory_of_session(mockhub_server):
    return mockhub_server.create_hub

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_async_client(mockhub, anyio_backend):
    async with mockhub.async_client() as client:
        assert (await client.post("/images/generations", json=CAT)).status_code == 200
    mockhub.assert_spent(8)
"""


@pytest.mark.parametrize(
    ("source", "plugins", "options", "passed"),
    [
        (TRANSPORTS, ("pytest_httpx", "respx", "requests_mock"), (), 5),
        (TIME_AND_FILES, ("time_machine", "fakefs"), (), 3),
        (REPEATED, ("rerunfailures", "anyio", "hypothesispytest"), ("--reruns=1",), 5),
    ],
    ids=["transports", "time-and-files", "repeated"],
)
def test_other_plugins(
    tmp_path: Path, source: str, plugins: tuple[str, ...], options: tuple[str, ...], passed: int
) -> None:
    result = session(tmp_path, source, "-q", *options, plugins=plugins)
    assert result.counts["passed"] == passed, result.output
    assert result.code == 0, result.output


SHARED = """
import pytest

pytestmark = pytest.mark.mockhub(credits=16)
CAT = {"model": "gpt-image-2", "prompt": "A cat"}

@pytest.fixture(scope="module")
def generation(mockhub_module):
    return mockhub_module.client().post("/images/generations", json=CAT).json()["id"]

def test_one(mockhub_module, generation):
    assert mockhub_module.account.credits == 8

@pytest.mark.mockhub(credits=3)
def test_own_hub(mockhub):
    assert mockhub.account.credits == 3

def test_two(mockhub_module, generation):
    assert mockhub_module.account.credits == 7
"""


def test_module_scoped_hub_is_shared(tmp_path: Path) -> None:
    """Its journal is attached to a failure, and the session report counts it once."""
    result = session(tmp_path, SHARED, "-q")
    assert result.counts == {"passed": 2, "failed": 1}, result.output
    assert "mockhub journal: test_it" in result.output
    assert "1 test, 1 exchange, 8 credits spent" in result.output


def test_marker_of_a_function_does_not_change_the_hub_of_the_module(tmp_path: Path) -> None:
    source = SHARED.replace("def test_one", "@pytest.mark.mockhub(credits=1)\ndef test_one")
    result = session(tmp_path, source, "-q", "-k", "one")
    assert "mockhub_module takes the options of the module: pytestmark" in result.output
