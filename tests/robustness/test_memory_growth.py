"""What a client can make the server store."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from mockhub._resources import resource_path
from mockhub.exceptions import ValidationError
from mockhub.journal.journal import MAX_BYTES
from mockhub.server.request_parser import split_target
from mockhub.web.asgi import AsgiBodySource, Message
from mockhub.web.limits import Limits
from mockhub.web.request_body import ParsedBody, read_body
from mockhub.web.responses import json_response
from tests.support.live_server import LiveHub, read_spec, serve_hub
from tests.support.raw_http import connect, exchange, post_request, read_responses

LONG = 60_000  # bytes of headers below the limit
MANY = 150  # more than the journal may store of them


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


def post(prompt: str, *headers: bytes) -> bytes:
    body = json.dumps({"model": "gpt-image-2", "prompt": prompt}, ensure_ascii=False)
    return post_request(body.encode(), *headers)


@pytest.mark.parametrize(
    ("raw", "least_bytes"),
    [
        (get(b"/api/v1/models", *(b"%d:" % number for number in range(90))), 90 * 100),
        (get(b"/api/v1/models", b"X-Mockhub: " + 100 * b"delay=0s,"), 100 * 60),
        (post(16_000 * "\N{GRINNING FACE}"), 16_000 * 4),
        (post("[[" + 100 * "delay=0s " + "]]"), 100 * 60),
    ],
    ids=["small headers", "faults of a header", "wide characters", "faults of a prompt"],
)
def test_journal_counts_objects(server: LiveHub, raw: bytes, least_bytes: int) -> None:
    """An exchange counts with the memory that its parts take, not only with their bytes."""
    sizes: list[int] = []
    observers = server.app.api.observers
    observers.append(lambda context: sizes.extend([context.size, context.to_exchange().size]))
    try:
        assert exchange(server, raw)[0].status == 200
    finally:
        server.server.call(observers.pop)  # after the exchange was recorded
    for size in sizes:
        assert least_bytes < size < 3 * least_bytes + 10_000
    assert len(sizes) == 2


def test_counters_of_prompt_faults_do_not_keep_the_prompt(server: LiveHub) -> None:
    """A fault with a counter is counted by a digest of its prompt."""
    with connect(server) as client:
        client.sendall(post("[[delay=0s x9]]" + 10_000 * "a"))
        assert read_responses(client)[0].status == 200
    counters = server.server.call(lambda: [*server.backend.faults.inline_counters])
    assert len(str(counters)) < 2000


def test_text_fields_of_a_form_are_bounded_together(server: LiveHub) -> None:
    """A form with many long text fields is rejected when they exceed 2 MB."""
    part = b'--B\r\nContent-Disposition: form-data; name="user"\r\n\r\n%s\r\n' % (900_000 * b"x")
    raw = post_request(b"", length=10 * len(part)).replace(
        b"application/json", b"multipart/form-data; boundary=B"
    )
    with connect(server) as client:
        client.sendall(raw + 3 * part)
        (response,) = read_responses(client)
        assert response.status == 400
        assert "at most 2097152 bytes in all of them" in response.json["error"]["message"]


async def not_received() -> Message:
    raise AssertionError


def parse_content_type(value: bytes) -> None:
    """Read a body of a content type that is not supported."""
    operation = read_spec(resource_path("openapi.yaml")).operations["create_generation"]
    reading = read_body(
        ParsedBody(), AsgiBodySource(not_received), {b"content-type": value}, operation, Limits()
    )
    with pytest.raises(ValidationError):
        asyncio.run(reading)


@pytest.mark.parametrize("parse", [split_target, parse_content_type])
def test_caches_keep_no_long_keys(parse: Callable[[bytes], object]) -> None:
    """Targets and content types are cached only if they are short."""
    parse(b"/")
    tracemalloc.start()
    try:
        for number in range(100):
            parse(b"/%d" % number + LONG * b"a")
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 20 * LONG
    finally:
        tracemalloc.stop()


def test_more_than_100_headers_are_rejected(server: LiveHub) -> None:
    """100 headers are accepted, 101 are 431: short headers take more memory than their bytes."""
    names = [b"X-%d:" % number for number in range(100)]
    assert exchange(server, get(b"/api/v1/models", *names[1:]))[0].status == 200
    (response,) = exchange(server, get(b"/api/v1/models", *names))
    assert (response.status, response.json["error"]["code"]) == (431, "http431")
    assert "expected at most 100" in response.json["error"]["message"]


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
