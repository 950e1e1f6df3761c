"""HTTP clients without an SDK: requests, httpx and curl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from tests.support.tools import needs_curl

if TYPE_CHECKING:
    from conftest import Server

FIELDS = {"model": "gpt-image-2", "prompt": "A lighthouse at dusk", "size": "1024x1024"}

Response = tuple[int, Any]
RequestGeneration = Callable[..., Response]


def generate_with_requests(
    url: str, key: str, *, body: Mapping[str, object], files: Sequence[Path] = ()
) -> Response:
    images = [("reference_image", (file.name, file.read_bytes())) for file in files]
    sent: dict[str, Any] = {"data": body, "files": images} if files else {"json": body}
    response = requests.post(url, headers=auth_headers(key), timeout=30, **sent)
    return response.status_code, response.json()


def generate_with_httpx(
    url: str, key: str, *, body: Mapping[str, object], files: Sequence[Path] = ()
) -> Response:
    images = [("reference_image", (file.name, file.read_bytes())) for file in files]
    sent: dict[str, Any] = {"data": body, "files": images} if files else {"json": body}
    response = httpx.post(url, headers=auth_headers(key), **sent)
    return response.status_code, response.json()


def generate_with_curl(
    url: str, key: str, *, body: Mapping[str, object], files: Sequence[Path] = ()
) -> Response:
    if files:
        sent = repeat_option("--form-string", (f"{name}={value}" for name, value in body.items()))
        sent += repeat_option("--form", (f"reference_image=@{file}" for file in files))
    else:
        sent = ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
    headers = repeat_option(
        "--header", (f"{name}: {value}" for name, value in auth_headers(key).items())
    )
    output = run_curl(url, "--write-out", "\n%{http_code}", *headers, *sent)
    text, _, status = output.decode().rpartition("\n")
    return int(status), json.loads(text)


def repeat_option(name: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (name, value)]


def run_curl(url: str, *options: str) -> bytes:
    command = ["curl", "--silent", "--show-error", *options, url]
    return subprocess.run(command, check=True, capture_output=True).stdout


def auth_headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


@pytest.fixture(
    params=[
        pytest.param(generate_with_requests, id="requests"),
        pytest.param(generate_with_httpx, id="httpx"),
        pytest.param(generate_with_curl, id="curl", marks=needs_curl),
    ]
)
def request_generation(request: pytest.FixtureRequest, server: Server) -> RequestGeneration:
    """Return a function that requests a generation with one of the clients."""

    def post(name: str, *, files: Sequence[Path] = (), **change: object) -> Response:
        url = f"{server.url}/api/v1/images/generations"
        response: Response = request.param(
            url, server.keys.get(name, ""), body=FIELDS | change, files=files
        )
        return response

    return post


@pytest.fixture
def reference(tmp_path: Path, png: bytes) -> Path:
    file = tmp_path / "reference.png"
    file.write_bytes(png)
    return file


def test_json_body_generates_images(request_generation: RequestGeneration) -> None:
    """A JSON body generates the requested number of images."""
    status, generation = request_generation("rich", n=2)
    assert (status, generation["status"], len(generation["images"])) == (200, "succeeded", 2)


@pytest.mark.parametrize("count", [1, 2])
def test_form_contains_reference_images(
    request_generation: RequestGeneration, reference: Path, count: int
) -> None:
    """A multipart body contains one image, or several in parts of the same name."""
    status, generation = request_generation("rich", n=1, files=[reference] * count)
    assert (status, generation["status"], generation["usage"]["credits"]) == (200, "succeeded", 8)


def test_form_with_a_fake_image_is_rejected(
    request_generation: RequestGeneration, tmp_path: Path
) -> None:
    """A file that only has the name of a PNG is an invalid request that names the field."""
    fake_image = tmp_path / "reference.png"
    fake_image.write_text("not a picture")
    status, error_body = request_generation("rich", files=[fake_image])
    assert (status, error_body["error"]["code"]) == (400, "invalid_request")
    assert "reference_image" in error_body["error"]["message"]


@pytest.mark.parametrize(
    ("name", "change", "status", "code"),
    [
        ("keyless", {}, 401, "missingApiKey"),
        ("expired", {}, 401, "expiredApiKey"),
        ("poor", {}, 402, "insufficientCredits"),
        ("rich", {"n": 0}, 400, "invalid_request"),
        ("rich", {"prompt": "[[fail]]"}, 500, "generationFailed"),
    ],
)
def test_error_has_status_and_code(
    request_generation: RequestGeneration,
    name: str,
    change: dict[str, object],
    status: int,
    code: str,
) -> None:
    """Each error has its documented status and code, whatever the client."""
    actual_status, error_body = request_generation(name, **change)
    assert (actual_status, error_body["error"]["code"]) == (status, code)
    assert error_body.keys() == {"error"}


def test_async_generation_is_polled_by_its_poll_url(
    request_generation: RequestGeneration, server: Server
) -> None:
    """The poll_url of a queued generation returns the completed one, with the same key."""
    status, queued = request_generation("rich", **{"async": True})
    assert (status, queued["status"]) == (202, "queued")
    polled = httpx.get(queued["poll_url"], headers=auth_headers(server.keys["rich"])).json()
    assert (polled["id"], polled["status"]) == (queued["id"], "succeeded")


@needs_curl
def test_curl_and_httpx_download_the_same_image(request_generation: RequestGeneration) -> None:
    """An image URL needs no key and returns the same bytes to every client."""
    url = request_generation("rich")[1]["images"][0]["url"]
    image = run_curl(url)
    assert image[:4] == b"\x89PNG"
    assert image == httpx.get(url).content == requests.get(url, timeout=30).content
