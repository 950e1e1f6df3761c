"""Limits of a connection: headers, bodies, timeouts and the number of connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from mockhub.web.limits import Limits
from tests.conftest import Serve
from tests.support.live_server import BODY, KEY, LiveHub, serve_hub
from tests.support.raw_http import (
    AUTH,
    MODELS,
    connect,
    exchange,
    is_closed,
    post_request,
    read_responses,
)

HEAD = 4096
SENDING_TIME = 3  # seconds in which requests are sent without reading
LIMITS = Limits(
    max_header_bytes=HEAD,
    header_timeout=0.3,
    idle_timeout=0.3,
    request_timeout=1.0,
    keep_alive_timeout=0.5,
    lingering_time=0.5,
    max_connections=8,
    max_json_bytes=20_000,
)
GOOD = b'{"model": "gpt-image-2", "prompt": "A lighthouse", "size": "1024x1024"}'


def chunked_request(encoding: bytes) -> bytes:
    """Return a request whose body is one chunk, with this Transfer-Encoding."""
    head = post_request(b"", b"Transfer-Encoding: " + encoding)
    return head.replace(b"Content-Length: 0\r\n", b"") + b"%x\r\n%s\r\n0\r\n\r\n" % (
        len(GOOD),
        GOOD,
    )


@pytest.fixture(scope="module")
def server() -> Iterator[LiveHub]:
    with serve_hub(scenario="endless", limits=LIMITS) as started:
        yield started


def test_incomplete_headers_time_out(server: LiveHub) -> None:
    """A client that stops within its headers gets 408, and the connection closes."""
    with connect(server) as client:
        client.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: mo")
        (response,) = read_responses(client)
        assert (response.status, response.json["error"]["code"]) == (408, "http408")
        assert is_closed(client)


def test_slow_headers_time_out(server: LiveHub) -> None:
    """Headers that arrive byte by byte have no more time than others."""
    started = time.monotonic()
    with connect(server) as client:
        for byte in b"GET /api/v1/models HTTP/1.1\r\n" + b"X-Slow: " + bytes([97]) * 10_000:
            try:
                client.send(bytes([byte]))
            except OSError:
                break
            time.sleep(0.01)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/v1/models HTTP/1.1\r\nX-Long: " + HEAD * b"a" + b"\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nX-Long: " + HEAD * b"a",
        b"GET /" + HEAD * b"a" + b" HTTP/1.1\r\n\r\n",
        b"GET /" + HEAD * b"a",
        b"GET /api/v1/models HTTP/1.1\r\n" + 500 * b"X-Many: value\r\n" + b"\r\n",
        post_request(b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
        + b"0\r\n"
        + 500 * b"X-Trail: value\r\n"
        + b"\r\n",
    ],
    ids=["long", "endless", "target", "endless-target", "flood", "trailers"],
)
def test_too_large_headers_are_rejected(server: LiveHub, head: bytes) -> None:
    """A request line and headers above the limit are 431, complete or not."""
    (response,) = exchange(server, head)
    assert (response.status, response.json["error"]["code"]) == (431, "http431")
    assert b"connection: close" in response.head


def test_headers_below_the_limit_are_accepted(server: LiveHub) -> None:
    """Headers just below the limit are read, in any pieces."""
    head = MODELS[:-2] + b"X-Long: " + (HEAD - 100) * b"a" + b"\r\n\r\n"
    with connect(server) as client:
        for start in range(0, len(head), 1000):
            client.sendall(head[start : start + 1000])
            time.sleep(0.01)
        assert read_responses(client)[0].status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"HELLO WORLD\r\n\r\n",
        b"GET /api/v1/models HTTP/9.9\r\n\r\n",
        b"GET /api/v1/models HTTP/2.0\r\n\r\n",
        b"GET /api/v1/models HTTP/0.9\r\n\r\n",
        b"GET /api/v1/models HTTP/2.0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"GET /api/v1/\xff HTTP/1.1\r\n\r\n",
        b"GET /api/v1/mo\x00dels HTTP/1.1\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nNull: a\x00b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"CONNECT /api/v1/models HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        post_request(GOOD, b"Content-Length: 5"),
        post_request(GOOD, b"Transfer-Encoding: chunked"),
        post_request(GOOD, length=-1),
        post_request(GOOD).replace(b"Content-Length: ", b"Content-Length: +"),
        post_request(GOOD).replace(b"Content-Length: ", b"Content-Length: 99999999999999999999"),
        post_request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked, gzip"),
        post_request(b"zz\r\n", b"Transfer-Encoding: chunked").replace(
            b"Content-Length: 4\r\n", b""
        ),
        post_request(b"ffffffffffffffffff\r\n", b"Transfer-Encoding: chunked").replace(
            b"Content-Length: 20\r\n", b""
        ),
    ],
)
def test_malformed_request_is_rejected(server: LiveHub, raw: bytes) -> None:
    """What is not HTTP is 400 in the documented shape, and the connection closes."""
    with connect(server) as client:
        client.sendall(raw)
        (response,) = read_responses(client)
        assert (response.status, response.json["error"]["code"]) == (400, "invalid_request")
        assert is_closed(client)


def test_client_of_http2_learns_the_versions(server: LiveHub) -> None:
    """A client that begins with the preface of HTTP/2 learns which versions the server speaks."""
    with connect(server) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        (response,) = read_responses(client)
    message = "HTTP/2 is not supported; expected HTTP/1.1 or 1.0"
    assert response.json["error"]["message"] == message


@pytest.mark.parametrize(
    ("raw", "status", "expected"),
    [
        (chunked_request(b"gzip, chunked"), 501, "expected chunked"),
        (chunked_request(b"GZIP,chunked"), 501, "expected chunked"),
        (chunked_request(b"gzip\r\nTransfer-Encoding: chunked"), 501, "expected chunked"),
        (chunked_request(b"identity, chunked"), 501, "expected chunked"),
        (post_request(GOOD, b"Expect: other"), 417, "expected 100-continue"),
        (post_request(GOOD, b"Expect: 100-continue, other"), 417, "expected 100-continue"),
        (MODELS.replace(b"\r\n\r\n", b"\r\nExpect: other\r\n\r\n"), 417, "100-continue"),
    ],
)
def test_unsupported_encoding_or_expectation_is_rejected(
    server: LiveHub, raw: bytes, status: int, expected: str
) -> None:
    """It is 501 or 417 (RFC 9112, 6.1; RFC 9110, 10.1.1); nothing is charged."""
    before = server.credits()
    with connect(server) as client:
        client.sendall(raw)
        (response,) = read_responses(client)
        assert (response.status, response.json["error"]["code"]) == (status, f"http{status}")
        assert expected in response.json["error"]["message"]
        assert is_closed(client)
    assert server.credits() == before


@pytest.mark.parametrize("raw", [b"Chunked", b" chunked "])
def test_spelling_of_chunked_does_not_matter(server: LiveHub, raw: bytes) -> None:
    assert [one.status for one in exchange(server, chunked_request(raw))] == [200]


def test_pipelined_requests_are_answered_in_order(server: LiveHub) -> None:
    """Requests that are sent at once get their responses one after the other."""
    raw = [post_request(GOOD), MODELS, post_request(b"no"), MODELS]
    responses = exchange(server, b"".join(raw), count=4)
    assert [response.status for response in responses] == [200, 200, 400, 200]
    assert responses[0].json["object"] == "image_generation"


def test_thousand_pipelined_requests_are_answered(server: LiveHub) -> None:
    """A thousand requests that are sent at once get a thousand responses."""
    assert [response.status for response in exchange(server, 1000 * MODELS, count=1000)] == 1000 * [
        200
    ]


def test_valid_request_before_garbage_is_answered(server: LiveHub) -> None:
    """What precedes the first malformed byte is answered; what follows it is not."""
    raw = post_request(GOOD) + b"\x00garbage\r\n\r\n" + MODELS
    assert [response.status for response in exchange(server, raw, count=3)] == [200]


def test_rejected_upload_keeps_the_connection(server: LiveHub) -> None:
    """The rest of a body that was answered early is skipped, and the next request is read."""
    upload = (
        post_request(b"")
        .replace(AUTH, b"")
        .replace(b"Content-Length: 0", b"Content-Length: 3000000")
    )
    with connect(server) as client:
        client.sendall(upload)
        assert read_responses(client)[0].status == 401
        client.sendall(3_000_000 * b"x" + MODELS)
        assert read_responses(client)[0].status == 200


def test_incomplete_body_times_out(server: LiveHub) -> None:
    """A body that stops is rejected after the idle timeout."""
    with connect(server) as client:
        client.sendall(post_request(GOOD[:20], length=len(GOOD)))
        (response,) = read_responses(client)
        assert response.json["error"]["code"] == "invalid_request"


def test_slow_body_times_out(server: LiveHub) -> None:
    """A body that arrives byte by byte is rejected after the request timeout."""
    with connect(server) as client:
        client.sendall(post_request(b"", length=10_000))
        client.settimeout(0.05)
        started, raw = time.monotonic(), b""
        while not raw and time.monotonic() - started < 5:
            client.sendall(b" ")
            try:
                raw = client.recv(65536)
            except TimeoutError:
                continue
    assert raw.startswith(b"HTTP/1.1 408 "), raw


def test_idle_connection_is_closed(server: LiveHub) -> None:
    """A connection without requests is closed without a response."""
    with connect(server) as client:
        assert is_closed(client)
    with connect(server) as client:
        client.sendall(MODELS)
        assert read_responses(client)[0].status == 200
        assert is_closed(client)


def test_too_many_connections_are_rejected() -> None:
    """One connection too many gets 503; the others are not affected."""
    # A server of its own: it counts closed connections until it has read their end.
    with (
        serve_hub(limits=LIMITS) as limited_server,
        connect(limited_server) as first,
        ExitStack() as others,
    ):
        first.sendall(MODELS)
        assert read_responses(first)[0].status == 200
        for _ in range(LIMITS.max_connections + 2):
            last = others.enter_context(connect(limited_server))
        (response,) = read_responses(last)
        assert (response.status, response.json["error"]["code"]) == (503, "http503")
        first.sendall(MODELS)
        assert read_responses(first)[0].status == 200


def test_expect_continue_is_answered(server: LiveHub) -> None:
    """`Expect: 100-continue` gets 100 Continue, and then the response."""
    with connect(server) as client:
        client.sendall(post_request(b"", b"Expect: 100-continue", length=len(GOOD)))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(GOOD)
        assert read_responses(client)[0].status == 200


def test_expect_continue_may_be_rejected(server: LiveHub) -> None:
    """`Expect: 100-continue` without a key is 401 at once, and the connection closes."""
    raw = post_request(b"", b"Expect: 100-continue", length=50_000_000).replace(AUTH, b"")
    with connect(server) as client:
        client.sendall(raw)
        (response,) = read_responses(client)
        assert response.status == 401
        assert b"connection: close" in response.head
        assert is_closed(client)


def test_upgrade_is_ignored(server: LiveHub) -> None:
    """A client that offers HTTP/2 or a WebSocket gets HTTP/1.1 and can continue with it."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    with connect(server) as client:
        client.sendall(MODELS[:-2] + offer + b"\r\n")
        assert read_responses(client)[0].status == 200
        client.sendall(post_request(GOOD, offer.strip()))
        assert read_responses(client)[0].status == 200


@pytest.mark.parametrize("target", [b"http://other.example/api/v1/models", b"/api/v1/models?a=b#c"])
def test_target_may_be_an_absolute_url(server: LiveHub, target: bytes) -> None:
    """Whatever host a request target names, its path counts."""
    (response,) = exchange(server, b"GET %s HTTP/1.1\r\nHost: evil.example\r\n\r\n" % target)
    assert response.status == 200


def test_http_1_0_gets_one_response(server: LiveHub) -> None:
    """HTTP/1.0 needs no Host header and gets one response per connection."""
    with connect(server) as client:
        client.sendall(b"GET /api/v1/models HTTP/1.0\r\n\r\n")
        assert read_responses(client)[0].status == 200
        assert is_closed(client)


def test_client_that_does_not_read_is_disconnected(server: LiveHub) -> None:
    """Responses that are not read do not accumulate."""
    with connect(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # filled at once
        client.settimeout(0.5)
        started = time.monotonic()
        try:
            while time.monotonic() - started < SENDING_TIME:
                client.sendall(100 * MODELS)
        except (TimeoutError, ConnectionError):
            pass
        client.settimeout(60)
        time.sleep(1)
        try:
            while client.recv(1 << 20):
                pass
        except ConnectionError:
            pass
    assert server.get("models").status_code == 200


def test_limits_are_command_line_options(serve: Serve) -> None:
    """`mockhub serve` takes the limits as options."""
    long = {"X-Long": 600 * "a"}
    with serve("--max-header-size", "500", "--max-json-size", "10") as started:
        models = f"{started.url}/api/v1/models"
        assert [httpx.get(models, headers=head).status_code for head in ({}, long)] == [200, 431]
        generations = f"{started.url}/api/v1/images/generations"
        response = httpx.post(generations, json=BODY, headers={"Authorization": f"Bearer {KEY}"})
        assert "at most 10 bytes" in response.json()["error"]["message"]


def test_server_still_works(server: LiveHub) -> None:
    """After all of that a valid request is answered."""
    assert server.generate(BODY).status_code == 200
