"""The control plane of the proxy shows what the exchanges say about credits and generations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import httpx
import pytest
from PIL import Image

from mockhub.proxy import images
from mockhub.proxy.observation import NOTHING, observe
from mockhub.proxy.target import Target
from tests.proxy.support import LiveProxy, raw_server, reply_with, start_proxy
from tests.support.live_server import KEY, OTHER, LiveHub
from tests.support.scripted_server import (
    CERTIFICATE,
    Request,
    Response,
    json_response,
    scripted_server,
)


@pytest.fixture
def proxy(upstream: LiveHub) -> Iterator[LiveProxy]:
    with start_proxy(upstream.url + "/api/v1", control=True, rewrite_images=True) as proxy:
        yield proxy


def control(proxy: LiveProxy, path: str) -> httpx.Response:
    return proxy.client.get(f"/_mockhub/hubs/default/{path}".rstrip("/")).raise_for_status()


@contextmanager
def local_image_url(image_url: str) -> Iterator[str]:
    """Yield the URL at a proxy of an image of another host."""
    image = {"id": "i", "object": "image", "url": image_url, "created_at": "-"}
    log = {"id": "g", "status": "succeeded", "images": [image], "usage": {"credits": 8}}
    with (
        scripted_server(lambda request: json_response(log)) as url,
        start_proxy(url, rewrite_images=True) as proxy,
    ):
        yield proxy.get("generations/g").json()["images"][0]["url"]


def test_ledger_follows_the_balance(upstream: LiveHub, proxy: LiveProxy) -> None:
    """Charges, refunds and what else changes the balance are entries, and the audit is clean."""
    assert proxy.generate({}).status_code == 200
    assert proxy.generate({"prompt": "[[deliver=1]]", "n": 3}).status_code == 200
    assert proxy.generate({"prompt": "[[fail]]"}).status_code == 500
    upstream.server.call(
        lambda: upstream.backend.grant(upstream.backend.accounts["documentation"], 50)
    )
    assert proxy.get("credits").json()["credits"] == 120 - 8 - 8 + 50
    (account,) = control(proxy, "accounts").json()["accounts"]
    assert account["credits"] == 154
    assert account["credit_totals"] == {"grant": 170, "charge": -16, "refund": 0, "expiry": 0}
    assert account["id"].startswith("key-")
    detail = control(proxy, "").json()
    assert detail["audit"] == []
    journal = control(proxy, "journal?format=summary").json()["exchanges"]
    assert [one["credits"] for one in journal] == [-8, -8, 0, 0]
    assert {one["account"] for one in journal} == {account["id"]}


def test_outcome_of_the_service_is_unknown(proxy: LiveProxy) -> None:
    """A generation has the status that the client has read, and no outcome; there is no script."""
    created = proxy.generate({"async": True, "prompt": "[[polls=3]]"}).json()
    shown = []
    for _ in range(4):
        (one,) = control(proxy, "generations").json()["generations"]
        shown.append((one["status"], one["outcome"], one["progress"]))
        polled = proxy.get(f"generations/{created['id']}").json()
    assert polled["status"] == "succeeded"
    running = [("queued", None, None), *[("processing", None, None)] * 2]
    assert shown == [*running, ("succeeded", None, 1.0)]
    assert control(proxy, "generations?status=queued").json()["generations"] == []
    assert control(proxy, "provider").json()["script"] == []


def test_proxy_says_what_it_is_and_allows(upstream: LiveHub, proxy: LiveProxy) -> None:
    """A viewer knows the target, what it can change, and which faults it can arm."""
    server = proxy.client.get("/_mockhub/server").json()
    assert server["target"] == upstream.url + "/api/v1"
    assert server["changes"] == ["arm_fault", "clear_faults", "clear_journal", "disarm_fault"]
    types = proxy.client.get("/_mockhub/fault-types").json()["faults"]
    assert {one["target"] for one in types} == {"transport"}
    (entry,) = proxy.client.get("/openapi.json").json()["servers"]
    assert entry == {"url": proxy.url, "description": f"A proxy of {server['target']}"}
    assert server["target"] in proxy.client.get("/openapi.yaml").text


def test_password_of_the_target_is_not_shown() -> None:
    target = Target("https://user:secret@host.test:8443/api/v1", "/api/v1")
    assert target.public_url == "https://host.test:8443/api/v1"


def test_async_generation_is_followed_to_its_refund(proxy: LiveProxy) -> None:
    """The credits requested are charged at acceptance, and the failed images refunded."""
    created = proxy.generate({"async": True, "n": 2, "prompt": "[[polls=2 deliver=1]]"}).json()
    (running,) = control(proxy, "generations").json()["generations"]
    assert (running["credits_requested"], running["n"]) == (16, 2)
    assert running["status"] in ("queued", "processing")
    for _ in range(3):  # once more than until its end
        polled = proxy.get(f"generations/{created['id']}").json()
    assert polled["status"] == "succeeded"
    (account,) = control(proxy, "accounts").json()["accounts"]
    assert account["credit_totals"]["refund"] == 8
    (ended,) = control(proxy, "generations").json()["generations"]
    assert (ended["status"], ended["credits"], ended["delivered"]) == ("succeeded", 8, 1)
    assert control(proxy, "journal?format=summary").json()["exchanges"][0]["credits"] == -8
    assert control(proxy, "").json()["audit"] == []


def test_images_lead_to_the_proxy_and_have_previews(proxy: LiveProxy) -> None:
    """An image at the proxy has the same bytes, also for the page."""
    url = proxy.generate({}).json()["images"][0]["url"]
    assert url.startswith(proxy.url + "/images/")
    image = httpx.get(url)
    assert image.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(image.content)).size == (1024, 1024)
    (generation,) = control(proxy, "generations").json()["generations"]
    (shown,) = generation["images"]
    assert shown["url"] == url
    preview = proxy.client.get(shown["preview_path"], params={"width": 64})
    assert preview.content == image.content
    assert proxy.exchanges()[-1].operation == "get_image"


def test_values_of_another_type_are_not_observed() -> None:
    """What is no number of credits is no balance, also if Python counts it as one."""
    content = {"id": 5, "credits": True, "account_type": ["PRO"], "images": [{"id": "i"}, 3]}
    assert observe(content) == NOTHING
    assert observe([content]) == NOTHING
    assert observe({"usage": [], "balance": {"credits": 5}}).balance == 5


def test_each_key_has_an_account(proxy: LiveProxy) -> None:
    """A key that the service has not accepted gets none, and none is named after a key."""
    proxy.get("models", "gih_live_" + 32 * "z")
    for key in (KEY, OTHER, "gih_live_wrong"):
        proxy.get("credits", key)
    accounts = control(proxy, "accounts").json()["accounts"]
    assert [one["credits"] for one in accounts] == [120, 1000]
    assert KEY[:20] not in repr(accounts)


def test_generation_from_before_the_proxy_is_shown(proxy: LiveProxy) -> None:
    assert proxy.get("generations/clx_generation_log_id").status_code == 200
    (generation,) = control(proxy, "generations").json()["generations"]
    assert generation["id"] == "clx_generation_log_id"
    assert control(proxy, "").json()["audit"] == []


def test_mirror_is_bounded(proxy: LiveProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old generations, with the URLs of their images, and entries go; balances stay."""
    monkeypatch.setattr(images, "_MAX_GENERATIONS", 2)
    proxy.api.hub.max_generations = 2
    ids = [proxy.generate({"prompt": str(n)}).json()["id"] for n in range(4)]
    shown = control(proxy, "generations").json()["generations"]
    assert {one["id"] for one in shown} == {*ids[2:]}
    assert [bool(proxy.api.known_images.of(id)) for id in ids] == [False, False, True, True]
    assert control(proxy, "accounts").json()["accounts"][0]["credits"] == 88


def test_changes_of_a_balance_are_bounded() -> None:
    """A ledger without generations keeps its last entries, and the whole sum."""
    balances = iter(range(100, 130))

    def reply(request: Request) -> Response:
        return json_response(
            {"credits": next(balances), "account_type": "PRO", "next_expiration": None}
        )

    with scripted_server(reply) as url, start_proxy(url, control=True) as proxy:
        proxy.api.hub.max_generations = 2
        for _ in range(30):
            proxy.get("credits")
        (account,) = proxy.api.hub.accounts.values()
        assert len(account.entries) < 10
        assert control(proxy, "accounts").json()["accounts"][0]["credits"] == 129
        assert control(proxy, "").json()["audit"] == []


def test_control_plane_does_not_change_the_mirror(proxy: LiveProxy) -> None:
    """What would change the service is refused; faults can be armed."""
    refused = proxy.client.post("/_mockhub/hubs/default/reset")
    assert refused.status_code == 409, refused.text
    assert "proxy" in refused.json()["error"]["message"]
    armed = proxy.client.post("/_mockhub/hubs/default/faults", json={"fault": "status=503 x1"})
    assert armed.status_code == 201 or armed.status_code == 200, armed.text
    assert proxy.get("credits").status_code == 503
    assert proxy.get("credits").status_code == 200


def test_malformed_image_urls_are_passed_on() -> None:
    """What is no URL reaches the client as it is, and the page does not show it."""
    images = [
        {"id": str(number), "object": "image", "url": url, "created_at": "-"}
        for number, url in enumerate(("http://[", "ftp://a/b", "http://a:x/b", "", "http://b/c"))
    ]
    log = {"id": "g", "status": "succeeded", "images": images, "usage": {"credits": 8}}
    with (
        scripted_server(lambda request: json_response(log)) as url,
        start_proxy(url, rewrite_images=True) as proxy,
    ):
        shown = proxy.get("generations/g").json()["images"]
    assert shown[:4] == images[:4]
    assert shown[4]["url"].startswith(proxy.url)


def test_images_are_fetched_from_their_host_without_the_key() -> None:
    """Another host than the API's gets neither the key nor cookies, whatever the client sends."""
    seen: list[Request] = []

    def image_host(request: Request) -> Response:
        seen.append(request)
        return Response(200, b"an image", (("Content-Type", "image/png"),))

    with (
        scripted_server(image_host) as elsewhere,
        local_image_url(f"{elsewhere}/a.png?s=1") as local,
    ):
        headers = {"Authorization": f"Bearer {KEY}", "Cookie": "a=b", "Accept": "image/png"}
        assert httpx.get(local, headers=headers).content == b"an image"
    (request,) = seen
    assert request.path == "/a.png?s=1"
    names = {name.lower(): value for name, value in request.headers.items()}
    assert names["accept"] == "image/png"
    assert names["host"] == elsewhere.removeprefix("http://")
    assert not {"authorization", "cookie"} & names.keys()


def test_image_that_breaks_off_is_502_if_a_fault_has_to_alter_it() -> None:
    """Then the whole image is read before anything is sent."""
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    with raw_server(reply_with(cut)) as elsewhere, local_image_url(f"{elsewhere}/a.png") as local:
        response = httpx.get(local, headers={"X-Mockhub": "delay=1ms@after"})
    assert (response.status_code, response.json()["error"]["code"]) == (
        502,
        "upstreamInvalidResponse",
    )


def test_ca_file_is_for_the_target_alone() -> None:
    """Its authority may not vouch for the hosts of images."""
    with (
        scripted_server(lambda request: Response(200, b"an image"), tls=True) as elsewhere,
        scripted_server(lambda request: json_response(log), tls=True) as url,
        start_proxy(
            url.replace("127.0.0.1", "localhost"), ca_file=CERTIFICATE, rewrite_images=True
        ) as proxy,
    ):
        url_of_image = elsewhere.replace("127.0.0.1", "localhost") + "/a.png"
        image = {"id": "i", "object": "image", "url": url_of_image, "created_at": "-"}
        log = {"id": "g", "status": "succeeded", "images": [image], "usage": {"credits": 8}}
        response = httpx.get(proxy.get("generations/g").json()["images"][0]["url"])
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstreamTls")
