"""What a connection bears: heads, bodies, silence and crowds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from mockhub.web.limits import Limits
from tests.conftest import Serve
from tests.support.live_server import BODY, KEY, Live, live
from tests.support.raw_http import AUTH, MODELS, ask, closed, connected, post, replies

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
def server() -> Iterator[Live]:
    with live(scenario="endless", limits=LIMITS) as started:
        yield started


def test_head_that_does_not_end_is_refused(server: Live) -> None:
    """A client that stops within its headers is told so, and let go."""
    with connected(server) as line:
        line.sendall(b"GET /api/v1/models HTTP/1.1\r\nHost: mo")
        (reply,) = replies(line)
        assert (408, "http408") == (reply.status, reply.json["error"]["code"])
        assert closed(line)


def test_slow_head_is_refused_however_steady(server: Live) -> None:
    """Headers that come byte by byte have as little time as any."""
    began = time.monotonic()
    with connected(server) as line:
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
        post(b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
        + b"0\r\n"
        + 500 * b"X-Trail: value\r\n"
        + b"\r\n",
    ],
    ids=["long", "endless", "target", "endless-target", "flood", "trailers"],
)
def test_head_above_the_limit_is_refused(server: Live, head: bytes) -> None:
    """A request line and headers of more than the limit are 431, be they sent whole or not."""
    (reply,) = ask(server, head)
    assert (431, "http431") == (reply.status, reply.json["error"]["code"])
    assert b"connection: close" in reply.head


def test_head_below_the_limit_is_taken(server: Live) -> None:
    """Headers of nearly the limit are read, however they come."""
    head = MODELS[:-2] + b"X-Long: " + (HEAD - 100) * b"a" + b"\r\n\r\n"
    with connected(server) as line:
        for start in range(0, len(head), 1000):
            line.sendall(head[start : start + 1000])
            time.sleep(0.01)
        assert 200 == replies(line)[0].status


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
        post(GOOD, b"Content-Length: 5"),
        post(GOOD, b"Transfer-Encoding: chunked"),
        post(GOOD, length=-1),
        post(GOOD).replace(b"Content-Length: ", b"Content-Length: +"),
        post(GOOD).replace(b"Content-Length: ", b"Content-Length: 99999999999999999999"),
        post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked, gzip"),
        post(b"zz\r\n", b"Transfer-Encoding: chunked").replace(b"Content-Length: 4\r\n", b""),
        post(b"ffffffffffffffffff\r\n", b"Transfer-Encoding: chunked").replace(
            b"Content-Length: 20\r\n", b""
        ),
    ],
)
def test_no_http_is_refused_in_our_words(server: Live, raw: bytes) -> None:
    """What is not HTTP is answered 400 in the documented shape, and the connection ends."""
    with connected(server) as line:
        line.sendall(raw)
        (reply,) = replies(line)
        assert (400, "invalid_request") == (reply.status, reply.json["error"]["code"])
        assert closed(line)


def test_pipelined_requests_are_answered_in_their_order(server: Live) -> None:
    """Requests sent in one go get their answers one after the other."""
    first, second, *_ = raw = [post(GOOD), MODELS, post(b"no"), MODELS]
    found = ask(server, b"".join(raw), count=4)
    assert [200, 200, 400, 200] == [reply.status for reply in found]
    assert "image_generation" == found[0].json["object"]


def test_many_pipelined_requests_are_all_answered(server: Live) -> None:
    """A thousand requests in one go get a thousand answers."""
    assert 1000 * [200] == [reply.status for reply in ask(server, 1000 * MODELS, count=1000)]


def test_good_request_before_garbage_is_answered(server: Live) -> None:
    """What comes before the first byte that is not HTTP counts; what comes after does not."""
    found = ask(server, post(GOOD) + b"\x00garbage\r\n\r\n" + MODELS, count=3)
    assert [200] == [reply.status for reply in found]


def test_refused_upload_leaves_the_connection_good(server: Live) -> None:
    """An answer may come before the body has; the rest of it is skipped, the next request read."""
    upload = post(b"").replace(AUTH, b"").replace(b"Content-Length: 0", b"Content-Length: 3000000")
    with connected(server) as line:
        line.sendall(upload)
        assert 401 == replies(line)[0].status
        line.sendall(3_000_000 * b"x" + MODELS)
        assert 200 == replies(line)[0].status


def test_half_a_body_does_not_hold_the_connection(server: Live) -> None:
    """A body that breaks off is refused after the time that silence may last."""
    with connected(server) as line:
        line.sendall(post(GOOD[:20], length=len(GOOD)))
        (reply,) = replies(line)
        assert "invalid_request" == reply.json["error"]["code"]


def test_body_that_trickles_has_its_time(server: Live) -> None:
    """A body that comes byte by byte, never silent, is refused after the time for a request."""
    with connected(server) as line:
        line.sendall(post(b"", length=10_000))
        line.settimeout(0.05)
        began, raw = time.monotonic(), b""
        while not raw and time.monotonic() - began < 5:
            line.sendall(b" ")
            try:
                raw = line.recv(65536)
            except TimeoutError:
                continue
    assert raw.startswith(b"HTTP/1.1 408 "), raw


def test_silent_connection_is_closed(server: Live) -> None:
    """A connection that asks nothing is closed without a word."""
    with connected(server) as line:
        assert closed(line)
    with connected(server) as line:
        line.sendall(MODELS)
        assert 200 == replies(line)[0].status
        assert closed(line)


def test_crowd_above_the_limit_is_turned_away(server: Live) -> None:
    """One connection too many is told so; those that were there go on."""
    with connected(server) as first:
        first.sendall(MODELS)
        assert 200 == replies(first)[0].status
        crowd = [connected(server) for _ in range(LIMITS.max_connections + 2)]
        lines = [one.__enter__() for one in crowd]
        (reply,) = replies(lines[-1])
        assert (503, "http503") == (reply.status, reply.json["error"]["code"])
        first.sendall(MODELS)
        assert 200 == replies(first)[0].status
        for one in crowd:
            one.__exit__(None, None, None)


def test_client_that_asks_before_sending_is_asked_to(server: Live) -> None:
    """`Expect: 100-continue` gets its 100, and then the answer."""
    with connected(server) as line:
        line.sendall(post(b"", b"Expect: 100-continue", length=len(GOOD)))
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == line.recv(100)
        line.sendall(GOOD)
        assert 200 == replies(line)[0].status


def test_client_that_asks_before_sending_may_be_refused(server: Live) -> None:
    """`Expect: 100-continue` without a key is refused at once, and the connection ends."""
    asked = post(b"", b"Expect: 100-continue", length=50_000_000).replace(AUTH, b"")
    with connected(server) as line:
        line.sendall(asked)
        (reply,) = replies(line)
        assert 401 == reply.status
        assert b"connection: close" in reply.head
        assert closed(line)


def test_other_protocols_are_not_taken_up(server: Live) -> None:
    """A client that offers HTTP/2 or a WebSocket is answered in HTTP/1.1, and may go on so."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    with connected(server) as line:
        line.sendall(MODELS[:-2] + offer + b"\r\n")
        assert 200 == replies(line)[0].status
        line.sendall(post(GOOD, offer.strip()))
        assert 200 == replies(line)[0].status


@pytest.mark.parametrize("target", [b"http://other.example/api/v1/models", b"/api/v1/models?a=b#c"])
def test_target_may_be_a_whole_address(server: Live, target: bytes) -> None:
    """Whatever host a request names, the path counts."""
    (reply,) = ask(server, b"GET %s HTTP/1.1\r\nHost: evil.example\r\n\r\n" % target)
    assert 200 == reply.status


def test_old_clients_are_answered_and_left(server: Live) -> None:
    """HTTP/1.0 needs no Host and gets one answer a connection."""
    with connected(server) as line:
        line.sendall(b"GET /api/v1/models HTTP/1.0\r\n\r\n")
        assert 200 == replies(line)[0].status
        assert closed(line)


def test_client_that_does_not_read_is_let_go(server: Live) -> None:
    """Answers that nobody reads do not pile up for ever."""
    with connected(server) as line:
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
    assert 200 == server.get("models").status_code


PATIENCE_WITH_A_CLOGGED_LINE = 3


def test_limits_are_options(serve: Serve) -> None:
    """`mockhub serve` takes the limits on its command line."""
    long = {"X-Long": 600 * "a"}
    with serve("--max-header-size", "500", "--max-json-size", "10") as started:
        models = f"{started.url}/api/v1/models"
        assert [200, 431] == [httpx.get(models, headers=head).status_code for head in ({}, long)]
        generations = f"{started.url}/api/v1/images/generations"
        answer = httpx.post(generations, json=BODY, headers={"Authorization": f"Bearer {KEY}"})
        assert "at most 10 bytes" in answer.json()["error"]["message"]


def test_the_world_is_as_it_was(server: Live) -> None:
    """After all of that a good request is answered."""
    assert 200 == server.generate(BODY).status_code
