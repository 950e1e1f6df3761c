"""GET /images: URLs, caching, range requests, formats."""

from __future__ import annotations

from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.support.live_server import KEY, LiveHub

PATH = "/images/clx_generation_log_id/1.png"


@pytest.fixture(scope="module")
def full(shared_hub: LiveHub) -> httpx.Response:
    """Return the response with the whole image of the documentation's generation."""
    return shared_hub.client.get(PATH)


def get_image(shared_hub: LiveHub, **headers: str) -> httpx.Response:
    hyphenated = {name.replace("_", "-"): value for name, value in headers.items()}
    return shared_hub.client.get(PATH, headers=hyphenated)


def test_image_needs_no_key(full: httpx.Response) -> None:
    """The response has a type, a length and an immutable Cache-Control (GEN-10)."""
    assert (full.status_code, full.headers["content-type"]) == (200, "image/png")
    assert full.headers["content-length"] == str(len(full.content))
    assert full.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert Image.open(BytesIO(full.content)).size == (1024, 1024)


@pytest.mark.parametrize(
    "accept", ["*/*", "image/*", "image/webp", "application/json", "text/html"]
)
@pytest.mark.parametrize("key", [None, KEY, "nonsense"])
def test_accept_and_authorization_are_ignored(
    shared_hub: LiveHub, full: httpx.Response, accept: str, key: str | None
) -> None:
    """Every client gets the same bytes."""
    more = {} if key is None else {"Authorization": f"Bearer {key}"}
    assert get_image(shared_hub, Accept=accept, **more).content == full.content


def test_images_of_one_request_differ(hub: LiveHub) -> None:
    """n images are n different files, and each file is the same at every fetch."""
    urls = [image["url"] for image in hub.generate({"n": 4}).json()["images"]]
    files = [hub.client.get(url).content for url in urls]
    assert len(set(files)) == 4
    assert [hub.client.get(url).content for url in urls] == files


def test_equal_requests_have_equal_images(hub: LiveHub) -> None:
    """The image depends on the request, not on the id of the generation."""
    first, second = (hub.generate({}).json()["images"][0]["url"] for _ in range(2))
    assert first != second
    assert hub.client.get(first).content == hub.client.get(second).content


@pytest.mark.parametrize(
    "tags", ["{tag}", "W/{tag}", "*", '"other", {tag}', '{tag},"other"', '"a" , W/{tag} , "b"']
)
def test_matching_etag_returns_304(shared_hub: LiveHub, full: httpx.Response, tags: str) -> None:
    """If-None-Match matches the tag, a weak tag, a list with the tag, and a star."""
    response = get_image(shared_hub, If_None_Match=tags.format(tag=full.headers["etag"]))
    assert (response.status_code, response.content) == (304, b"")
    for name in ("etag", "cache-control"):
        assert response.headers[name] == full.headers[name]
    assert "content-length" not in response.headers


@pytest.mark.parametrize("tags", ['"other"', "other", "", 'W/"other"', '"a", "b"'])
def test_other_etag_returns_the_image(shared_hub: LiveHub, full: httpx.Response, tags: str) -> None:
    assert get_image(shared_hub, If_None_Match=tags).content == full.content


def test_repeated_if_none_match_is_one_list(shared_hub: LiveHub, full: httpx.Response) -> None:
    headers = [("If-None-Match", full.headers["etag"]), ("If-None-Match", '"other"')]
    assert shared_hub.client.get(PATH, headers=headers).status_code == 304


@pytest.mark.parametrize(
    ("range_header", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=0-", slice(0, None)),
        ("bytes=5-9", slice(5, 10)),
        ("BYTES=5-9", slice(5, 10)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=100-99999999", slice(100, None)),
        ("bytes=-99999999", slice(0, None)),
        ("bytes=0-" + 5000 * "9", slice(0, None)),
    ],
)
def test_range_returns_its_bytes(
    shared_hub: LiveHub, full: httpx.Response, range_header: str, part: slice
) -> None:
    """One range, from a byte or from the end, returns 206 and exactly those bytes."""
    response = get_image(shared_hub, Range=range_header)
    first, last, _ = part.indices(len(full.content))
    assert (response.status_code, response.content) == (206, full.content[part])
    assert response.headers["content-range"] == f"bytes {first}-{last - 1}/{len(full.content)}"
    assert response.headers["content-length"] == str(last - first)


@pytest.mark.parametrize("range_header", ["bytes={length}-", "bytes=9999999-", "bytes=-0"])
def test_range_beyond_the_end_is_rejected(
    shared_hub: LiveHub, full: httpx.Response, range_header: str
) -> None:
    """The response is 416 with the length."""
    response = get_image(shared_hub, Range=range_header.format(length=len(full.content)))
    assert (response.status_code, response.content) == (416, b"")
    assert response.headers["content-range"] == f"bytes */{len(full.content)}"


@pytest.mark.parametrize(
    "range_header",
    ["bytes=9-5", "bytes=0-1,3-4", "bytes=x", "bytes=", "bytes=-", "bytes", "items=0-1", "0-1"],
)
def test_unsupported_range_returns_the_image(
    shared_hub: LiveHub, full: httpx.Response, range_header: str
) -> None:
    """Several ranges, a reversed range and a malformed range are ignored."""
    response = get_image(shared_hub, Range=range_header)
    assert (response.status_code, response.content) == (200, full.content)


def test_if_range_needs_a_strong_match(shared_hub: LiveHub, full: httpx.Response) -> None:
    """A weak tag, another tag and a date return the whole image."""
    tag = full.headers["etag"]
    date = "Thu, 30 Apr 2026 08:00:00 GMT"
    assert get_image(shared_hub, Range="bytes=0-1", If_Range=tag).status_code == 206
    for other in ('"other"', f"W/{tag}", date):
        assert get_image(shared_hub, Range="bytes=0-1", If_Range=other).content == full.content


def test_head_ignores_range(shared_hub: LiveHub, full: httpx.Response) -> None:
    """The response to HEAD describes the whole image: Range is for GET only."""
    response = shared_hub.client.head(PATH, headers={"Range": "bytes=0-1"})
    assert (
        response.status_code,
        response.headers["content-length"],
    ) == (200, full.headers["content-length"])


@pytest.mark.parametrize(
    ("image_format", "extension", "kind"),
    [("png", "png", "PNG"), ("jpeg", "jpg", "JPEG"), ("webp", "webp", "WEBP")],
)
def test_hub_can_serve_other_formats(
    hub: LiveHub, image_format: str, extension: str, kind: str
) -> None:
    """A hub with the format JPEG or WebP serves it, and its URLs have the extension."""
    hub.server.call(lambda: setattr(hub.backend, "image_format", image_format))
    (image,) = hub.generate({"size": "1536x1024"}).json()["images"]
    response = hub.client.get(image["url"])
    assert image["url"].endswith(f"/1.{extension}")
    assert response.headers["content-type"] == f"image/{image_format}"
    decoded = Image.open(BytesIO(response.content))
    assert (decoded.format, decoded.size) == (kind, (1536, 1024))


@pytest.mark.parametrize(
    "path",
    [
        "x/1.png",
        "clx_generation_log_id/0.png",
        "clx_generation_log_id/2.png",
        "x",
        "",
        "../x/1.png",
        "clx_generation_log_id/1.gif",
        "clx_generation_log_id/01.png",
        "clx_generation_log_id/1",
    ],
)
def test_unknown_image_is_not_found(shared_hub: LiveHub, path: str) -> None:
    """A URL that no response had is 404 in the documented shape (ERR-5)."""
    response = shared_hub.client.get(f"{shared_hub.url}/images/{path}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "notFound")


def test_unfinished_or_failed_generation_has_no_image(hub: LiveHub) -> None:
    for prompt in ("[[fail]]", "[[never]]"):
        generation = hub.generate({"async": True, "prompt": prompt}).json()
        assert hub.client.get(f"/images/{generation['id']}/1.png").status_code == 404


@pytest.mark.parametrize("prompt", ["\x00", "a\u202eb", "\n", 100 * "😀", "\uffff", "𝔘𝔫𝔦", " "])
def test_any_prompt_can_be_drawn(hub: LiveHub, prompt: str) -> None:
    """A prompt may have any Unicode characters."""
    (image,) = hub.generate({"prompt": prompt, "size": "256x256"}).json()["images"]
    assert hub.client.get(image["url"]).status_code == 200
