"""Real clients under faults: httpx, requests, the OpenAI SDK and curl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import openai
import pytest
import requests

from tests.support.live_server import BODY, KEY
from tests.support.tools import needs_curl

if TYPE_CHECKING:
    from tests.support.live_server import LiveHub

PATH = "/api/v1/images/generations"
TIMEOUT = 0.3  # seconds

# The fault; the exceptions of httpx, requests and the SDK; curl's exit code; the charged credits.
LOST_RESPONSES = [
    ("reset", httpx.ReadError, requests.ConnectionError, openai.APIConnectionError, 56, 0),
    ("reset@after", httpx.ReadError, requests.ConnectionError, openai.APIConnectionError, 56, 8),
    (
        "truncate",
        httpx.RemoteProtocolError,
        requests.exceptions.ChunkedEncodingError,
        openai.APIConnectionError,
        18,
        8,
    ),
    ("hang", httpx.ReadTimeout, requests.ReadTimeout, openai.APITimeoutError, 28, 0),
    ("hang@after", httpx.ReadTimeout, requests.ReadTimeout, openai.APITimeoutError, 28, 8),
    ("corrupt", json.JSONDecodeError, requests.JSONDecodeError, json.JSONDecodeError, 0, 8),
]
STATUS_ERRORS = [
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (502, openai.InternalServerError),
    (503, openai.InternalServerError),
    (504, openai.InternalServerError),
    (401, openai.AuthenticationError),
    (404, openai.NotFoundError),
    (402, openai.APIStatusError),
]


def send_with_httpx(hub: LiveHub, fault: str, timeout: float = 30) -> tuple[int, object]:
    headers = {"Authorization": f"Bearer {KEY}", "X-Mockhub": fault}
    response = httpx.post(hub.url + PATH, json=BODY, headers=headers, timeout=timeout)
    return response.status_code, response.json() if response.is_success else response.text


def send_with_requests(hub: LiveHub, fault: str, timeout: float = 30) -> tuple[int, object]:
    headers = {"Authorization": f"Bearer {KEY}", "X-Mockhub": fault}
    response = requests.post(hub.url + PATH, json=BODY, headers=headers, timeout=timeout)
    return response.status_code, response.json() if response.ok else response.text


def send_with_sdk(hub: LiveHub, fault: str, timeout: float = 30, *, retries: int = 0) -> object:
    client = openai.OpenAI(
        base_url=f"{hub.url}/api/v1", api_key=KEY, max_retries=retries, timeout=timeout
    )
    return client.images.generate(**BODY, extra_headers={"X-Mockhub": fault})


def send_with_curl(
    hub: LiveHub, fault: str, timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    command = ["curl", "-sS", "-m", str(timeout), "-H", f"Authorization: Bearer {KEY}"]
    command += ["-H", "Content-Type: application/json", "-H", f"X-Mockhub: {fault}"]
    command += ["-d", json.dumps(BODY), hub.url + PATH]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("client", ["httpx", "requests", "sdk"])
@pytest.mark.parametrize("row", LOST_RESPONSES, ids=lambda row: row[0])
def test_lost_response_raises_the_clients_exception(
    hub: LiveHub, row: tuple[str, type, type, type, int, int], client: str
) -> None:
    """Each client raises its own exception for reset, truncate, hang and corrupt."""
    fault, by_httpx, by_requests, by_sdk, _, cost = row
    send, error = {
        "httpx": (send_with_httpx, by_httpx),
        "requests": (send_with_requests, by_requests),
        "sdk": (send_with_sdk, by_sdk),
    }[client]
    with pytest.raises(error) as caught:
        send(hub, fault, TIMEOUT if fault.startswith("hang") else 30)
    assert type(caught.value) is error
    assert hub.credits() == 120 - cost


@needs_curl
@pytest.mark.parametrize("row", LOST_RESPONSES, ids=lambda row: row[0])
def test_lost_response_has_curls_exit_code(
    hub: LiveHub, row: tuple[str, type, type, type, int, int]
) -> None:
    """curl exits with its code for a reset (56), a truncated response (18) and a hang (28)."""
    fault, _, _, _, code, cost = row
    assert (
        send_with_curl(hub, fault, TIMEOUT if fault.startswith("hang") else 30).returncode == code
    )
    assert hub.credits() == 120 - cost


@pytest.mark.parametrize("send", [send_with_httpx, send_with_requests])
@pytest.mark.parametrize(("status", "error"), STATUS_ERRORS)
def test_status_fault_is_a_normal_response(
    hub: LiveHub, send: Callable[[LiveHub, str], tuple[int, object]], status: int, error: type
) -> None:
    """A client without an SDK gets the status and the body, of a gateway or of the API."""
    actual_status, text = send(hub, f"status={status}")
    assert actual_status == status
    assert str(text).startswith("<html>" if status in (502, 503, 504) else '{"error":')


@pytest.mark.parametrize(("status", "error"), STATUS_ERRORS)
def test_status_fault_raises_the_sdks_exception(
    hub: LiveHub, status: int, error: type[openai.APIStatusError]
) -> None:
    """The SDK raises its class for the status."""
    with pytest.raises(error) as caught:
        send_with_sdk(hub, f"status={status}")
    assert caught.value.status_code == status


def test_sdk_retries_until_success(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two 503 and a success are one successful call, since the SDK retries twice."""
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_: 0.0)
    generation = send_with_sdk(hub, "status=503 x2", retries=2)
    assert hub.credits() == 112
    assert generation.status == "succeeded"  # type: ignore[attr-defined]
    statuses = hub.server.call(lambda: [exchange.status for exchange in hub.backend.journal])
    assert statuses[:3] == [503, 503, 200]


def test_sdk_pays_twice_for_a_lost_response(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK repeats a request whose response was lost after the charge, and pays again."""
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_: 0.0)
    send_with_sdk(hub, "reset@after x1", retries=2)
    assert hub.credits() == 104


@pytest.mark.parametrize("send", [send_with_httpx, send_with_requests])
def test_slow_response_arrives_completely(
    hub: LiveHub, send: Callable[[LiveHub, str], tuple[int, object]]
) -> None:
    """A `drip` fault delays the response and loses nothing."""
    status, body = send(hub, "drip=100ms")
    assert (status, body["status"]) == (200, "succeeded")  # type: ignore[index]
