"""What a connection bears: heads, bodies, silence and crowds."""

from __future__ import annotations

import time
from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def server() -> Iterator[LiveHub]:
    with serve_hub(scenario="endless", limits=LIMITS) as started:
        yield started


def test_head_that_does_not_end_is_refused(server: LiveHub) -> None:
    """A client that stops within its headers is told so, and let go."""
    with connect(server) as line:
        line.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: mo")
        (reply,) = read_responses(line)
        assert (reply.status, reply.json["error"]["code"]) == (408, "http408")
        assert is_closed(line)


def test_slow_head_is_refused_however_steady(server: LiveHub) -> None:
    """Headers that come byte by byte have as little time as any."""
    began = time.monotonic()
    with connect(server) as line:
        for byte in b"GET /api/v1/models HTTP/1.1\r\n" + b"X-Slow: " + bytes([97]) * 10_000:
            try:
                line.send(bytes([byte]))
            except OSError:
                break
            time.sleep(0.01)
        assert time.monotonic() - began < 5


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
def test_head_above_the_limit_is_refused(server: LiveHub, head: bytes) -> None:
    """A request line and headers of more than the limit are 431, be they sent whole or not."""
    (reply,) = exchange(server, head)
    assert (reply.status, reply.json["error"]["code"]) == (431, "http431")
    assert b"connection: close" in reply.head


def test_head_below_the_limit_is_taken(server: LiveHub) -> None:
    """Headers of nearly the limit are read, however they come."""
    head = MODELS[:-2] + b"X-Long: " + (HEAD - 100) * b"a" + b"\r\n\r\n"
    with connect(server) as line:
        for start in range(0, len(head), 1000):
            line.sendall(head[start : start + 1000])
            time.sleep(0.01)
        assert read_responses(line)[0].status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"HELLO WORLD\r\n\r\n",
        b"GET /api/v1/models HTTP/9.9\r\n\r\n",
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
def test_no_http_is_refused_in_our_words(server: LiveHub, raw: bytes) -> None:
    """What is not HTTP is answered 400 in the documented shape, and the connection ends."""
    with connect(server) as line:
        line.sendall(raw)
        (reply,) = read_responses(line)
        assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
        assert is_closed(line)


def test_pipelined_requests_are_answered_in_their_order(server: LiveHub) -> None:
    """Requests sent in one go get their answers one after the other."""
    first, second, *_ = raw = [post_request(GOOD), MODELS, post_request(b"no"), MODELS]
    found = exchange(server, b"".join(raw), count=4)
    assert [reply.status for reply in found] == [200, 200, 400, 200]
    assert found[0].json["object"] == "image_generation"


def test_many_pipelined_requests_are_all_answered(server: LiveHub) -> None:
    """A thousand requests in one go get a thousand answers."""
    assert [reply.status for reply in exchange(server, 1000 * MODELS, count=1000)] == 1000 * [200]


def test_good_request_before_garbage_is_answered(server: LiveHub) -> None:
    """What comes before the first byte that is not HTTP counts; what comes after does not."""
    found = exchange(server, post_request(GOOD) + b"\x00garbage\r\n\r\n" + MODELS, count=3)
    assert [reply.status for reply in found] == [200]


def test_refused_upload_leaves_the_connection_good(server: LiveHub) -> None:
    """An answer may come before the body has; the rest of it is skipped, the next request read."""
    upload = (
        post_request(b"")
        .replace(AUTH, b"")
        .replace(b"Content-Length: 0", b"Content-Length: 3000000")
    )
    with connect(server) as line:
        line.sendall(upload)
        assert read_responses(line)[0].status == 401
        line.sendall(3_000_000 * b"x" + MODELS)
        assert read_responses(line)[0].status == 200


def test_half_a_body_does_not_hold_the_connection(server: LiveHub) -> None:
    """A body that breaks off is refused after the time that silence may last."""
    with connect(server) as line:
        line.sendall(post_request(GOOD[:20], length=len(GOOD)))
        (reply,) = read_responses(line)
        assert reply.json["error"]["code"] == "invalid_request"


def test_body_that_trickles_has_its_time(server: LiveHub) -> None:
    """A body that comes byte by byte, never silent, is refused after the time for a request."""
    with connect(server) as line:
        line.sendall(post_request(b"", length=10_000))
        line.settimeout(0.05)
        began, raw = time.monotonic(), b""
        while not raw and time.monotonic() - began < 5:
            line.sendall(b" ")
            try:
                raw = line.recv(65536)
            except TimeoutError:
                continue
    assert raw.startswith(b"HTTP/1.1 408 "), raw


def test_silent_connection_is_closed(server: LiveHub) -> None:
    """A connection that asks nothing is closed without a word."""
    with connect(server) as line:
        assert is_closed(line)
    with connect(server) as line:
        line.sendall(MODELS)
        assert read_responses(line)[0].status == 200
        assert is_closed(line)


def test_crowd_above_the_limit_is_turned_away(server: LiveHub) -> None:
    """One connection too many is told so; those that were there go on."""
    with connect(server) as first:
        first.sendall(MODELS)
        assert read_responses(first)[0].status == 200
        crowd = [connect(server) for _ in range(LIMITS.max_connections + 2)]
        lines = [one.__enter__() for one in crowd]
        (reply,) = read_responses(lines[-1])
        assert (reply.status, reply.json["error"]["code"]) == (503, "http503")
        first.sendall(MODELS)
        assert read_responses(first)[0].status == 200
        for one in crowd:
            one.__exit__(None, None, None)


def test_client_that_asks_before_sending_is_asked_to(server: LiveHub) -> None:
    """`Expect: 100-continue` gets its 100, and then the answer."""
    with connect(server) as line:
        line.sendall(post_request(b"", b"Expect: 100-continue", length=len(GOOD)))
        assert line.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(GOOD)
        assert read_responses(line)[0].status == 200


def test_client_that_asks_before_sending_may_be_refused(server: LiveHub) -> None:
    """`Expect: 100-continue` without a key is refused at once, and the connection ends."""
    asked = post_request(b"", b"Expect: 100-continue", length=50_000_000).replace(AUTH, b"")
    with connect(server) as line:
        line.sendall(asked)
        (reply,) = read_responses(line)
        assert reply.status == 401
        assert b"connection: close" in reply.head
        assert is_closed(line)


def test_other_protocols_are_not_taken_up(server: LiveHub) -> None:
    """A client that offers HTTP/2 or a WebSocket is answered in HTTP/1.1, and may go on so."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    with connect(server) as line:
        line.sendall(MODELS[:-2] + offer + b"\r\n")
        assert read_responses(line)[0].status == 200
        line.sendall(post_request(GOOD, offer.strip()))
        assert read_responses(line)[0].status == 200


@pytest.mark.parametrize("target", [b"http://other.example/api/v1/models", b"/api/v1/models?a=b#c"])
def test_target_may_be_a_whole_address(server: LiveHub, target: bytes) -> None:
    """Whatever host a request names, the path counts."""
    (reply,) = exchange(server, b"GET %s HTTP/1.1\r\nHost: evil.example\r\n\r\n" % target)
    assert reply.status == 200


def test_old_clients_are_answered_and_left(server: LiveHub) -> None:
    """HTTP/1.0 needs no Host and gets one answer a connection."""
    with connect(server) as line:
        line.sendall(b"GET /api/v1/models HTTP/1.0\r\n\r\n")
        assert read_responses(line)[0].status == 200
        assert is_closed(line)


def test_client_that_does_not_read_is_let_go(server: LiveHub) -> None:
    """Answers that nobody reads do not pile up for ever."""
    with connect(server) as line:
        line.settimeout(0.5)
        began = time.monotonic()
        try:
            while time.monotonic() - began < PATIENCE_WITH_A_CLOGGED_LINE:
                line.sendall(100 * MODELS)
        except (TimeoutError, ConnectionError):
            pass
        line.settimeout(5)
        time.sleep(1)
        try:
            while line.recv(1 << 20):
                pass
        except ConnectionError:
            pass
    assert server.get("models").status_code == 200


PATIENCE_WITH_A_CLOGGED_LINE = 3


def test_limits_are_options(serve: Serve) -> None:
    """`mockhub serve` takes the limits on its command line."""
    long = {"X-Long": 600 * "a"}
    with serve("--max-header-size", "500", "--max-json-size", "10") as started:
        models = f"{started.url}/api/v1/models"
        assert [httpx.get(models, headers=head).status_code for head in ({}, long)] == [200, 431]
        generations = f"{started.url}/api/v1/images/generations"
        answer = httpx.post(generations, json=BODY, headers={"Authorization": f"Bearer {KEY}"})
        assert "at most 10 bytes" in answer.json()["error"]["message"]


def test_the_world_is_as_it_was(server: LiveHub) -> None:
    """After all of that a good request is answered."""
    assert server.generate(BODY).status_code == 200
