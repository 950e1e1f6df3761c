"""What a client can make the server store."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from mockhub.journal.journal import MAX_BYTES
from mockhub.web.responses import json_response
from tests.support.live_server import LiveHub, serve_hub
from tests.support.raw_http import connect, exchange, read_responses

LONG = 60_000  # bytes of headers below the limit
MANY = 300  # requests of this size exceed the bounds of the journal


@pytest.fixture(scope="module")
def server() -> Iterator[LiveHub]:
    with serve_hub(scenario="endless") as started:
        yield started


def get(target: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET %s HTTP/1.1" % target, b"Host: x", *headers, b"", b""])


@pytest.mark.parametrize(
    "raw",
    [
        get(b"/api/v1/models", b"X-Long: " + LONG * b"a"),
        get(b"/api/v1/models", LONG * b"a" + b": x"),
        get(b"/api/v1/models?" + LONG * b"a"),
        get(b"/api/v1/models", b"X-Long: gih_live_" + LONG * b"!"),
        get(b"/" + LONG * b"a"),
    ],
    ids=["value", "name", "query", "key", "path"],
)
def test_journal_counts_the_size_of_heads(server: LiveHub, raw: bytes) -> None:
    """Long headers and URLs count towards the bytes that the journal may store."""
    with connect(server) as client:
        for _ in range(MANY):
            client.sendall(raw)
            assert len(read_responses(client)) == 1
    assert 0 < len(server.backend.journal) <= MAX_BYTES / LONG
    assert len(list(server.backend.journal)) == len(server.backend.journal)


def test_more_than_100_headers_are_rejected(server: LiveHub) -> None:
    """100 headers are accepted, 101 are 431: short headers take more memory than their bytes."""
    names = [b"X-%d:" % number for number in range(100)]
    assert exchange(server, get(b"/api/v1/models", *names[1:]))[0].status == 200
    (response,) = exchange(server, get(b"/api/v1/models", *names))
    assert (response.status, response.json["error"]["code"]) == (431, "http431")
    assert "at most 100 headers" in response.json["error"]["message"]


def test_only_short_preflight_headers_are_echoed(server: LiveHub) -> None:
    """OPTIONS allows the requested headers, unless they are too long to cache."""
    for size, is_echoed in ((1000, True), (1001, False)):
        names = size * b"a"
        raw = get(b"/api/v1/models", b"Access-Control-Request-Headers: " + names)
        (response,) = exchange(server, raw.replace(b"GET", b"OPTIONS"))
        assert (names in response.head) == is_echoed
        assert b"access-control-allow-headers: " in response.head


def test_stored_response_takes_little_more_than_its_bytes() -> None:
    """The journal stores response bodies without the spare memory of the JSON encoder."""
    tracemalloc.start()
    try:
        bodies = [json_response(200, {"number": number}).body for number in range(1000)]
        assert tracemalloc.get_traced_memory()[0] < 200 * len(bodies)
    finally:
        tracemalloc.stop()
