"""Access to the control plane: tokens, hosts, origins and the size of bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub.control.app import mount_control_plane
from mockhub.control.security import AccessPolicy
from mockhub.domain.hub import HubBackend
from mockhub.exceptions import MockhubError
from mockhub.spec.api_spec import load_spec
from mockhub.web.app import create_app
from mockhub.web.limits import Limits
from tests.conftest import Serve
from tests.support.live_server import LiveHub, serve_hub

TOKEN = "open sesame"


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        yield running


@pytest.fixture
def protected() -> Iterator[LiveHub]:
    with serve_hub(token=TOKEN) as running:
        yield running


def code(response: httpx.Response) -> str:
    error_code: str = response.json()["error"]["code"]
    return error_code


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer open"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": TOKEN},
        {"Authorization": "Basic b3BlbiBzZXNhbWU="},
        {"Authorization": "Bearer \xff".encode("latin-1")},
    ],
)
def test_token_is_required(protected: LiveHub, headers: dict[str, str]) -> None:
    """Without the server's token every request is 401 and changes nothing."""
    response = protected.client.post("/_mockhub/hubs", headers=headers)
    assert (response.status_code, code(response)) == (401, "invalidToken")
    assert response.headers["www-authenticate"] == "Bearer"
    assert [hub.name for hub in protected.app.api.hub_registry] == ["default"]


@pytest.mark.parametrize("token", ["secret\n", " secret", "sec\x00ret", "日本"])
def test_token_that_no_header_can_carry_is_rejected_at_start(token: str) -> None:
    """The error does not show the token."""
    with pytest.raises(MockhubError, match="has a line break, a space at an end") as error:
        AccessPolicy(token, ())
    assert token.strip() not in str(error.value)


def test_token_gives_access(protected: LiveHub) -> None:
    """With the token everything works as on loopback. The scheme may be in any case."""
    response = protected.client.get("/_mockhub/hubs", headers={"Authorization": f"bearer {TOKEN}"})
    assert response.status_code == 200


def test_unknown_path_is_401_without_a_token(protected: LiveHub) -> None:
    """An unknown path is 401, as a known one is."""
    assert protected.client.get("/_mockhub/nowhere").status_code == 401


def test_health_needs_no_token(protected: LiveHub) -> None:
    """A probe needs neither token nor host name, and learns only that the server is up."""
    response = protected.client.get("/_mockhub/health", headers={"Host": "10.0.0.7:8080"})
    assert {"status": "ok", "version": response.json()["version"], "hubs": 1} == response.json()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil", "", "[::1"],
)
def test_foreign_hosts_are_rejected(hub: LiveHub, host: str) -> None:
    """A name that was rebound to this machine is rejected (DNS rebinding)."""
    response = hub.client.get("/_mockhub/hubs", headers={"Host": host})
    assert (response.status_code, code(response)) == (403, "foreignHost")
    assert "expected one of 127.0.0.1, ::1, localhost" in response.json()["error"]["message"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1:8080", "[::1]:8080"])
def test_loopback_hosts_are_accepted(hub: LiveHub, host: str) -> None:
    """Loopback is accepted by any of its names, at any port."""
    assert hub.client.get("/_mockhub/hubs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["mockhub:8080", "192.168.1.5:9000"])
def test_public_and_bound_hosts_are_accepted(host: str) -> None:
    """The host of --public-url and the listening address are accepted."""
    spec = load_spec(resource_path("openapi.yaml"))
    app = create_app(spec, HubBackend("default", spec), url="http://mockhub:8080")
    mount_control_plane(app, token="t", host="192.168.1.5")

    async def send() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            headers = {"Authorization": "Bearer t"}
            return (await client.get("/_mockhub/hubs", headers=headers)).status_code

    assert asyncio.run(send()) == 200


def test_serve_requires_its_control_token(serve: Serve) -> None:
    """`mockhub serve --control-token` requires the token, except for health."""
    with serve("--control", "--control-token", TOKEN) as server:
        assert httpx.get(f"{server.url}/_mockhub/health").status_code == 200
        assert httpx.get(f"{server.url}/_mockhub/hubs").status_code == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{server.url}/_mockhub/hubs", headers=headers).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
def test_requests_of_other_origins_are_rejected(hub: LiveHub, origin: str) -> None:
    """A cross-origin POST without preflight resets nothing."""
    hub.generate({})
    response = hub.client.post("/_mockhub/hubs/default/reset", headers={"Origin": origin})
    assert (response.status_code, code(response)) == (403, "foreignHost")
    assert hub.credits() == 112


def test_own_origin_is_accepted(hub: LiveHub) -> None:
    """The server's own origin is accepted."""
    assert hub.client.get("/_mockhub/hubs", headers={"Origin": hub.url}).status_code == 200


def test_control_plane_has_no_cors(hub: LiveHub) -> None:
    """No response lets a page of another origin read it, and a preflight is rejected."""
    plain = hub.client.get("/_mockhub/health", headers={"Origin": "https://evil.example"})
    preflight = hub.client.options("/_mockhub/hubs", headers={"Origin": "https://evil.example"})
    assert preflight.status_code == 403
    for response in (plain, preflight):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_form_is_rejected(hub: LiveHub) -> None:
    """A body that a browser sends without a preflight is rejected by its content type."""
    response = hub.client.post("/_mockhub/hubs", data={"name": "t"})
    assert (response.status_code, code(response)) == (400, "invalidRequest")
    assert "expected application/json" in response.json()["error"]["message"]


def test_body_over_the_limit_is_rejected() -> None:
    """A body over the limit is rejected, with and without Content-Length."""
    with serve_hub(control=True, limits=Limits(max_json_bytes=1000)) as hub:
        for content in (b" " * 2000, iter([b" " * 600, b" " * 600])):
            response = hub.client.post(
                "/_mockhub/hubs", content=content, headers={"Content-Type": "application/json"}
            )
            assert (response.status_code, code(response)) == (400, "invalidRequest")
            assert "expected at most 1000 bytes" in response.json()["error"]["message"]


def test_no_control_removes_the_control_plane() -> None:
    """A server that was started with --no-control returns 404 for all its paths."""
    with serve_hub() as hub:
        assert hub.client.get("/_mockhub/health").status_code == 404
        assert hub.client.post("/_mockhub/hubs").status_code == 404


def test_public_api_accepts_any_host(protected: LiveHub) -> None:
    """Hosts, origins and the token concern the control plane only."""
    headers = {"Host": "anything.example", "Origin": "https://shop.example"}
    assert protected.client.get("/api/v1/models", headers=headers).status_code == 200
