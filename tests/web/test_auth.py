"""Authentication by API key in the Authorization header."""

from __future__ import annotations

import json
import re
from collections import deque

import httpx
import pytest

from mockhub.domain.keys import key_digest
from tests.support.live_server import EXPIRED, KEY, LOW, OTHER, PUBLISHED, REVOKED, RICH, LiveHub

SECURED = [
    ("GET", "/api/v1/credits"),
    ("POST", "/api/v1/images/generations"),
    ("GET", "/api/v1/generations/clx_generation_log_id"),
]


def send(hub: LiveHub, authorization: str | None, path: str = "/api/v1/credits") -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return hub.client.get(path, headers=headers)


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize(("method", "path"), SECURED)
def test_key_is_required(shared_hub: LiveHub, method: str, path: str) -> None:
    """Every endpoint except the model list returns missingApiKey without a key (AUTH-1, AUTH-3)."""
    response = shared_hub.client.request(method, path)
    assert code(response) == (401, "missingApiKey")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), SECURED)
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("gih_live_" + 32 * "y", "invalidApiKey"),
        (REVOKED, "invalidApiKey"),
        (EXPIRED, "expiredApiKey"),
    ],
)
def test_invalid_key_is_401(
    shared_hub: LiveHub, method: str, path: str, key: str, expected: str
) -> None:
    """An unknown, a revoked and an expired key have their 401 (AUTH-4, AUTH-5, AUTH-6, ERR-3)."""
    response = shared_hub.client.request(method, path, headers={"Authorization": f"Bearer {key}"})
    assert code(response) == (401, expected)
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer    "])
def test_bearer_scheme_ignores_case(shared_hub: LiveHub, scheme: str) -> None:
    """The case of the scheme and the number of blanks do not matter (AUTH-2)."""
    assert send(shared_hub, scheme + KEY).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", f"Basic {KEY}", KEY, f"Token {KEY}", f"Bearer: {KEY}", f"Bearer\t{KEY}"],
)
def test_other_schemes_are_rejected(shared_hub: LiveHub, authorization: str) -> None:
    """Another scheme, an empty token or a key without a scheme is rejected (AUTH-8)."""
    assert code(send(shared_hub, authorization)) == (401, "invalidApiKey")


@pytest.mark.parametrize(
    "key", [KEY[:-1], KEY + "x", KEY.upper(), f'"{KEY}"', f"{KEY} x", f"{KEY},{KEY}", 5000 * "x"]
)
def test_whole_key_is_compared(shared_hub: LiveHub, key: str) -> None:
    """A prefix, another case or trailing characters make a key unknown (AUTH-9)."""
    assert code(send(shared_hub, f"Bearer {key}")) == (401, "invalidApiKey")


def test_key_outside_of_authorization_is_ignored(shared_hub: LiveHub) -> None:
    """A key in the query, another header or a cookie is ignored (AUTH-8)."""
    headers = {"X-Api-Key": KEY, "Cookie": f"key={KEY}"}
    response = shared_hub.client.get(f"/api/v1/credits?api_key={KEY}", headers=headers)
    assert code(response) == (401, "missingApiKey")


@pytest.mark.parametrize("second", [KEY, RICH, "nonsense"])
def test_repeated_authorization_is_rejected(shared_hub: LiveHub, second: str) -> None:
    """A request must have one Authorization header (AUTH-8)."""
    headers = [("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {second}")]
    assert code(shared_hub.client.get("/api/v1/credits", headers=headers)) == (401, "invalidApiKey")


@pytest.mark.parametrize("body", [b"", b"{", b'{"n": 99}', 3_000_000 * b"x"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data"])
def test_key_is_checked_before_the_body(
    shared_hub: LiveHub, body: bytes, content_type: str
) -> None:
    """A bad body without a key is 401, not 400 (AUTH-10)."""
    headers = {"Content-Type": content_type}
    response = shared_hub.client.post("/api/v1/images/generations", content=body, headers=headers)
    assert code(response) == (401, "missingApiKey")


@pytest.mark.parametrize("authorization", ["", "nonsense", f"Bearer {EXPIRED}", f"Bearer {KEY}"])
def test_model_list_ignores_keys(shared_hub: LiveHub, authorization: str) -> None:
    """The model list is the same for every Authorization header (AUTH-11)."""
    path = "/api/v1/models"
    assert send(shared_hub, None, path).content == send(shared_hub, authorization, path).content


def test_keys_have_the_documented_form(hub: LiveHub) -> None:
    """A key is gih_live_ and 32 characters (AUTH-2)."""
    key = hub.server.call(lambda: hub.backend.add_key("low"))
    prefix, rest = key[:9], key[9:]
    assert (prefix, len(rest), rest.isalnum()) == ("gih_live_", 32, True)
    assert hub.credits(LOW) == hub.credits(key)


def test_key_expires_exactly_at_its_expiry(hub: LiveHub) -> None:
    """A key is valid until the millisecond before its expiry (AUTH-6)."""
    key = hub.server.call(lambda: hub.backend.add_key("low", expires_at=PUBLISHED + 1000))
    hub.server.call(lambda: hub.backend.clock.advance(999))
    assert send(hub, f"Bearer {key}").status_code == 200
    hub.server.call(lambda: hub.backend.clock.advance(1))
    assert code(send(hub, f"Bearer {key}")) == (401, "expiredApiKey")


def test_no_response_contains_a_key(hub: LiveHub) -> None:
    """A key in the wrong place is not sent back (AUTH-7)."""
    body = {"model": OTHER, "prompt": "x", "size": KEY, "quality": KEY}
    responses = [
        send(hub, f"Bearer {KEY}", f"/api/v1/generations/{OTHER}"),
        send(hub, f"Bearer {KEY}", f"/{OTHER}"),
        send(hub, f"Bearer {KEY}", f"/hubs/{OTHER}/api/v1/credits"),
        hub.client.post(
            "/api/v1/images/generations", json=body, headers={"Authorization": f"Bearer {KEY}"}
        ),
        hub.generate({"model": OTHER}),
        hub.generate({}, headers={"X-Mockhub": OTHER}),
    ]
    for response in responses:
        assert 400 <= response.status_code < 500
        assert "gih_live_" not in response.text


def test_hub_stores_only_hashes_of_keys(hub: LiveHub) -> None:
    """No key is in the memory of a hub that received it, including its journal (AUTH-7)."""
    key = hub.server.call(lambda: hub.backend.add_key("low"))
    headers = {"X-Api-Key": key, "Cookie": f"k={key}", "Authorization": f"Bearer {key}"}
    hub.client.get(f"/api/v1/credits?key={key}", headers=headers)
    hub.client.get(f"/api/v1/generations/{key}", headers=headers)
    hub.generate({"model": key}, key=key)
    hub.generate({"user": key}, key=key)
    hub.generate(
        data={"model": "gpt-image-2", "prompt": "x", "user": key}, files={"z": b""}, key=key
    )
    hub.generate(
        content=json.dumps({"prompt": key}), headers={"Content-Type": "text/plain"}, key=key
    )
    state = hub.server.call(lambda: repr(reachable_objects(hub.backend)))
    assert "A lighthouse" in state
    assert re.search("gih_live_[A-Za-z0-9]", state) is None  # the prefix alone is public
    assert key[9:] not in state


_API_SPEC = ("ApiSpec", "Operation")


def reachable_objects(root: object) -> list[object]:
    """Return all objects reachable from *root*, except the API spec, which has example keys."""
    values: list[object] = []
    visited_ids: set[int] = set()
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in visited_ids or type(node).__name__ in _API_SPEC or callable(node):
            continue
        visited_ids.add(id(node))
        if isinstance(node, (str, bytes, int, float)):
            values.append(node)
        elif isinstance(node, dict):
            todo += [*node.keys(), *node.values()]
        elif isinstance(node, (list, tuple, set, frozenset, deque)):  # a journal would tidy itself
            todo += node
        for slot in getattr(node, "__slots__", ()):
            todo.append(getattr(node, slot, None))
        todo += list(getattr(node, "__dict__", {}).values())
    return values


def test_key_can_be_revoked_while_its_task_runs(hub: LiveHub) -> None:
    """A revoked key is rejected; other keys of the account can poll its task (AUTH-5)."""
    key = hub.server.call(lambda: hub.backend.add_key("low"))
    queued = hub.generate({"async": True, "prompt": "[[polls=2]]"}, key=key).json()["id"]
    hub.server.call(lambda: hub.backend.keys.revoke(key_digest(key.encode())))
    assert code(send(hub, f"Bearer {key}", f"/api/v1/generations/{queued}")) == (
        401,
        "invalidApiKey",
    )
    states = [hub.get(f"generations/{queued}", LOW).json()["status"] for _ in range(2)]
    assert states == ["processing", "succeeded"]


def test_expiry_can_be_changed(hub: LiveHub) -> None:
    """A key expires at its new expiry, and works again without one (AUTH-6)."""
    key = hub.server.call(lambda: hub.backend.add_key("low"))
    digest = key_digest(key.encode())
    hub.server.call(lambda: hub.backend.keys.set_expiry(digest, PUBLISHED))
    assert code(send(hub, f"Bearer {key}")) == (401, "expiredApiKey")
    hub.server.call(lambda: hub.backend.keys.set_expiry(digest, None))
    assert send(hub, f"Bearer {key}").status_code == 200


def test_revoked_key_stays_invalid_after_its_expiry(hub: LiveHub) -> None:
    """A key that is both revoked and expired is invalid (AUTH-5)."""
    key = hub.server.call(lambda: hub.backend.add_key("low", expires_at=PUBLISHED, revoked=True))
    assert code(send(hub, f"Bearer {key}")) == (401, "invalidApiKey")
