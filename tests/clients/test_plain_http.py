"""HTTP clients without an SDK: requests, httpx and curl."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

if TYPE_CHECKING:
    from conftest import Server

FIELDS = {"model": "gpt-image-2", "prompt": "A lighthouse at dusk", "size": "1024x1024"}

Reply = tuple[int, Any]
Ask = Callable[..., Reply]


def _with_requests(
    url: str, key: str, *, body: Mapping[str, object], files: Sequence[Path] = ()
) -> Reply:
    pictures = [("reference_image", (file.name, file.read_bytes())) for file in files]
    sent: dict[str, Any] = {"data": body, "files": pictures} if files else {"json": body}
    reply = requests.post(url, headers=_bearer(key), timeout=30, **sent)
    return reply.status_code, reply.json()


def _with_httpx(
    url: str, key: str, *, body: Mapping[str, object], files: Sequence[Path] = ()
) -> Reply:
    pictures = [("reference_image", (file.name, file.read_bytes())) for file in files]
    sent: dict[str, Any] = {"data": body, "files": pictures} if files else {"json": body}
    reply = httpx.post(url, headers=_bearer(key), **sent)
    return reply.status_code, reply.json()


def _with_curl(
    url: str, key: str, *, body: Mapping[str, object], files: Sequence[Path] = ()
) -> Reply:
    if files:
        sent = _options("--form-string", (f"{name}={value}" for name, value in body.items()))
        sent += _options("--form", (f"reference_image=@{file}" for file in files))
    else:
        sent = ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
    headers = _options("--header", (f"{name}: {value}" for name, value in _bearer(key).items()))
    told = _curl(url, "--write-out", "\n%{http_code}", *headers, *sent)
    text, _, status = told.decode().rpartition("\n")
    return int(status), json.loads(text)


def _options(name: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (name, value)]


def _curl(url: str, *options: str) -> bytes:
    command = ["curl", "--silent", "--show-error", *options, url]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(
    params=[
        pytest.param(_with_requests, id="requests"),
        pytest.param(_with_httpx, id="httpx"),
        pytest.param(_with_curl, id="curl", marks=needs_curl),
    ]
)
def ask(request: pytest.FixtureRequest, server: Server) -> Ask:
    """Asks for a generation with one of the clients: `ask("rich", n=2)`."""

    def post(name: str, *, files: Sequence[Path] = (), **change: object) -> Reply:
        url = f"{server.url}/api/v1/images/generations"
        reply: Reply = request.param(
            url, server.keys.get(name, ""), body=FIELDS | change, files=files
        )
        return reply

    return post


@pytest.fixture
def reference(tmp_path: Path, png: bytes) -> Path:
    file = tmp_path / "reference.png"
    file.write_bytes(png)
    return file


def test_json_makes_images(ask: Ask) -> None:
    """A JSON body makes as many images as it asks for."""
    status, made = ask("rich", n=2)
    assert (status, made["status"], len(made["images"])) == (200, "succeeded", 2)


@pytest.mark.parametrize("count", [1, 2])
def test_a_form_carries_reference_images(ask: Ask, reference: Path, count: int) -> None:
    """A multipart body carries one picture, or several in parts of the same name."""
    status, made = ask("rich", n=1, files=[reference] * count)
    assert (status, made["status"], made["usage"]["credits"]) == (200, "succeeded", 8)


def test_a_form_without_a_real_picture_is_refused(ask: Ask, tmp_path: Path) -> None:
    """A file that only calls itself a PNG is an invalid request that names the field."""
    liar = tmp_path / "reference.png"
    liar.write_text("not a picture")
    status, refusal = ask("rich", files=[liar])
    assert (status, refusal["error"]["code"]) == (400, "invalid_request")
    assert "reference_image" in refusal["error"]["message"]


@pytest.mark.parametrize(
    ("name", "change", "status", "code"),
    [
        ("nobody", {}, 401, "missingApiKey"),
        ("expired", {}, 401, "expiredApiKey"),
        ("poor", {}, 402, "insufficientCredits"),
        ("rich", {"n": 0}, 400, "invalid_request"),
        ("rich", {"prompt": "[[fail]]"}, 500, "generationFailed"),
    ],
)
def test_a_refusal_wears_the_envelope(
    ask: Ask, name: str, change: dict[str, object], status: int, code: str
) -> None:
    """Each refusal has its documented status and code, whatever the client."""
    got, refusal = ask(name, **change)
    assert (status, code) == (got, refusal["error"]["code"])
    assert {"error"} == refusal.keys()


def test_an_async_generation_is_polled_by_its_address(ask: Ask, server: Server) -> None:
    """The queued answer's poll_url leads to the finished generation, with the same key."""
    status, queued = ask("rich", **{"async": True})
    assert (status, queued["status"]) == (202, "queued")
    polled = httpx.get(queued["poll_url"], headers=_bearer(server.keys["rich"])).json()
    assert (queued["id"], "succeeded") == (polled["id"], polled["status"])


@needs_curl
def test_curl_and_httpx_fetch_the_same_picture(ask: Ask) -> None:
    """An image's address needs no key and gives every client the same bytes."""
    url = ask("rich")[1]["images"][0]["url"]
    picture = _curl(url)
    assert picture[:4] == b"\x89PNG"
    assert picture == httpx.get(url).content == requests.get(url, timeout=30).content
