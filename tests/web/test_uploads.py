"""Large uploads: the size limit, memory use, and rejection while the client still sends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from mockhub._resources import resource_path
from mockhub.spec.api_spec import load_spec
from tests.support.live_server import EXPIRED, KEY, PNG, RICH, LiveHub
from tests.support.tools import require

MEGABYTE = 1024 * 1024
FILE = 50 * MEGABYTE
FORM = {"Content-Type": "multipart/form-data; boundary=B"}
PATH = "/api/v1/images/generations"


def test_upload_limit_is_50_mb() -> None:
    """The limit of the API spec is 50 MB (REQ-9)."""
    spec = load_spec(resource_path("openapi.yaml"))
    (rule,) = spec.operations["create_generation"].files.values()
    assert rule.max_bytes == FILE


def upload_form(files: int, size: int) -> Iterator[bytes]:
    """Generate a form with images of *size* bytes."""
    for name, value in (("model", "gpt-image-2"), ("prompt", "x")):
        yield f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    chunk = bytes(MEGABYTE)
    for _ in range(files):
        yield b'--B\r\nContent-Disposition: form-data; name="reference_image"; filename="r"\r\n\r\n'
        yield PNG
        full_chunks, rest = divmod(size - len(PNG), MEGABYTE)
        for _ in range(full_chunks):
            yield chunk
        yield chunk[:rest] + b"\r\n"
    yield b"--B--\r\n"


def test_larger_upload_is_rejected(hub: LiveHub) -> None:
    """A reference image of 50 MB is accepted, one byte more is rejected and not charged (REQ-9)."""
    accepted = hub.generate(content=upload_form(1, FILE), headers=FORM)
    rejected = hub.generate(content=upload_form(1, FILE + 1), headers=FORM)
    assert (accepted.status_code, rejected.status_code) == (200, 400)
    assert "reference_image is too large; expected at most 52428800" in rejected.text
    assert hub.credits() == 112


def peak_memory(pid: int) -> int:
    """Return the peak resident memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def post_form(client: HTTPConnection, files: int, size: int) -> tuple[int, Any]:
    length = sum(map(len, upload_form(files, size)))
    headers = FORM | {"Authorization": f"Bearer {RICH}", "Content-Length": str(length)}
    client.request("POST", PATH, body=upload_form(files, size), headers=headers)
    response = client.getresponse()
    return response.status, json.loads(response.read())


@pytest.mark.skipif(not Path("/proc").exists(), reason="memory is read from /proc")
def test_uploads_are_not_kept_in_memory() -> None:
    """16 files of 50 MB are checked as they arrive: the server grows by less than 64 MB (REQ-9)."""
    command = [sys.executable, "-m", "mockhub", "serve", "--port", "0", "--log-format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = json.loads(process.stdout.readline())["url"]
            address = url.removeprefix("http://").partition("/")[0]
            # http.client sends a chunk several times as fast as httpx.
            with closing(HTTPConnection(address, timeout=60)) as client:
                post_form(client, 1, MEGABYTE)
                before = peak_memory(process.pid)
                status, content = post_form(client, 16, FILE)
            grown = peak_memory(process.pid) - before
        finally:
            process.kill()
    assert (status, content["usage"]["credits"]) == (200, 8)
    assert grown < 64 * MEGABYTE


# -- rejection while the upload is still being sent ----------------------------------------------

FIELDS = {"model": "gpt-image-2", "prompt": "x"}
OWNER = {"Authorization": f"Bearer {KEY}"}

# Uploads a file, then gets the balance on the same connection.
# Returns the status and error code of the upload, and the credits.
SendUpload = Callable[[LiveHub, str, dict[str, str], Path], tuple[int, str, int]]


def upload_with_session(create_client: Callable[[], Any]) -> SendUpload:
    def send(hub: LiveHub, path: str, headers: dict[str, str], file: Path) -> tuple[int, str, int]:
        with create_client() as client, file.open("rb") as content:
            files = {"reference_image": content}
            rejected = client.post(hub.url + path, headers=headers, data=FIELDS, files=files)
            balance = client.get(f"{hub.url}/api/v1/credits", headers=OWNER)
        return rejected.status_code, rejected.json()["error"]["code"], balance.json()["credits"]

    return send


def upload_with_curl(*options: str) -> SendUpload:
    def send(hub: LiveHub, path: str, headers: dict[str, str], file: Path) -> tuple[int, str, int]:
        command = ["curl", "-sS", "-w", "\\n%{http_code}\\n", *options]
        command += [word for pair in headers.items() for word in ("-H", ": ".join(pair))]
        command += ["-F", "model=gpt-image-2", "-F", "prompt=x", "-F", f"reference_image=@{file}"]
        command += [hub.url + path, "--next", "-sS", "-H", f"Authorization: Bearer {KEY}"]
        command += [f"{hub.url}/api/v1/credits"]
        completed = subprocess.run(command, capture_output=True, text=True, check=True)
        error, status, balance = completed.stdout.splitlines()
        return int(status), json.loads(error)["error"]["code"], json.loads(balance)["credits"]

    return send


CLIENTS = {
    "httpx": upload_with_session(lambda: httpx.Client(timeout=30)),
    "requests": upload_with_session(requests.Session),
    "curl": upload_with_curl(),
    "curl without Expect": upload_with_curl("-H", "Expect:"),
    "curl with Expect": upload_with_curl("-H", "Expect: 100-continue"),
}
EARLY_ERRORS = [
    (PATH, {}, 401, "missingApiKey"),
    (PATH, {"Authorization": f"Bearer {EXPIRED}"}, 401, "expiredApiKey"),
    (PATH, {"Authorization": f"Bearer {RICH}"}, 400, "invalid_request"),
    ("/nothing", {}, 404, "notFound"),
    ("/api/v1/models", {}, 405, "notFound"),
]


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a sparse image file of 51 MB."""
    file: Path = tmp_path_factory.mktemp("uploads") / "r.png"
    with file.open("wb") as content:
        content.write(PNG)
        content.truncate(51 * MEGABYTE)
    return file


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("path", "headers", "status", "code"), EARLY_ERRORS)
def test_early_error_reaches_a_client_that_is_still_sending(
    shared_hub: LiveHub,
    large_file: Path,
    client: str,
    path: str,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    """Real clients read an early error, and their next request is served (AUTH-10)."""
    if client.startswith("curl"):
        require("curl")
    assert CLIENTS[client](shared_hub, path, headers, large_file) == (status, code, 120)


def test_rejected_expect_continue_closes_the_connection(shared_hub: LiveHub) -> None:
    """After an early error a client that sent Expect finds the connection closed."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += "Content-Length: 99\r\nExpect: 100-continue\r\n\r\n"
    address = httpx.URL(shared_hub.url)
    with socket.create_connection((address.host, address.port), timeout=10) as connection:
        connection.sendall(head.encode())
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert response.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nconnection: close\r\n" in response.lower()
