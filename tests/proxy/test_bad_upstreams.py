"""Whatever the upstream does, the client gets a clear error in the documented shape."""

from __future__ import annotations

import asyncio
import gzip
import select
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import httpx
import pytest

from benchmarks.servers import free_port
from mockhub.proxy.upstream import UpstreamTimeouts
from tests.proxy.support import TIMEOUTS, raw_server, read_head, reply_with, start_proxy, wait_until
from tests.support.live_server import KEY
from tests.support.raw_http import connect, post_request, read_responses
from tests.support.scripted_server import CERTIFICATE, Request, Response, scripted_server

SHORT = UpstreamTimeouts(connect=30, response=0.3, safe=0.3, idle=0.3)
BALANCE = b'{"credits":5,"account_type":"PRO","next_expiration":null}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BALANCE),
    BALANCE,
)


def error_of(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error) == {"message", "code"}
    assert KEY not in error["message"]
    assert response.headers["x-mockhub-proxy"] == error["code"]
    assert response.headers["access-control-allow-origin"] == "*"
    return response.status_code, error["code"]


def ask(target: str, timeouts: UpstreamTimeouts = TIMEOUTS, ca_file: Path | None = None) -> str:
    """Send a GET and a POST through a proxy; return the status and code, which are the same."""
    with start_proxy(target, timeouts=timeouts, ca_file=ca_file) as proxy:
        got, posted = error_of(proxy.get("credits")), error_of(proxy.generate({}))
        assert got == posted
        assert [(one.status, one.code) for one in proxy.exchanges()] == [got, got]
    return f"{got[0]} {got[1]}"


def test_closed_port_is_502() -> None:
    assert ask(f"http://127.0.0.1:{free_port()}") == "502 upstreamUnreachable"


def test_unknown_host_is_502() -> None:
    assert ask("http://no-such-host.invalid") == "502 upstreamUnreachable"


REPLIES = {
    "garbage": b"\x16\x03\x01 this is no HTTP\r\n\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "an unfinished chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    "only 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "bytes behind the response": OK + b"trash",
    "a long header": b"HTTP/1.1 200 OK\r\nX-A: %b\r\n\r\n" % (200_000 * b"a"),
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: a\r\n" * 100_000,
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_invalid_responses_are_502(reply: bytes) -> None:
    with raw_server(reply_with(reply)) as target:
        assert ask(target) == "502 upstreamInvalidResponse"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_silent_upstreams_are_504(start: bytes) -> None:
    """An upstream that stops sending, before or within its response, is not waited for."""

    def hang(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(start)
        connection.recv(65536)  # until the proxy closes the connection, or has sent its body
        connection.recv(65536)

    with raw_server(hang) as target:
        assert ask(target, SHORT) == "504 upstreamTimeout"


def test_stopped_proxy_says_so() -> None:
    """A client that waits when the proxy ends learns why, and that it may have paid."""
    has_arrived = Event()

    def hang(connection: socket.socket) -> None:
        read_head(connection)
        has_arrived.set()
        while connection.recv(65536):
            pass

    with (
        raw_server(hang) as target,
        start_proxy(target) as proxy,
        ThreadPoolExecutor(1) as threads,
    ):
        response = threads.submit(proxy.generate, {})
        assert has_arrived.wait(30)
        proxy.server.stop()
        assert error_of(response.result(30)) == (502, "proxyStopped")
        assert "may have charged it" in response.result().json()["error"]["message"]


def test_endless_responses_are_limited_in_size_and_time() -> None:
    """A response of the API that does not end is given up; a slow one too."""

    def flood(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(100_000 * b" ")

    with raw_server(flood) as target:
        assert ask(target) == "502 upstreamResponseTooLarge"

    def drip(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.settimeout(0.05)
        while True:
            connection.sendall(b" ")
            with suppress(TimeoutError):
                if not connection.recv(65536):
                    return

    with raw_server(drip) as target:
        assert ask(target, UpstreamTimeouts(30, 0.5, 0.5, 30)) == "504 upstreamTimeout"


def test_gzip_bomb_is_not_expanded() -> None:
    bomb = gzip.compress(bytes(30_000_000), 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with raw_server(reply_with(head, bomb)) as target:
        assert ask(target) == "502 upstreamResponseTooLarge"


def test_redirects_are_502_and_the_key_does_not_follow() -> None:
    """The other host, also on the same machine, gets no request at all."""
    asked: list[Request] = []

    def other(request: Request) -> Response:
        asked.append(request)
        return Response(200, BALANCE)

    with scripted_server(other) as elsewhere:
        target = f"{elsewhere}/api/v1/credits?key={KEY}"
        location = f"Location: {target}\r\nContent-Length: 0\r\n\r\n".encode()
        for status in (301, 302, 303, 307, 308):
            with raw_server(reply_with(b"HTTP/1.1 %d X\r\n" % status + location)) as target:
                assert ask(target) == "502 upstreamRedirect"
    assert asked == []


def test_tls_certificates_are_verified() -> None:
    """An unknown certificate is a 502; with --ca-file it is trusted, for its own host only."""
    with scripted_server(lambda request: Response(200, BALANCE), tls=True) as url:
        assert ask(url) == "502 upstreamTls"
        with start_proxy(url) as proxy:
            message = proxy.get("credits").json()["error"]["message"]
        assert message.endswith("; give --ca-file FILE to trust it")
        target = url.replace("127.0.0.1", "localhost")
        with start_proxy(target, ca_file=CERTIFICATE) as proxy:
            assert proxy.get("credits").json()["credits"] == 5
    with raw_server(lambda connection: connection.sendall(OK)) as target:
        secure = target.replace("http://", "https://")
        assert ask(secure) == "502 upstreamTls"
    with raw_server(lambda connection: None) as target:
        assert ask(target.replace("http://", "https://")) == "502 upstreamTls"


GOOD_REPLIES = {
    "HTTP/1.0 without a length": b"HTTP/1.0 200 OK\r\n\r\n" + BALANCE,
    "1xx before the response": b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 E\r\nX: y\r\n\r\n"
    + OK,
    "gzip without being asked": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    + gzip.compress(BALANCE),
}


def test_encoded_response_whose_urls_change_is_decoded() -> None:
    """The client gets the URL of the proxy in a body that fits its headers."""
    body = gzip.compress(b'{"id":"g","poll_url":"http://elsewhere/api/v1/generations/g"}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw_server(reply_with(head, body)) as target, start_proxy(target) as proxy:
        response = proxy.get("generations/g")
        assert response.json()["poll_url"] == f"{proxy.url}/api/v1/generations/g"
        assert "content-encoding" not in response.headers


@pytest.mark.parametrize("reply", GOOD_REPLIES.values(), ids=GOOD_REPLIES)
def test_unusual_responses_are_passed_on(reply: bytes) -> None:
    with raw_server(reply_with(reply)) as target, start_proxy(target) as proxy:
        for _ in range(3):
            assert proxy.get("credits").json()["credits"] == 5
        (exchange, *_) = proxy.exchanges()
        assert b"x" not in dict(exchange.response_headers)


def test_hop_by_hop_headers_are_not_passed_on() -> None:
    """Connection headers, and those that Connection names, stay on their side."""
    heads: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
            b"X-End: 2\r\nContent-Length: %d\r\n\r\n%b" % (len(BALANCE), BALANCE)
        )

    sent = {"Connection": "X-Mine", "X-Mine": "1", "TE": "trailers", "Proxy-Authorization": "a"}
    with raw_server(serve) as target, start_proxy(target) as proxy:
        sent |= {"X-End": "3", "X-Mockhub": "delay=1ms", "Expect": "100-continue"}
        response = proxy.get("credits", headers=sent)
    (head,) = [head.lower() for head in heads]
    assert not {"x-hop", "keep-alive"} & set(response.headers)
    assert response.headers["x-end"] == "2"
    assert b"x-end: 3" in head
    assert head.count(b"\r\nhost: 127.0.0.1:%d\r\n" % int(target.split(":")[2].split("/")[0])) == 1
    for name in (b"x-mine", b"\r\nte:", b"proxy-authorization", b"x-mockhub", b"expect"):
        assert name not in head


@contextmanager
def stalled_upstream() -> Iterator[tuple[str, Event, Event]]:
    """Yield the URL of an upstream that reads no body.

    The first event is set when it has read the head, the second one when it is disconnected.
    """
    has_begun, has_ended = Event(), Event()

    def stall(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        poll = select.poll()
        poll.register(connection, select.POLLHUP)
        with suppress(ConnectionError):
            read_head(connection)
            has_begun.set()
            if not poll.poll(30_000):
                return
        has_ended.set()

    with raw_server(stall) as target:
        yield target, has_begun, has_ended


PATIENT = UpstreamTimeouts(connect=30, response=300, safe=300, idle=300)
UPLOAD = {"reference_image": ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(20_000_000), "image/png")}
FIELDS = {"model": "gpt-image-2", "prompt": "A"}


def test_upstream_that_reads_no_body_is_504() -> None:
    """The limit is on its silence, not on the time that a generation may take.

    The connection, whose data it may never read, is closed.
    """
    timeouts = UpstreamTimeouts(connect=30, response=100, safe=100, idle=0.5)
    with (
        stalled_upstream() as (target, _, has_ended),
        start_proxy(target, timeouts=timeouts) as proxy,
    ):
        response = proxy.generate(data=FIELDS, files=UPLOAD)
        assert has_ended.wait(30)
    assert error_of(response) == (504, "upstreamTimeout")
    assert "read nothing of the request in 0.5 s" in response.json()["error"]["message"]


def test_client_that_leaves_ends_a_stalled_upload() -> None:
    """The proxy does not wait until the upstream reads on."""
    # A reset: the end of a connection arrives only behind what was sent.
    head = b"POST /api/v1/files HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n"
    with (
        stalled_upstream() as (target, has_begun, has_ended),
        start_proxy(target, timeouts=PATIENT) as proxy,
    ):
        with connect(proxy) as client:
            client.sendall(head + bytes(1_000_000))
            assert has_begun.wait(30)
            client.settimeout(0.5)
            with suppress(TimeoutError):
                client.sendall(bytes(80_000_000))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert has_ended.wait(30)
        wait_until(proxy.exchanges)
        assert [one.client_disconnected for one in proxy.exchanges()] == [True]


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_stop_during_an_upload_is_502(size: int) -> None:
    """Whether the client has sent too little to forward, or the upstream reads nothing."""

    def is_processed() -> bool:
        return any(task.get_name() == "request" for task in asyncio.all_tasks())

    with (
        stalled_upstream() as (target, *_),
        start_proxy(target, timeouts=PATIENT) as proxy,
        connect(proxy) as client,
    ):
        client.settimeout(0.5)
        with suppress(TimeoutError):
            client.sendall(post_request(bytes(size), length=90_000_000))
        wait_until(lambda: proxy.server.call(is_processed))
        proxy.server.stop()
        client.settimeout(30)
        (response,) = read_responses(client)
        assert (response.status, response.json["error"]["code"]) == (502, "proxyStopped")
        assert "charged" not in response.json["error"]["message"]
        assert [one.code for one in proxy.api.hub.journal] == ["proxyStopped"]


def test_request_that_arrives_during_the_stop_is_502() -> None:
    """It is neither sent nor read to its end."""
    with start_proxy("http://127.0.0.1:9") as proxy, connect(proxy) as client:
        proxy.server.call(proxy.api.upstream.close)
        client.sendall(post_request(b"{", length=1000))
        (response,) = read_responses(client)
    assert (response.status, response.json["error"]["code"]) == (502, "proxyStopped")


def test_early_response_ends_an_upload() -> None:
    """A 401 before the body was read reaches the client, which is still sending."""

    def refuse(connection: socket.socket) -> None:
        read_head(connection)
        body = b'{"error":{"message":"Invalid API key","code":"invalidApiKey"}}'
        head = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        while connection.recv(65536):
            pass

    with raw_server(refuse) as target, start_proxy(target) as proxy:
        response = proxy.generate(data=FIELDS, files=UPLOAD)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalidApiKey")


def test_connections_are_kept_for_safe_requests() -> None:
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        connections.append(connection)
        while read_head(connection):
            connection.sendall(OK)

    with raw_server(serve) as target, start_proxy(target) as proxy:
        for _ in range(3):
            assert proxy.get("credits").status_code == 200
    assert len(connections) == 1


def test_closed_idle_connection_is_replaced() -> None:
    """A connection that the upstream closed while it was idle costs the client nothing."""
    with raw_server(reply_with(OK)) as target, start_proxy(target) as proxy:
        for _ in range(5):
            assert proxy.get("credits").status_code == 200


def test_request_that_may_be_charged_gets_a_new_connection() -> None:
    """The upstream may close a used one at any moment, and the request is not sent twice."""

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(OK)
        connection.recv(1)

    with raw_server(serve) as target, start_proxy(target) as proxy:
        assert [proxy.generate(content=b"").status_code for _ in range(3)] == [200] * 3


def test_safe_requests_are_not_waited_for_as_long_as_generations() -> None:
    timeouts = UpstreamTimeouts(response=800, safe=60)
    assert [timeouts.of(method) for method in ("GET", "HEAD", "POST")] == [60, 60, 800]
    assert UpstreamTimeouts(response=5, safe=60).of("GET") == 5


def test_cut_stream_closes_the_client_connection() -> None:
    """An image that breaks off does not look complete."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"
    chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    with raw_server(reply_with(chunk)) as target, start_proxy(target) as proxy:
        with pytest.raises(httpx.TransportError):
            proxy.client.get("/images/1.png")
        assert proxy.exchanges()[-1].code == "upstreamInvalidResponse"
    with raw_server(reply_with(reply, b"hello")) as target, start_proxy(target) as proxy:
        assert proxy.client.get("/images/1.png").content == b"hello"
