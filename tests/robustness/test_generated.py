"""Generated requests, over a raw socket.

`make hostile` sends 100,000 to one server, from as many processes as there are processors; the
ordinary tests send a few hundred.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from benchmarks.servers import Server
from tests.support.live_server import IMAGE_PATH, PNG
from tests.support.memory_probe import GENERATED, MemoryProbe, start_server
from tests.support.raw_http import AUTH, EXAMPLES, MODELS, post_request, read_until_closed

ROUND_SIZE = 2000  # requests, since hypothesis stores them all
WARM_UP_ROUNDS = 10  # until the bounded memory of the server is full

_GENERATION = re.compile(rb'"object":"image_generation"')
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
_FAULT = re.compile(rb"(?i)\[\[|x-mockhub|prefer")  # requests for a fault

TARGETS = (
    "/api/v1/models",
    "/api/v1/credits",
    "/api/v1/images/generations",
    "/api/v1/generations/clx_generation_log_id",
    IMAGE_PATH,
    "/hubs/default/api/v1/credits",
    "/_mockhub/health",
    "*",
    "http://example.com/api/v1/models",
)
METHODS = (
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "",
)
HEADERS = (
    AUTH.strip(),
    b"Authorization: Bearer",
    b"Authorization: Basic eDp5",
    b"Content-Type: application/json",
    b"Content-Type: multipart/form-data; boundary=b",
    b"Content-Type: multipart/form-data",
    b"Content-Type: application/json; charset=utf-7",
    b"Content-Encoding: gzip",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Content-Length: 0",
    b"Content-Length: 10",
    b"Content-Length: 999999",
    b"Content-Length: -1",
    b"Expect: 100-continue",
    b"Connection: close",
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Range: bytes=0-",
    b"Range: bytes=9999999999999999999-0",
    b"If-None-Match: *",
    b"Origin: null",
    b"Access-Control-Request-Headers: x",
    b"Host: a",
    b"Host: b",
    b"Cookie: " + 3000 * b"c",
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["gpt-image-2", "gpt-image-1", "", "x"]) | values,
        "prompt": st.text(max_size=50) | values,
        "size": st.sampled_from(["1024x1024", "auto", "1x1", "9999x9999", "0x0"]) | values,
        "n": st.integers(-5, 20) | values,
        "quality": st.sampled_from(["auto", "high", "4K"]) | values,
        "async": st.booleans() | values,
        "reference_image": values,
    },
)
parts = st.lists(
    st.tuples(
        st.sampled_from([b"prompt", b"model", b"size", b"n", b"async", b"reference_image", b"x"]),
        st.sampled_from([b"", b'; filename="a.png"', b"; filename*=UTF-8''%ff", b'; name="n"']),
        st.binary(max_size=60) | st.sampled_from([b"gpt-image-2", b"1024x1024", b"1", b"true"]),
    ),
    max_size=5,
).map(
    lambda parts: (
        b"".join(
            b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % part
            for part in parts
        )
        + b"--b--\r\n"
    )
)
bodies = st.one_of(
    st.just(b""),
    st.builds(lambda body: json.dumps(body).encode(), fields),
    st.builds(lambda body: json.dumps(body).encode(), values),
    parts,
    st.binary(max_size=200),
    st.builds(
        lambda size, body: b"%x\r\n%s\r\n0\r\n\r\n" % (size, body), st.integers(0, 300), parts
    ),
)
targets = st.one_of(
    st.sampled_from(TARGETS).map(str.encode),
    st.builds(
        lambda start, end: start.encode() + end, st.sampled_from(TARGETS), st.binary(max_size=20)
    ),
    st.binary(max_size=40),
)
headers = st.lists(
    st.sampled_from(HEADERS)
    | st.builds(
        lambda name, value: name + b": " + value, st.binary(max_size=9), st.binary(max_size=30)
    ),
    max_size=8,
)


valid_fields = st.fixed_dictionaries(
    {"model": st.just("gpt-image-2"), "prompt": st.text(min_size=1, max_size=50)},
    optional={
        "size": st.sampled_from(["1024x1024", "auto", "3840x2160"]),
        "n": st.integers(1, 5),
        "quality": st.sampled_from(["auto", "low", "medium", "high"]),
        "async": st.booleans(),
    },
)


def as_form(fields: dict[str, object]) -> bytes:
    """Return a form request with these fields and an image."""
    texts = [
        b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name.encode(), value)
        for name, value in ((n, str(v).lower().encode()) for n, v in fields.items())
    ]
    file = b'Content-Disposition: form-data; name="reference_image"; filename="a"\r\n\r\n' + PNG
    body = b"".join(b"--b\r\n%s\r\n" % part for part in (*texts, file)) + b"--b--\r\n"
    return post_request(body).replace(b"application/json", b"multipart/form-data; boundary=b")


valid_requests = st.one_of(
    st.builds(lambda fields: post_request(json.dumps(fields).encode()), valid_fields),
    st.builds(as_form, valid_fields),
    st.sampled_from([MODELS, MODELS[:-2] + AUTH + b"\r\n"]),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw bytes that resemble a request; about one in four is valid or nearly so."""
    raw = draw(valid_requests) if draw(st.integers(0, 3)) == 0 else draw(odd_requests())
    if draw(st.integers(0, 3)) == 0:
        index = draw(st.integers(0, len(raw)))
        raw = raw[:index] + draw(st.binary(max_size=5)) + raw[index + draw(st.integers(0, 5)) :]
    return raw * draw(st.sampled_from([1, 1, 1, 2, 5]))


@st.composite
def odd_requests(draw: st.DrawFn) -> bytes:
    """Draw a request of random parts."""
    body = draw(bodies)
    lines = [b"%s %s HTTP/1.1" % (draw(st.sampled_from(METHODS)).encode(), draw(targets))]
    lines += draw(headers)
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with start_server() as server:
        yield server


def send_some(server: Server, count: int, number: int) -> int:
    """Send *count* requests, others for each *number*; return the number of generations."""
    generations = 0

    @seed(number)
    @settings(GENERATED, max_examples=count)
    @given(requests())
    def send(raw: bytes) -> None:
        nonlocal generations
        if _FAULT.search(raw):
            return
        received = read_until_closed(server, raw)
        for status in _STATUS.findall(received):
            is_unsupported = status == b"501" and b"Transfer-Encoding: identity" in raw
            assert int(status) < 500 or is_unsupported, raw
        generations += len(_GENERATION.findall(received))
        assert read_until_closed(server, MODELS).startswith(b"HTTP/1.1 200 "), raw

    send()
    return generations


def send_all(server: Server, rounds: range) -> int:
    """Send a round for each number; return the number of generations."""
    send = partial(send_some, server, min(EXAMPLES, ROUND_SIZE))
    if len(rounds) < 2:
        return sum(map(send, rounds))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return sum(pool.map(send, rounds))


def test_no_generated_request_breaks_the_server(server: Server) -> None:
    """Nothing is answered 5xx or hangs, and the next valid request is answered."""
    rounds = range(-(-EXAMPLES // ROUND_SIZE))
    memory = MemoryProbe(server)
    memory.add_generations(send_all(server, rounds[:WARM_UP_ROUNDS]))
    memory.assert_bounded()
    memory.print_growth(
        f"the first {len(rounds[:WARM_UP_ROUNDS]) * min(ROUND_SIZE, EXAMPLES):,} requests"
    )
    if rest := rounds[WARM_UP_ROUNDS:]:
        settled = MemoryProbe(server)
        settled.add_generations(send_all(server, rest))
        settled.assert_steady()
        settled.print_growth(f"{len(rest) * ROUND_SIZE:,} more")
