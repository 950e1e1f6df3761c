"""The proxy forwards requests and responses as they are."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from threading import Event

import httpx
from openai import OpenAI

from mockhub._resources import resource_path
from mockhub.journal.exchange import Exchange
from mockhub.proxy.api import ProxyApi
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.guard import Guard
from mockhub.proxy.mirror import ProxyHub
from mockhub.proxy.target import Target
from mockhub.proxy.upstream import UpstreamClient
from mockhub.web.asgi import Message
from mockhub.web.context import RequestContext
from tests.proxy.support import LiveProxy, raw_server, read_head, start_proxy, wait_until
from tests.support.live_server import BODY, KEY, PNG, LiveHub, read_spec
from tests.support.raw_http import connect, exchange
from tests.support.scripted_server import Request, Response, scripted_server


def test_responses_are_those_of_the_upstream(upstream: LiveHub, proxy: LiveProxy) -> None:
    """Status, headers and body of a response are the upstream's."""
    direct, forwarded = upstream.get("models"), proxy.get("models")
    assert forwarded.content == direct.content
    ignored = ("date",)
    assert {name: value for name, value in forwarded.headers.items() if name not in ignored} == {
        name: value for name, value in direct.headers.items() if name not in ignored
    }


def test_errors_are_those_of_the_upstream(upstream: LiveHub, proxy: LiveProxy) -> None:
    """A 401, 404 and 405 reach the client unchanged, also outside of the API."""
    for path in ("/api/v1/credits", "/api/v1/generations/none", "/nothing", "/api/v1/nothing"):
        direct, forwarded = upstream.client.get(path), proxy.client.get(path)
        assert (forwarded.status_code, forwarded.json()["error"]["code"]) == (
            direct.status_code,
            direct.json()["error"]["code"],
        )
    assert proxy.client.delete("/api/v1/models").status_code == 405
    assert proxy.client.options("/api/v1/models").status_code == 204
    assert proxy.client.head("/api/v1/models").headers["content-length"] != "0"
    assert proxy.exchanges()[-1].operation == "list_models"


def test_key_reaches_the_upstream_and_is_stored_nowhere(
    upstream: LiveHub, proxy: LiveProxy
) -> None:
    """The journal of the proxy has no key (AUTH-7)."""
    assert proxy.get("credits").json()["credits"] == 120
    assert upstream.credits() == 120
    assert KEY not in repr(proxy.exchanges())
    assert proxy.exchanges()[0].request_headers[b"authorization"] == b"Bearer [redacted]"


def test_poll_url_leads_to_the_proxy(proxy: LiveProxy) -> None:
    """A client that follows `poll_url` stays at the proxy, and Content-Length fits."""
    response = proxy.generate({"async": True})
    poll_url = response.json()["poll_url"]
    assert poll_url.startswith(proxy.url + "/api/v1/generations/")
    assert int(response.headers["content-length"]) == len(response.content)
    headers = {"Authorization": f"Bearer {KEY}"}
    assert httpx.get(poll_url, headers=headers).json()["status"] in ("processing", "succeeded")


def test_chunked_bodies_pass(upstream: LiveHub, proxy: LiveProxy) -> None:
    """A body without Content-Length reaches the upstream in chunks, also a large one."""
    for size in (100, 1_000_000):
        content = json.dumps({**BODY, "unknown": size * "a"}).encode()
        parts = (content[start : start + 10_000] for start in range(0, len(content), 10_000))
        headers = {"Content-Type": "application/json"}
        assert proxy.generate(content=parts, headers=headers).status_code == 200
    assert upstream.credits() == 104


def test_location_of_the_upstream_leads_to_the_proxy() -> None:
    """Other hosts, relative URLs and URLs beside the prefix of the target stay as they are."""
    locations = {
        "{url}/gateway/a?b=c#d": "{proxy}/a?b=c#d",
        "{url}/gateway/api/v1/generations/g": "{proxy}/api/v1/generations/g",
        "{url}/a": "{url}/a",
        "{url}0/gateway/a": "{url}0/gateway/a",
        "http://elsewhere.invalid/gateway/api/v1/generations/g": None,
        "/gateway/a": None,
        "http://[": None,
    }

    def reply(request: Request) -> Response:
        location = [*locations][int(request.path.rpartition("/")[2])].format(url=url)
        return Response(302, b"", (("Location", location),))

    with scripted_server(reply) as url, start_proxy(url + "/gateway/api/v1") as proxy:
        for number, (location, expected) in enumerate(locations.items()):
            response = proxy.client.get(f"/files/{number}")
            expected = (expected or location).format(url=url, proxy=proxy.url)
            assert response.headers["location"] == expected


def test_target_is_passed_on_as_it_is() -> None:
    """Escapes, queries and paths beside the API are not normalized."""
    seen: list[str] = []

    def reply(request: Request) -> Response:
        seen.append(request.path)
        return Response(200, b"{}")

    targets = ("/api/v1/a%2Fb%20c?x=%C3%A9&y=a+b", "/api/v1//double/../dots", "/images/%41.png?~")
    with scripted_server(reply) as url, start_proxy(url + "/gateway/api/v1") as proxy:
        for target in targets:
            assert exchange(proxy, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert seen == ["/gateway" + target for target in targets]


def test_clients_do_not_share_cookies_and_headers() -> None:
    """The upstream gets what each client sent, and nothing of the HTTP client between."""
    seen: list[dict[str, str]] = []

    def reply(request: Request) -> Response:
        seen.append({name.lower(): value for name, value in request.headers.items()})
        return Response(200, b"{}", (("Set-Cookie", "session=1"),))

    with (
        scripted_server(reply) as url,
        start_proxy(local := url.replace("127.0.0.1", "localhost")) as proxy,
    ):
        for _ in range(2):
            head = b"GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-A: 1\r\n\r\n"
            assert b"session=1" in repr(exchange(proxy, head)).encode()
    expected = {"host": local.removeprefix("http://"), "x-a": "1"}
    assert seen == [expected] * 2


def test_bodies_are_not_held_back() -> None:
    """All but the last parts reach the upstream before the client has sent the rest."""
    has_arrived, content = Event(), bytes(1_000_000)

    def serve(connection: socket.socket) -> None:
        size = len(read_head(connection))
        while size < 300_000:
            size += len(connection.recv(65536))
        has_arrived.set()
        while size < 1_000_000:
            size += len(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def parts() -> Iterator[bytes]:
        yield content
        assert has_arrived.wait(30)

    with raw_server(serve) as target, start_proxy(target) as proxy:
        assert proxy.generate(content=parts()).status_code == 200


def test_upload_that_breaks_off_is_marked(proxy: LiveProxy) -> None:
    """The journal says so, and the request is neither sent nor charged."""
    head = "POST /api/v1/images/generations HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{"
    with connect(proxy) as client:
        client.sendall(head.encode())
    wait_until(proxy.exchanges)
    (exchange,) = proxy.exchanges()
    assert exchange.body_incomplete
    assert exchange.client_disconnected


def test_client_that_leaves_after_the_response_has_it(upstream: LiveHub) -> None:
    """Under any ASGI server: a later disconnect does not change the journal."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def get_models() -> list[Exchange]:
        spec = read_spec(resource_path("openapi.yaml"))
        client = UpstreamClient(Target(upstream.url + "/api/v1", spec.base_path))
        guard = Guard(spec, upstream.url)
        api = ProxyApi(spec, ProxyHub("default", spec), "http://proxy", client, guard=guard)
        left = asyncio.Event()

        async def receive() -> Message:
            if message := next(messages, None):
                return message
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            pass

        scope = {"type": "http", "method": "GET", "path": "/api/v1/models", "headers": []}
        await api({**scope, "query_string": b""}, receive, send)
        left.set()
        await asyncio.sleep(0.01)
        client.close()
        await asyncio.sleep(0.01)
        return [*api.hub.journal]

    (exchange,) = asyncio.run(get_models())
    assert (exchange.status, exchange.client_disconnected) == (200, False)


def test_forms_and_images_pass(upstream: LiveHub, proxy: LiveProxy) -> None:
    """A form with files is charged once, and its parsed fields are in the journal."""
    files = [("reference_image", ("a.png", PNG, "image/png"))]
    data = {"model": "gpt-image-2", "prompt": "A", "size": "1024x1024"}
    response = proxy.generate(data=data, files=files)
    assert response.status_code == 200, response.text
    assert upstream.credits() == 112
    (exchange,) = proxy.exchanges()
    assert exchange.parsed_request is not None
    assert exchange.parsed_request.prompt == "A"
    assert len(exchange.parsed_request.references) == 1


def test_openai_sdk_works_through_the_proxy(upstream: LiveHub, proxy: LiveProxy) -> None:
    """The SDK needs the base URL of the proxy, and nothing else."""
    with OpenAI(base_url=proxy.url + "/api/v1", api_key=KEY, max_retries=0) as client:
        result = client.images.generate(**BODY)
        assert len(client.models.list().data) == 1
    assert result.model_extra["balance"]["credits"] == upstream.credits() == 112


def test_journal_does_not_hold_long_responses() -> None:
    """Only their length and digest, as for a hub; so memory does not grow with them."""
    contexts: list[RequestContext] = []
    content = b'{"data":"%b"}' % (3_000_000 * b"x")
    with (
        scripted_server(lambda request: Response(200, content)) as target,
        start_proxy(target) as proxy,
    ):
        proxy.api.observers.append(contexts.append)
        assert proxy.get("models").content == content
        (exchange,) = proxy.exchanges()
    assert exchange.response.length == len(content)
    (context,) = contexts
    assert isinstance(context, ProxyContext)
    assert (context.content, context.local_body, context.upstream) == (None, None, None)
