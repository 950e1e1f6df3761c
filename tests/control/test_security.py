"""Who may use the control plane: tokens, hosts, origins, and bodies of bounded size."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub.control.app import mount_control_plane
from mockhub.domain.hub import HubBackend
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
def guarded() -> Iterator[LiveHub]:
    with serve_hub(token=TOKEN) as running:
        yield running


def code(answer: httpx.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


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
def test_a_token_is_asked_for(guarded: LiveHub, headers: dict[str, str]) -> None:
    """Without the very token of the server there is 401, and nothing is told or done."""
    answer = guarded.client.post("/_mockhub/hubs", headers=headers)
    assert (answer.status_code, code(answer)) == (401, "invalidToken")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert [hub.name for hub in guarded.app.api.hub_registry] == ["default"]


def test_the_token_opens(guarded: LiveHub) -> None:
    """With the token everything is as on loopback; the scheme's case does not count."""
    answer = guarded.client.get("/_mockhub/hubs", headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.status_code == 200


def test_who_has_no_token_learns_no_routes(guarded: LiveHub) -> None:
    """An unknown path is 401, as a known one is."""
    assert guarded.client.get("/_mockhub/nowhere").status_code == 401


def test_health_is_open(guarded: LiveHub) -> None:
    """A probe needs neither token nor the right name, and learns no more than that we are up."""
    answer = guarded.client.get("/_mockhub/health", headers={"Host": "10.0.0.7:8080"})
    assert {"status": "ok", "version": answer.json()["version"], "hubs": 1} == answer.json()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil", "", "[::1"],
)
def test_foreign_hosts_are_refused(hub: LiveHub, host: str) -> None:
    """A name that was rebound to this machine reaches nothing (DNS rebinding)."""
    answer = hub.client.get("/_mockhub/hubs", headers={"Host": host})
    assert (answer.status_code, code(answer)) == (403, "foreignHost")
    assert "expected one of 127.0.0.1, ::1, localhost" in answer.json()["error"]["message"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1:8080", "[::1]:8080"])
def test_own_hosts_are_let_in(hub: LiveHub, host: str) -> None:
    """Loopback by any of its names, at any port."""
    assert hub.client.get("/_mockhub/hubs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["mockhub:8080", "192.168.1.5:9000"])
def test_public_and_bound_hosts_are_let_in(host: str) -> None:
    """So are the name of --public-url and the address that the server listens on."""
    spec = load_spec(resource_path("openapi.yaml"))
    app = create_app(spec, HubBackend("default", spec), url="http://mockhub:8080")
    mount_control_plane(app, token="t", host="192.168.1.5")

    async def ask() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            headers = {"Authorization": "Bearer t"}
            return (await client.get("/_mockhub/hubs", headers=headers)).status_code

    assert asyncio.run(ask()) == 200


def test_serve_guards_its_control_plane(serve: Serve) -> None:
    """`mockhub serve --control-token` asks for it; health is open."""
    with serve("--control", "--control-token", TOKEN) as server:
        assert httpx.get(f"{server.url}/_mockhub/health").status_code == 200
        assert httpx.get(f"{server.url}/_mockhub/hubs").status_code == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{server.url}/_mockhub/hubs", headers=headers).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
def test_pages_of_other_origins_are_refused(hub: LiveHub, origin: str) -> None:
    """A page that posts across origins, which needs no preflight, resets nothing."""
    hub.generate({})
    answer = hub.client.post("/_mockhub/hubs/default/reset", headers={"Origin": origin})
    assert (answer.status_code, code(answer)) == (403, "foreignHost")
    assert hub.credits() == 112


def test_a_page_of_the_server_itself_is_let_in(hub: LiveHub) -> None:
    """The server's own origin may ask."""
    assert hub.client.get("/_mockhub/hubs", headers={"Origin": hub.url}).status_code == 200


def test_there_is_no_cors(hub: LiveHub) -> None:
    """No answer lets another origin's page read it, and a preflight is refused."""
    plain = hub.client.get("/_mockhub/health", headers={"Origin": "https://evil.example"})
    preflight = hub.client.options("/_mockhub/hubs", headers={"Origin": "https://evil.example"})
    assert preflight.status_code == 403
    for answer in (plain, preflight):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_form_is_no_body(hub: LiveHub) -> None:
    """What a browser sends without a preflight is refused by its type."""
    answer = hub.client.post("/_mockhub/hubs", data={"name": "t"})
    assert (answer.status_code, code(answer)) == (400, "invalidRequest")
    assert "expected application/json" in answer.json()["error"]["message"]


def test_bodies_are_bounded() -> None:
    """A body of more than the limit is refused, however it is sent."""
    with serve_hub(control=True, limits=Limits(max_json_bytes=1000)) as hub:
        for content in (b" " * 2000, iter([b" " * 600, b" " * 600])):
            answer = hub.client.post(
                "/_mockhub/hubs", content=content, headers={"Content-Type": "application/json"}
            )
            assert (answer.status_code, code(answer)) == (400, "invalidRequest")
            assert "expected at most 1000 bytes" in answer.json()["error"]["message"]


def test_without_a_control_plane_there_is_nothing() -> None:
    """A server that was started with --no-control answers 404 to all of it."""
    with serve_hub() as hub:
        assert hub.client.get("/_mockhub/health").status_code == 404
        assert hub.client.post("/_mockhub/hubs").status_code == 404


def test_the_public_api_stays_open_to_all(guarded: LiveHub) -> None:
    """Hosts, origins and the token concern the control plane only."""
    headers = {"Host": "anything.example", "Origin": "https://shop.example"}
    assert guarded.client.get("/api/v1/models", headers=headers).status_code == 200
