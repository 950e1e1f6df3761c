"""Where a body ends: chunks and lengths, honest and lying."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.live_server import LiveHub, serve_hub
from tests.support.raw_http import (
    AUTH,
    MODELS,
    connect,
    exchange,
    is_closed,
    post_request,
    read_responses,
)

GOOD = b'{"model": "gpt-image-2", "prompt": "A lighthouse", "size": "1024x1024"}'
SIZE = b"%x" % len(GOOD)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveHub]:
    with serve_hub(scenario="endless") as started:
        yield started


def chunked(body: bytes, *, coding: bytes = b"Transfer-Encoding: chunked") -> bytes:
    return post_request(b"", coding).replace(b"Content-Length: 0\r\n", b"") + body


@pytest.mark.parametrize(
    "body",
    [
        b"%s\r\n%s\r\n0\r\n\r\n" % (SIZE, GOOD),
        b"%s\r\n%s\r\n0\r\n\r\n" % (SIZE.upper(), GOOD),
        b"0000%s\r\n%s\r\n000\r\n\r\n" % (SIZE, GOOD),
        b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\n\r\n",
        b"%s;name=value\r\n%s\r\n0;last\r\n\r\n" % (SIZE, GOOD),
        b"%s\r\n%s\r\n0\r\nX-Trail: a\r\n\r\n" % (SIZE, GOOD),
    ],
    ids=["one", "upper", "zeros", "bytes", "extension", "trailer"],
)
def test_chunks_make_a_body(server: LiveHub, body: bytes) -> None:
    """A body may come in chunks of any size, and what follows it is the next request."""
    assert [one.status for one in exchange(server, chunked(body) + MODELS, count=2)] == [200, 200]


@pytest.mark.parametrize(
    "body",
    [
        b"0x%s\r\n%s\r\n0\r\n\r\n" % (SIZE, GOOD),
        b"+%s\r\n%s\r\n0\r\n\r\n" % (SIZE, GOOD),
        b"-1\r\n%s\r\n0\r\n\r\n" % GOOD,
        b"\r\n%s\r\n0\r\n\r\n" % GOOD,
        b"1_0\r\n%s\r\n0\r\n\r\n" % GOOD,
        b"10000000000000000\r\n%s\r\n0\r\n\r\n" % GOOD,
        b"%s\n%s\n0\n\n" % (SIZE, GOOD),
        b"%s\r\n%s0\r\n\r\n" % (SIZE, GOOD),
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD) - 1, GOOD),
        b"%s\r\n%s\r\n0\r\nno trailer\r\n\r\n" % (SIZE, GOOD),
        b"%s;\x00\r\n%s\r\n0\r\n\r\n" % (SIZE, GOOD),
    ],
)
def test_bad_chunks_are_refused(server: LiveHub, body: bytes) -> None:
    """A chunk that lies about its size is 400, and nothing after it counts for a request."""
    with connect(server) as line:
        line.sendall(chunked(body) + MODELS)
        (reply,) = read_responses(line, count=2)
        assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
        assert is_closed(line)


@pytest.mark.parametrize(
    "coding",
    [
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5",
    ],
)
def test_codings_that_readers_differ_on_are_refused(server: LiveHub, coding: bytes) -> None:
    """What a proxy might end elsewhere than we do is 400, and hides no second request."""
    with connect(server) as line:
        line.sendall(chunked(b"0\r\n\r\n" + MODELS, coding=coding))
        (reply,) = read_responses(line, count=2)
        assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
        assert is_closed(line)


def test_trailers_are_no_headers(server: LiveHub) -> None:
    """What follows the last chunk authenticates nobody."""
    raw = chunked(b"%s\r\n%s\r\n0\r\n" % (SIZE, GOOD)).replace(AUTH, b"") + AUTH + b"\r\n"
    assert [one.status for one in exchange(server, raw + MODELS, count=2)] == [401, 200]


@pytest.mark.parametrize(
    "first, more",
    [
        (b"0\r\nX-Trail: ", 10_000 * b"a"),
        (b"0\r\n", 1000 * b"X-Trail: a\r\n"),
        (b"1;name=", 10_000 * b"a"),
    ],
    ids=["trailer", "trailers", "extension"],
)
def test_what_is_no_body_does_not_go_on_for_ever(
    server: LiveHub, first: bytes, more: bytes
) -> None:
    """Beside its body a request holds no more than a head may, however slowly it comes."""
    with connect(server) as line:
        line.sendall(chunked(first))
        for _ in range(9):
            line.sendall(more)
            time.sleep(0.02)
        (reply,) = read_responses(line)
        assert (reply.status, reply.json["error"]["code"]) == (431, "http431")


def test_length_that_is_too_short(server: LiveHub) -> None:
    """Of a longer body the length counts; the rest is the next request, and none."""
    with connect(server) as line:
        line.sendall(post_request(GOOD, length=len(GOOD) - 1))
        assert read_responses(line)[0].status == 400
        assert is_closed(line)


def test_length_that_is_too_long(server: LiveHub) -> None:
    """What follows a shorter body belongs to it."""
    with connect(server) as line:
        line.sendall(post_request(GOOD, length=len(GOOD) + len(MODELS)) + MODELS)
        (reply,) = read_responses(line)
        assert reply.status == 400
        line.sendall(MODELS)
        assert read_responses(line)[0].status == 200


@pytest.mark.parametrize("length", [2**31, 2**53, 2**63])
def test_length_beyond_all_limits(server: LiveHub, length: int) -> None:
    """Nothing is made ready for a length that is only claimed; its end is not waited for."""
    with connect(server) as line:
        line.sendall(post_request(b"", length=length))
        for _ in range(3):
            line.sendall(1_000_000 * b" ")
        (reply,) = read_responses(line)
        assert reply.status == 400
        assert "at most 2097152 bytes" in reply.json["error"]["message"]
