"""Requests before a malformed one are answered in order, then the connection closes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mockhub.domain.clock import SystemClock
from mockhub.web.limits import Limits
from tests.support.live_server import LiveHub, serve_hub
from tests.support.raw_http import (
    AUTH,
    MODELS,
    RawClient,
    connect,
    is_closed,
    post_request,
    read_responses,
    read_until_closed,
)

LIMITS = Limits(header_timeout=0.5, idle_timeout=0.5, keep_alive_timeout=60, lingering_time=0.5)
GOOD = b'{"model": "gpt-image-2", "prompt": "A lighthouse", "size": "1024x1024"}'
SLOW = b'{"model": "gpt-image-2", "prompt": "[[delay=200ms]]", "size": "1024x1024"}'
CHUNKED = post_request(b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
BAD_CHUNK = CHUNKED + b"zz\r\n"
CLOSE = MODELS[:-2] + b"Connection: close\r\n\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveHub]:
    with serve_hub(scenario="endless", limits=LIMITS, clock=SystemClock()) as started:
        yield started


def read_to_end(client: RawClient) -> bytes:
    """Read until the server closes the connection."""
    received = b""
    while data := client.recv(1 << 20):
        received += data
    return received


@pytest.mark.parametrize(
    "valid", [MODELS + MODELS, post_request(SLOW) + MODELS, MODELS + post_request(SLOW)]
)
@pytest.mark.parametrize("malformed", [BAD_CHUNK, b"\x00\r\n\r\n", CLOSE + b"\x00"])
@pytest.mark.parametrize("apart", [False, True], ids=["at-once", "apart"])
def test_requests_before_a_malformed_one_are_answered(
    server: LiveHub, valid: bytes, malformed: bytes, apart: bool
) -> None:
    """Valid requests get their responses before the error, or a last response that says close."""
    with connect(server) as client:
        if apart:
            client.sendall(valid)
            client.sendall(malformed)
        else:
            client.sendall(valid + malformed)
        statuses = [response.status for response in read_responses(client, count=4)]
        assert statuses[:2] == [200, 200]
        assert [*statuses, 200][:3] == 3 * [200] or statuses[2:] == [400]
        assert is_closed(client)


def test_response_before_a_malformed_request_closes(server: LiveHub) -> None:
    """A response that is still due says `connection: close` if a malformed request follows."""
    with connect(server) as client:
        client.sendall(post_request(SLOW) + BAD_CHUNK)
        (response,) = read_responses(client, count=2)
        assert response.status == 200
        assert b"connection: close" in response.head


def test_malformed_body_is_the_last_request(server: LiveHub) -> None:
    """A request with a malformed body gets the only response."""
    with connect(server) as client:
        client.sendall(BAD_CHUNK + MODELS)
        (response,) = read_responses(client, count=2)
        assert (response.status, response.json["error"]["code"]) == (400, "invalid_request")


def test_upgrade_of_http_1_0_is_ignored(server: LiveHub) -> None:
    """HTTP/1.0 gets one response and the connection closes, with an Upgrade header or without."""
    with connect(server) as client:
        client.sendall(MODELS.replace(b"1.1", b"1.0")[:-2] + UPGRADE + b"\r\n")
        assert read_to_end(client).count(b"HTTP/1.1 200 ") == 1


def test_pipelined_upgrades_are_answered_in_order(server: LiveHub) -> None:
    """Requests with and without Upgrade, with and without a body, keep their order."""
    upgrade = MODELS[:-2] + UPGRADE + b"\r\n"
    with_body = post_request(GOOD, UPGRADE.strip())
    chunked = CHUNKED[:-2] + UPGRADE + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
    with connect(server) as client:
        client.sendall(upgrade + with_body + MODELS + chunked + upgrade + post_request(b"no"))
        assert [response.status for response in read_responses(client, count=6)] == [
            200,
            200,
            200,
            200,
            200,
            400,
        ]


def test_response_survives_later_garbage(server: LiveHub) -> None:
    """A client that sends more after a malformed request still gets the response, not a reset."""
    with connect(server) as client:
        client.sendall(MODELS + b"\x00" + 3_000_000 * b"x")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client).count(b"HTTP/1.1 200 ") == 1


def test_pipelined_large_bodies_are_all_read(server: LiveHub) -> None:
    """Bodies above the buffer limit, behind a slow request, are read when their turn comes."""
    long_body = b'{"prompt": "%s"}' % (200_000 * b"x")
    with connect(server) as client:
        client.sendall(post_request(SLOW) + 5 * post_request(long_body) + MODELS)
        statuses = [response.status for response in read_responses(client, count=7)]
        assert statuses == [200, *5 * [400], 200]


def test_pipelined_expect_continue(server: LiveHub) -> None:
    """100 Continue is sent when the turn of its request has come, not before."""
    expecting = post_request(GOOD, b"Expect: 100-continue")
    with connect(server) as client:
        client.sendall(post_request(SLOW) + expecting + expecting.replace(AUTH, b"") + MODELS)
        received = read_to_end(client)
    statuses = [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"100", b"200", b"401"]


@pytest.mark.parametrize("other_connections", [0, 2])
def test_half_closed_client_gets_ready_responses(server: LiveHub, other_connections: int) -> None:
    """After a half-close every response that needs no waiting is sent."""
    with ExitStack() as others:
        for _ in range(other_connections):
            others.enter_context(connect(server))
        for _ in range(20):
            received = read_until_closed(server, 10 * (MODELS + post_request(GOOD)))
            assert received.count(b"HTTP/1.1 200 ") == 20


def test_half_closed_client_counts_as_disconnected(server: LiveHub) -> None:
    """A response that takes time is not sent after a half-close."""
    assert read_until_closed(server, post_request(SLOW) + MODELS) == b""
