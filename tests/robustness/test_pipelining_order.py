"""What comes before trouble is answered, in its order, and then the connection ends."""

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
OFFER = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveHub]:
    with serve_hub(scenario="endless", limits=LIMITS, clock=SystemClock()) as started:
        yield started


def heard(line: RawClient) -> bytes:
    """All that is said until the connection ends."""
    said = b""
    while piece := line.recv(1 << 20):
        said += piece
    return said


@pytest.mark.parametrize(
    "good", [MODELS + MODELS, post_request(SLOW) + MODELS, MODELS + post_request(SLOW)]
)
@pytest.mark.parametrize("trouble", [BAD_CHUNK, b"\x00\r\n\r\n", CLOSE + b"\x00"])
@pytest.mark.parametrize("apart", [False, True], ids=["at-once", "apart"])
def test_trouble_does_not_overtake(
    server: LiveHub, good: bytes, trouble: bytes, apart: bool
) -> None:
    """Whole requests before a broken one get their own answers; the last of them says it is."""
    with connect(server) as line:
        if apart:
            line.sendall(good)
            line.sendall(trouble)
        else:
            line.sendall(good + trouble)
        answers = read_responses(line, count=4)
        statuses = [reply.status for reply in answers]
        assert statuses[:2] == [200, 200]
        assert [*statuses, 200][:3] == 3 * [200] or statuses[2:] == [400]
        assert is_closed(line)


def test_slow_request_before_a_broken_one_is_told_that_it_was_the_last(server: LiveHub) -> None:
    """While an answer waits, what comes behind it decides whether the connection goes on."""
    with connect(server) as line:
        line.sendall(post_request(SLOW) + BAD_CHUNK)
        (reply,) = read_responses(line, count=2)
        assert reply.status == 200
        assert b"connection: close" in reply.head


def test_broken_body_alone_is_refused(server: LiveHub) -> None:
    """A request whose body is no body gets the only answer."""
    with connect(server) as line:
        line.sendall(BAD_CHUNK + MODELS)
        (reply,) = read_responses(line, count=2)
        assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")


def test_offer_of_an_old_client_changes_nothing(server: LiveHub) -> None:
    """HTTP/1.0 gets one answer and the end of the connection, whatever it offers besides."""
    with connect(server) as line:
        line.sendall(MODELS.replace(b"1.1", b"1.0")[:-2] + OFFER + b"\r\n")
        assert heard(line).count(b"HTTP/1.1 200 ") == 1


def test_offers_in_a_row_are_answered_one_by_one(server: LiveHub) -> None:
    """Requests with and without an offer, with and without a body, keep their order."""
    offered = MODELS[:-2] + OFFER + b"\r\n"
    with_body = post_request(GOOD, OFFER.strip())
    chunked = CHUNKED[:-2] + OFFER + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
    with connect(server) as line:
        line.sendall(offered + with_body + MODELS + chunked + offered + post_request(b"no"))
        assert [one.status for one in read_responses(line, count=6)] == [
            200,
            200,
            200,
            200,
            200,
            400,
        ]


def test_answer_survives_what_comes_after_it(server: LiveHub) -> None:
    """A client that goes on after a broken request is heard out, not reset."""
    with connect(server) as line:
        line.sendall(MODELS + b"\x00" + 3_000_000 * b"x")
        line.shutdown(socket.SHUT_WR)
        assert heard(line).count(b"HTTP/1.1 200 ") == 1


def test_large_bodies_in_a_row_are_all_read(server: LiveHub) -> None:
    """Bodies of more than may wait, behind a slow request, are read when their turn comes."""
    long = b'{"prompt": "%s"}' % (200_000 * b"x")
    with connect(server) as line:
        line.sendall(post_request(SLOW) + 5 * post_request(long) + MODELS)
        assert [200, *5 * [400], 200] == [one.status for one in read_responses(line, count=7)]


def test_asking_first_in_a_row(server: LiveHub) -> None:
    """Requests that expect a 100 get it when their turn has come, not before."""
    asked = post_request(GOOD, b"Expect: 100-continue")
    with connect(server) as line:
        line.sendall(post_request(SLOW) + asked + asked.replace(AUTH, b"") + MODELS)
        said = heard(line)
    begun = [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert begun == [b"200", b"100", b"200", b"401"]


@pytest.mark.parametrize("crowd", [0, 2])
def test_client_that_has_said_all_is_told_all(server: LiveHub, crowd: int) -> None:
    """Who sends requests and ends its side gets every answer that takes no waiting."""
    with ExitStack() as others:
        for _ in range(crowd):
            others.enter_context(connect(server))
        for _ in range(20):
            said = read_until_closed(server, 10 * (MODELS + post_request(GOOD)))
            assert said.count(b"HTTP/1.1 200 ") == 20


def test_client_that_has_said_all_is_not_waited_for(server: LiveHub) -> None:
    """Who ends its side while an answer takes time has left."""
    assert read_until_closed(server, post_request(SLOW) + MODELS) == b""
