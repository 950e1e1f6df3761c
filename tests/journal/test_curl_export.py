"""The exported curl commands send what was recorded, byte for byte."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, BinaryIO, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from python_multipart import parse_form

from mockhub.journal.curl import as_curl
from mockhub.journal.exchange import Exchange, StoredBody
from mockhub.spec.generation_request import GenerationRequest
from tests.support.tools import require

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}\n"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HEADERS = ("content-type", "accept", "x-mockhub", "prefer", "origin")
TARGETS = (
    "/api/v1/generations/[1-3]{a,b}",
    "/a/../b/./c//d",
    "/%2e%2E/x%0a%5B%00",
    "/?key=$MOCKHUB_KEY&a=b;c|d'\"`!",
    "/a b",
    "/a\x1b[31m\u202e",
    "/#fragment",
)
BODIES = (
    b"@/etc/hostname",
    b"@-",
    b'{"prompt": "it\'s $HOME `id` \\\\ %s \\n"}\r\n\n',
    b"\xff\xfe\x00\x01",
    b"\x1b]0;title\x07",
    "üñí\u202e".encode(),
    b"-",
    b"\n",
    b"{}\n::error::forged\n\n",
)


class Received(NamedTuple):
    method: str
    target: bytes
    headers: Mapping[str, bytes]
    body: bytes


class RawServer:
    """Keeps the bytes of each request."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received: Queue[Received] = Queue()

    def serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rb") as stream:
                request_line = stream.readline()
                if request_line == b"stop\r\n":
                    return
                self.received.put(read_request(request_line, stream))
                connection.sendall(RESPONSE)

    def stop(self) -> None:
        with socket.create_connection(self._listener.getsockname()) as connection:
            connection.sendall(b"stop\r\n")

    def close(self) -> None:
        self._listener.close()


def read_request(request_line: bytes, stream: BinaryIO) -> Received:
    method, _, rest = request_line.partition(b" ")
    headers = {}
    while line := stream.readline().rstrip(b"\r\n"):
        name, _, value = line.partition(b":")
        headers[name.decode().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", b"0")))
    return Received(method.decode(), rest.rpartition(b" ")[0], headers, body)


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    require("curl")
    with closing(RawServer()) as running:
        thread = Thread(target=running.serve)
        thread.start()
        yield running
        running.stop()
        thread.join()


def make_exchange(
    method: str,
    target: str = "/api/v1/images/generations",
    headers: Mapping[str, bytes] | None = None,
    body: bytes = b"",
    request: GenerationRequest | None = None,
    key_digest: bytes | None = b"digest",
) -> Exchange:
    stored = StoredBody(len(body), body)
    raw_headers = {name.encode(): value for name, value in (headers or {}).items()}
    return Exchange(
        *(1, 0, method, "/decoded", None, None, None, raw_headers, stored, 200, ()),
        *(StoredBody(0, b""), 0, (), 1.0, False, None, key_digest, request),
        raw_target=target,
    )


def run(exchange: Exchange, server: RawServer, directory: Path | None = None) -> Received:
    """Paste the exported command into a POSIX shell; return what arrives."""
    script = as_curl([exchange], server.url)
    assert script.replace("\n", "").isprintable()
    starts = ("# ", "curl ", "printf ", "  -", "'")
    assert all(not line or line.startswith(starts) for line in script.split("\n"))
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=directory,
        env=os.environ | {"MOCKHUB_KEY": "the-key", "no_proxy": "*"},
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return server.received.get(timeout=10)


# What can stand in a request target and in a header, as bytes (RFC 9112; servers accept more).
target_texts = st.lists(
    st.sampled_from([*TARGETS, "/.", "%", "[", "*"]) | st.text(max_size=5), max_size=3
).map(lambda parts: "/" + "".join(parts).replace("\0", "").replace("\r", "").replace("\n", ""))
header_values = (
    st.binary(min_size=1, max_size=20)
    .map(lambda value: value.translate(None, b"\0\r\n").strip(b" \t\x0b\x0c"))
    .filter(bool)
)


def sent_target(target: str) -> bytes:
    """Return the bytes of a target; a recorded one is text in Latin-1 or PEP 383."""
    return target.encode("utf-8", "surrogateescape")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(METHODS),
    target_texts,
    st.dictionaries(st.sampled_from(HEADERS), header_values),
    st.binary(max_size=60) | st.sampled_from(BODIES),
)
@example("HEAD", "/api/v1/models", {}, b"")
@example("POST", "/", {"x-mockhub": b"@/etc/hostname"}, b"@/etc/hostname")
@example("POST", "/", {"prefer": b"$MOCKHUB_KEY\xff\x1b[0m", "accept": b"it's !x"}, b"\0")
def test_command_sends_what_was_recorded(
    server: RawServer, method: str, target: str, headers: dict[str, bytes], body: bytes
) -> None:
    """Method, target, headers and body arrive unchanged, whatever they contain."""
    if method == "HEAD":
        body = b""
    if body:
        headers.setdefault("content-type", b"application/json")
    if headers.get("content-type", b"").startswith(b"multipart"):
        del headers["content-type"]
    received = run(make_exchange(method, target, headers, body), server)
    assert (received.method, received.target) == (method, sent_target(target))
    assert {name: received.headers.get(name) for name in headers} == headers
    assert received.body == body


@pytest.mark.parametrize("target", TARGETS)
def test_target_is_sent_as_it_was(server: RawServer, target: str) -> None:
    """Nothing is decoded, globbed, normalized or taken for a variable or a fragment."""
    assert run(make_exchange("GET", target), server).target == sent_target(target)


@pytest.mark.parametrize("body", BODIES)
def test_body_is_sent_as_it_was(server: RawServer, body: bytes) -> None:
    """No body is taken for a file name, and none is changed, also if it is binary."""
    exchange = make_exchange("POST", headers={"content-type": b"application/json"}, body=body)
    assert run(exchange, server).body == body


def test_body_without_a_content_type_is_sent_without_one(server: RawServer) -> None:
    assert "content-type" not in run(make_exchange("POST", body=b"{}"), server).headers


def test_form_is_sent_with_the_same_fields(server: RawServer, tmp_path: Path) -> None:
    """Texts stay literal, and each reference image is a file."""
    prompt = "@/etc/hostname;type=x \"quoted\" 'it' 100% <\r\n::error::\x1b\u202e\n\n"
    request = GenerationRequest("gpt-image-2", prompt, "auto", "auto", 1, False, ("digest",))
    headers = {"content-type": b"multipart/form-data; boundary=x"}
    (tmp_path / "reference-1.png").write_bytes(b"\x89PNG")
    exchange = make_exchange("POST", headers=headers, body=b"...", request=request)
    received = run(exchange, server, tmp_path)
    fields, files = parse(received)
    assert fields["prompt"] == prompt.encode()
    assert fields["model"] == b"gpt-image-2"
    assert files == {"reference_image": b"\x89PNG"}


FORM_HEADERS = {"content-type": b"multipart/form-data; boundary=x"}


def test_comment_says_what_of_a_form_is_not_known() -> None:
    request = GenerationRequest("gpt-image-2", "A", "auto", "auto", 1, False, ())
    exchange = make_exchange("POST", headers=FORM_HEADERS, body=b"...", request=request)
    exchange = exchange._replace(unknown_fields=("\x1b\n::colour",), unknown_files=("image[]",))
    comment = as_curl([exchange], "http://x").splitlines()[0]
    assert comment.endswith(
        "; written from its fields: those that were not sent have their defaults, and unknown ones "
        "are left out: \\x1b\\n::colour, image[]"
    )


def test_comment_of_a_rejected_form_names_the_file_to_write() -> None:
    exchange = make_exchange("POST", headers=FORM_HEADERS, body=b"12345")
    comment, *command = as_curl([exchange], "http://x").splitlines()
    assert comment.endswith("its body (5 bytes) is not in the journal: put it into the file `body`")
    assert "--data-binary @body" in " ".join(command)


def test_stored_body_needs_no_comment() -> None:
    headers = {"content-type": b"application/json"}
    exchange = make_exchange("POST", headers=headers, body=b"{}")
    assert as_curl([exchange], "http://x").splitlines()[0] == "# 1: answered 200"


def parse(received: Received) -> tuple[dict[str, bytes], dict[str, bytes]]:
    fields: dict[str, bytes] = {}
    files: dict[str, bytes] = {}

    def add_file(file: Any) -> None:
        file.file_object.seek(0)
        files[file.field_name.decode()] = file.file_object.read()

    headers = {name.title(): value for name, value in received.headers.items()}
    parse_form(
        headers,
        BytesIO(received.body),
        lambda field: fields.update({field.field_name.decode(): field.value}),
        add_file,
    )
    return fields, files


@pytest.mark.parametrize(
    ("key_digest", "expected"), [(b"digest", b"Bearer the-key"), (None, b"[redacted]")]
)
def test_authorization_is_the_variable_if_it_was_a_key(
    server: RawServer, key_digest: bytes | None, expected: bytes
) -> None:
    """A malformed header stays malformed, so that the response is the same 401."""
    headers = {"authorization": b"Bearer [redacted]"}
    exchange = make_exchange("GET", headers=headers, key_digest=key_digest)
    assert run(exchange, server).headers["authorization"] == expected
