"""Where a request body ends: chunks and lengths, correct and false."""

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
def test_chunked_body_is_read(server: LiveHub, body: bytes) -> None:
    """A body may arrive in chunks of any size, and the next request may follow it."""
    assert [response.status for response in exchange(server, chunked(body) + MODELS, count=2)] == [
        200,
        200,
    ]


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
def test_malformed_chunk_is_rejected(server: LiveHub, body: bytes) -> None:
    """A chunk of a false size is 400, and nothing after it is taken for a request."""
    with connect(server) as client:
        client.sendall(chunked(body) + MODELS)
        (response,) = read_responses(client, count=2)
        assert (response.status, response.json["error"]["code"]) == (400, "invalid_request")
        assert is_closed(client)


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
def test_ambiguous_body_length_is_rejected(server: LiveHub, coding: bytes) -> None:
    """A body that a proxy might end elsewhere is 400, and smuggles in no second request."""
    with connect(server) as client:
        client.sendall(chunked(b"0\r\n\r\n" + MODELS, coding=coding))
        (response,) = read_responses(client, count=2)
        assert (response.status, response.json["error"]["code"]) == (400, "invalid_request")
        assert is_closed(client)


def test_trailers_are_not_headers(server: LiveHub) -> None:
    """An Authorization field after the last chunk does not authenticate."""
    raw = chunked(b"%s\r\n%s\r\n0\r\n" % (SIZE, GOOD)).replace(AUTH, b"") + AUTH + b"\r\n"
    assert [response.status for response in exchange(server, raw + MODELS, count=2)] == [401, 200]


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"0\r\nX-Trail: ", 10_000 * b"a"),
        (b"0\r\n", 1000 * b"X-Trail: a\r\n"),
        (b"1;name=", 10_000 * b"a"),
    ],
    ids=["trailer", "trailers", "extension"],
)
def test_trailers_and_extensions_are_bounded(server: LiveHub, first: bytes, more: bytes) -> None:
    """Trailers and chunk extensions may be as long as headers, however slowly they arrive."""
    with connect(server) as client:
        client.sendall(chunked(first))
        for _ in range(9):
            client.sendall(more)
            time.sleep(0.02)
        (response,) = read_responses(client)
        assert (response.status, response.json["error"]["code"]) == (431, "http431")


def test_content_length_below_the_body(server: LiveHub) -> None:
    """The rest of a longer body is taken for the next request, and is not one."""
    with connect(server) as client:
        client.sendall(post_request(GOOD, length=len(GOOD) - 1))
        assert read_responses(client)[0].status == 400
        assert is_closed(client)


def test_content_length_above_the_body(server: LiveHub) -> None:
    """What follows a shorter body belongs to it."""
    with connect(server) as client:
        client.sendall(post_request(GOOD, length=len(GOOD) + len(MODELS)) + MODELS)
        (response,) = read_responses(client)
        assert response.status == 400
        client.sendall(MODELS)
        assert read_responses(client)[0].status == 200


@pytest.mark.parametrize("length", [2**31, 2**53, 2**63])
def test_huge_content_length_is_rejected_early(server: LiveHub, length: int) -> None:
    """Nothing is allocated for a length that is only claimed, and the end is not awaited."""
    with connect(server) as client:
        client.sendall(post_request(b"", length=length))
        for _ in range(3):
            client.sendall(1_000_000 * b" ")
        (response,) = read_responses(client)
        assert response.status == 400
        assert "at most 2097152 bytes" in response.json["error"]["message"]
