"""What a client can make the server remember."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from mockhub.journal.journal import MAX_BYTES
from mockhub.web.responses import json_response
from tests.support.live_server import LiveHub, serve_hub
from tests.support.raw_http import connect, exchange, read_responses

LONG = 60_000  # bytes of a head that is taken
MANY = 300  # times which are more than a journal may keep


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
def test_journal_counts_heads_too(server: LiveHub, raw: bytes) -> None:
    """However a request is long, the journal keeps no more bytes than it may."""
    with connect(server) as line:
        for _ in range(MANY):
            line.sendall(raw)
            assert len(read_responses(line)) == 1
    assert 0 < len(server.backend.journal) <= MAX_BYTES / LONG
    assert len(list(server.backend.journal)) == len(server.backend.journal)


def test_many_short_headers_are_refused(server: LiveHub) -> None:
    """A hundred headers are taken, one more is 431: short ones cost more than their bytes tell."""
    names = [b"X-%d:" % number for number in range(100)]
    assert exchange(server, get(b"/api/v1/models", *names[1:]))[0].status == 200
    (reply,) = exchange(server, get(b"/api/v1/models", *names))
    assert (reply.status, reply.json["error"]["code"]) == (431, "http431")
    assert "at most 100 headers" in reply.json["error"]["message"]


def test_only_short_wishes_are_said_again(server: LiveHub) -> None:
    """OPTIONS allows the headers that are asked for, unless they are too many to remember."""
    for size, same in ((1000, True), (1001, False)):
        wish = size * b"a"
        raw = get(b"/api/v1/models", b"Access-Control-Request-Headers: " + wish)
        (reply,) = exchange(server, raw.replace(b"GET", b"OPTIONS"))
        assert same == (wish in reply.head)
        assert b"access-control-allow-headers: " in reply.head


def test_kept_answer_takes_what_it_is_long() -> None:
    """The journal keeps answers, which take little more memory than their bytes."""
    tracemalloc.start()
    try:
        kept = [json_response(200, {"number": number}).body for number in range(1000)]
        assert tracemalloc.get_traced_memory()[0] < 200 * len(kept)
    finally:
        tracemalloc.stop()
