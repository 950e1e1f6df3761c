"""Requests that the control plane sends to the API, with a key or again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.live_server import BODY, EXPIRED, PNG, LiveHub

GENERATIONS = "/api/v1/images/generations"


def post(hub: LiveHub, body: Any, path: str = "/requests") -> httpx.Response:
    path = f"/_mockhub/hubs/{hub.backend.name}{path}"
    return hub.client.post(hub.client.base_url.copy_with(path=path), json=body)


def send(hub: LiveHub, body: Any) -> dict[str, Any]:
    response = post(hub, body)
    assert response.status_code == 200, response.text
    exchange: dict[str, Any] = response.json()["exchange"]
    return exchange


def test_request_is_sent_with_a_key_by_its_name(hub: LiveHub) -> None:
    """No raw key is needed, and the request is charged like any other."""
    body = {"method": "GET", "target": "/api/v1/credits", "key": "documentation"}
    exchange = send(hub, body)
    assert (exchange["status"], exchange["key"], exchange["account"]) == (
        *(200, "documentation"),
        "documentation",
    )
    assert '"credits":120' in exchange["response"]["body"]["text"]


def test_request_without_a_key_is_anonymous(hub: LiveHub) -> None:
    """The API rejects it as it rejects every request without a key."""
    exchange = send(hub, {"method": "GET", "target": "/api/v1/credits?x=%3Cb%3E"})
    assert (exchange["status"], exchange["code"]) == (401, "missingApiKey")


def test_exchange_is_sent_again(hub: LiveHub) -> None:
    """The same body, headers and key lead to another generation, which is charged."""
    hub.generate({"n": 2})
    exchange = send(hub, {"exchange": 1})
    assert (exchange["number"], exchange["status"], exchange["credits"]) == (2, 200, -16)
    assert hub.credits() == 120 - 32


@pytest.mark.parametrize("key", [EXPIRED, None])
def test_rejected_exchange_is_rejected_again(hub: LiveHub, key: str | None) -> None:
    """A key that expired, is missing or malformed is so again."""
    first = hub.get("credits", key).json()["error"]["code"]
    assert send(hub, {"exchange": 1})["code"] == first


def test_lost_response_is_lost_again(hub: LiveHub) -> None:
    """A fault that closes the connection leaves an exchange without a response, and a charge."""
    command = {"method": "POST", "target": GENERATIONS, "key": "documentation"}
    with pytest.raises(httpx.TransportError):
        hub.generate({}, headers={"X-Mockhub": "reset@after"})
    exchange = send(hub, {"exchange": 1})
    assert (exchange["status"], exchange["credits"], exchange["faults"]) == (
        *(0, -8),
        ["reset@after"],
    )
    assert hub.credits() == 104
    missing = send(hub, {**command, "body": "{"})
    assert missing["code"] == "invalid_request"


def test_files_cannot_be_sent_again(hub: LiveHub) -> None:
    """The journal has no files; a form without files is sent again as JSON."""
    form = {name: (None, value) for name, value in BODY.items()}
    hub.generate(files={**form, "reference_image": ("a.png", PNG, "image/png")})
    response = post(hub, {"exchange": 1})
    assert response.status_code == 409
    assert "not the whole body of exchange 1" in response.json()["error"]["message"]
    assert hub.generate(files=form).status_code == 200
    assert send(hub, {"exchange": 2})["status"] == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"exchange": 1, "method": "GET"}, "expected it alone"),
        ({"method": "GET"}, "target is missing"),
        ({"target": "/api/v1/credits"}, "method is missing"),
        ({"method": "GET", "target": "//evil.example"}, "target"),
        ({"exchange": 7}, "there is no exchange 7 in the journal; it is empty"),
        ({"method": "GET", "target": "/x", "key": "documentatoin"}, "did you mean"),
    ],
)
def test_invalid_request_is_not_sent(hub: LiveHub, body: Any, expected: str) -> None:
    """The message names the place and what is allowed, and the journal stays empty."""
    response = post(hub, body)
    assert response.status_code in (400, 404)
    assert expected in response.json()["error"]["message"]
    assert hub.server.call(lambda: hub.backend.journal.total) == 0


def test_exchange_is_shown_with_its_curl_command(hub: LiveHub) -> None:
    """One exchange is read by its number, until it is evicted."""
    hub.generate({})
    path = f"/_mockhub/hubs/{hub.backend.name}/journal"
    url = hub.client.base_url.copy_with(path=f"{path}/1")
    shown = hub.client.get(url).json()
    assert shown["exchange"]["credits"] == -8
    assert "curl" in shown["curl"]
    assert hub.url + GENERATIONS in shown["curl"]
    missing = hub.client.get(hub.client.base_url.copy_with(path=f"{path}/2"))
    assert missing.status_code == 404
    assert "it has 1 to 1" in missing.json()["error"]["message"]
