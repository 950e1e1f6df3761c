"""Malicious bodies and paths: too many parts, too deep, too long, malformed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.live_server import BODY, PNG, LiveHub, serve_hub
from tests.support.raw_http import (
    AUTH,
    MODELS,
    RawResponse,
    connect,
    exchange,
    post_request,
    read_responses,
)

BOUNDARY = b"----boundary"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveHub]:
    with serve_hub(scenario="endless") as started:
        yield started


def form(*parts: bytes, end: bytes = b"--" + BOUNDARY + b"--\r\n") -> bytes:
    """Return a multipart request; each part has its headers."""
    body = b"".join(b"--" + BOUNDARY + b"\r\n" + part + b"\r\n" for part in parts) + end
    content_type = b"multipart/form-data; boundary=" + BOUNDARY
    return post_request(body).replace(b"application/json", content_type)


def text_part(name: bytes, value: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name, value)


GOOD_PARTS = [text_part(name.encode(), value.encode()) for name, value in BODY.items()]
FILE = b'Content-Disposition: form-data; name="reference_image"; filename="a"\r\n\r\n' + PNG


def error_message(response: RawResponse) -> str:
    assert (response.status, response.json["error"]["code"]) == (400, "invalid_request")
    message: str = response.json["error"]["message"]
    return message


MALICIOUS_REQUESTS = {
    "ten thousand parts": form(*10_000 * [text_part(b"x", b"y")]),
    "ten thousand files": form(*GOOD_PARTS, *10_000 * [FILE]),
    "huge part header": form(b"X-Long: " + 1_000_000 * b"a" + b"\r\n" + FILE),
    "many part headers": form(10_000 * b"X-Many: a\r\n" + FILE),
    "huge name": form(text_part(1_000_000 * b"n", b"v")),
    "huge text": form(*GOOD_PARTS, text_part(b"x", 3_000_000 * b"y")),
    "no end": form(*GOOD_PARTS, end=b""),
    "no name": form(b"Content-Disposition: form-data\r\n\r\nx"),
    "no header": form(b"\r\nx"),
    "not a form": post_request(b"x" * 1000).replace(b"application/json", b"multipart/form-data"),
    "null name": form(text_part(b"a\x00b", b"v")),
    "invalid utf-8": form(text_part(b"prompt", b"\xff\xfe")),
    "long boundary": post_request(b"x").replace(
        b"application/json", b"multipart/form-data; boundary=" + 9000 * b"b"
    ),
    "deep array": post_request(100_000 * b"["),
    "deep object": post_request(100_000 * b'{"a":'),
    "closed deep array": post_request(b'{"prompt":' + 50_000 * b"[" + 50_000 * b"]" + b"}"),
    "wide object": post_request(b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}"),
    "long number": post_request(b'{"n":' + 500_000 * b"9" + b"}"),
    "exponent": post_request(b'{"n":1e999999999}'),
    "nan": post_request(b'{"n":NaN}'),
    "lone surrogate": post_request(b'{"prompt":"\\ud800"}'),
    "null bytes": post_request(b"\x00" * 100),
    "byte order mark": post_request(b"\xef\xbb\xbf{}"),
    "utf-16": post_request('{"prompt": "x"}'.encode("utf-16")),
    "too long": post_request(b'{"prompt":"' + 3_000_000 * b"a" + b'"}'),
    "gzip": post_request(b"\x1f\x8b\x08", b"Content-Encoding: gzip"),
}


@pytest.mark.parametrize("name", MALICIOUS_REQUESTS)
def test_malicious_body_is_rejected(server: LiveHub, name: str) -> None:
    """It is 400 with a short message, and the next request is answered."""
    (response,) = exchange(server, MALICIOUS_REQUESTS[name])
    assert len(error_message(response)) < 2000
    assert exchange(server, MODELS)[0].status == 200


@pytest.mark.parametrize(
    "target",
    [
        b"/../../etc/passwd",
        b"/api/v1/../../models",
        b"/api/v1/%2e%2e/models",
        b"//api/v1/models",
        b"/api/v1/models/",
        b"/API/v1/models",
        b"/api/v1/models%00",
        b"/api/v1/generations/%2e%2e%2fmodels",
        b"/api/v1/generations/" + 5000 * b"a",
        b"/api/v1/generations/%ff%fe",
        b"/images/../../openapi.yaml",
        b"/images/x/ece0071344fddbf0/1.png%00.html",
        b"/images/%2e%2e/ece0071344fddbf0/1.png",
        b"/hubs/../api/v1/models",
        b"/hubs//api/v1/models",
        b"/hubs/none/api/v1/models",
        b"/hubs/default/hubs/default/api/v1/models",
        b"/hubs",
        b"/_mockhub/../openapi.yaml",
        b"/?" + 5000 * b"q=1&",
    ],
)
def test_odd_path_is_not_found(server: LiveHub, target: bytes) -> None:
    """A path that is not exactly a documented one is 404, however it is spelled."""
    (response,) = exchange(server, b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (target, AUTH))
    assert response.status == 404


@pytest.mark.parametrize("host", [b"", b"Host: evil\r\n", b"Host: a\r\nHost: b\r\n", b"Host:\r\n"])
def test_host_header_changes_nothing(server: LiveHub, host: bytes) -> None:
    """URLs in the response are those of the server, whatever Host says."""
    raw = post_request(b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1024"}')
    (response,) = exchange(server, raw.replace(b"Host: mock\r\n", host))
    assert response.json["images"][0]["url"].startswith(server.url)


def test_incomplete_upload_is_not_charged(server: LiveHub) -> None:
    """A client that disconnects within its form is not charged."""
    before = server.credits()
    with connect(server) as client:
        client.sendall(form(*GOOD_PARTS, FILE)[:-40])
    assert server.credits() == before


def test_large_upload_without_a_key_is_rejected_early(server: LiveHub) -> None:
    """An upload of 50 MB without a key is 401 at once; what is sent nevertheless is skipped."""
    head = post_request(b"", length=50_000_000).replace(AUTH, b"")
    with connect(server) as client:
        client.sendall(head)
        (response,) = read_responses(client)
        assert response.status == 401
        for _ in range(50):
            client.sendall(1_000_000 * b"x")
        client.sendall(MODELS)
        assert read_responses(client)[0].status == 200
