"""GET /images: URLs, caching, range requests, formats."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from io import BytesIO

import httpx
import pytest
from PIL import Image

from mockhub.client_report.report import build_report
from mockhub.domain.ids import Ids
from mockhub.faults.grammar import parse_directives, with_conditions
from mockhub.journal.journal import Journal
from tests.support.live_server import IMAGE_PATH, KEY, LiveHub

IMAGES = IMAGE_PATH.rpartition("/")[0]


@pytest.fixture(scope="module")
def full(shared_hub: LiveHub) -> httpx.Response:
    """Return the response with the whole image of the documentation's generation."""
    return shared_hub.client.get(IMAGE_PATH)


def get_image(shared_hub: LiveHub, **headers: str) -> httpx.Response:
    hyphenated = {name.replace("_", "-"): value for name, value in headers.items()}
    return shared_hub.client.get(IMAGE_PATH, headers=hyphenated)


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
    assert shared_hub.client.get(IMAGE_PATH, headers=headers).status_code == 304


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
    response = shared_hub.client.head(IMAGE_PATH, headers={"Range": "bytes=0-1"})
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
        "/images/x/ece0071344fddbf0/1.png",
        f"{IMAGES}/0.png",
        f"{IMAGES}/2.png",
        "/images/x",
        "/images/",
        "/images/../x/ece0071344fddbf0/1.png",
        f"{IMAGES}/1.gif",
        f"{IMAGES}/01.png",
        f"{IMAGES}/1",
        "/images/clx_generation_log_id/1.png",
        "/images/clx_generation_log_id//1.png",
        "/images/clx_generation_log_id/6B1795B2185AA804/1.png",
        "/images/clx_generation_log_id/6b1795b2185aa80/1.png",
    ],
)
def test_unknown_image_is_not_found(shared_hub: LiveHub, path: str) -> None:
    """A URL that is in no response is 404 in the documented shape (ERR-5)."""
    response = shared_hub.client.get(shared_hub.url + path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "notFound")


def image_url(hub: LiveHub, **fields: object) -> str:
    """Return the path of the first image of a new generation."""
    (image,) = hub.generate({"size": "256x256", **fields}).json()["images"]
    return str(image["url"].removeprefix(hub.url))


def test_url_never_serves_other_bytes_after_a_reset(hub: LiveHub) -> None:
    """The same generation id with another prompt has another URL; the old one is 404 (GEN-10)."""
    hub.server.call(hub.backend.save_snapshot)
    fox = image_url(hub, prompt="A fox")
    before = hub.client.get(fox)
    hub.server.call(lambda: hub.app.api.hub_registry.reset(hub.backend.name))
    whale = image_url(hub, prompt="A whale")
    assert whale.split("/")[2] == fox.split("/")[2], "the ids repeat"
    assert whale != fox
    response = hub.client.get(fox, headers={"If-None-Match": before.headers["etag"]})
    assert response.status_code == 404
    assert "is another generation" in response.json()["error"]["message"]
    assert "immutable" not in response.headers.get("cache-control", "")
    assert hub.client.get(whale).status_code == 200


def test_url_repeats_with_the_same_bytes_after_a_reset(hub: LiveHub) -> None:
    """The same requests after a reset give the same URLs and the same bytes."""
    hub.server.call(hub.backend.save_snapshot)
    url = image_url(hub)
    before = hub.client.get(url).content
    hub.server.call(lambda: hub.app.api.hub_registry.reset(hub.backend.name))
    assert image_url(hub) == url
    assert hub.client.get(url).content == before


def test_new_seed_changes_new_images_only(hub: LiveHub) -> None:
    """The images of a generation stay the same when the seed of its hub changes (RET-4)."""
    made = hub.generate({"size": "256x256"}).json()
    (url,) = (image["url"] for image in made["images"])
    before = hub.client.get(url).content
    hub.server.call(lambda: setattr(hub.backend, "ids", Ids(99)))
    assert hub.get(f"generations/{made['id']}").json()["images"] == made["images"]
    assert hub.client.get(url).content == before
    assert hub.client.get(image_url(hub)).content != before, "the seed applies to new images"


def test_unfinished_or_failed_generation_has_no_image(hub: LiveHub) -> None:
    for prompt in ("[[fail]]", "[[never]]"):
        id = hub.generate({"async": True, "prompt": prompt}).json()["id"]
        generation = hub.server.call(partial(hub.backend.generations.__getitem__, id))
        ((_, url),) = hub.app.api.links(hub.backend.name).images(generation, "png")
        assert hub.client.get(url).status_code == 404


# -- faults and the journal ----------------------------------------------------------------------


def arm(hub: LiveHub, fault: str, prompt: str | None = None) -> None:
    directives = [with_conditions(one, prompt=prompt) for one in parse_directives(fault)]
    hub.server.call(lambda: hub.backend.faults.arm(directives))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset", httpx.ReadError),
        ("reset@after", httpx.ReadError),
        ("truncate", httpx.RemoteProtocolError),
    ],
)
def test_fault_breaks_the_download(hub: LiveHub, fault: str, error: type[Exception]) -> None:
    """The fault fires once on the image, and the next download succeeds."""
    arm(hub, f"{fault} x1 on=get_image")
    assert hub.credits() == 120, "other operations are not affected"
    with pytest.raises(error):
        hub.client.get(IMAGE_PATH)
    assert hub.client.get(IMAGE_PATH).status_code == 200


@pytest.mark.parametrize(("fault", "status"), [("status=404", 404), ("status=503", 503)])
def test_status_fault_replaces_the_image(hub: LiveHub, fault: str, status: int) -> None:
    arm(hub, f"{fault} x1 on=get_image")
    assert hub.client.get(IMAGE_PATH).status_code == status
    assert hub.client.get(IMAGE_PATH).status_code == 200


def test_corrupt_fault_damages_the_file(hub: LiveHub, full: httpx.Response) -> None:
    arm(hub, "corrupt x1 on=get_image")
    damaged = hub.client.get(IMAGE_PATH)
    assert damaged.status_code == 200
    assert len(damaged.content) == len(full.content)
    assert damaged.content != full.content


def test_fault_without_an_operation_does_not_fire_on_images(hub: LiveHub) -> None:
    """Images come from another host in production: a fault of the API does not concern them."""
    arm(hub, "status=503 x1")
    assert hub.client.get(IMAGE_PATH).status_code == 200
    assert hub.get("credits").status_code == 503


def test_header_fires_on_the_download(shared_hub: LiveHub) -> None:
    assert get_image(shared_hub, X_Mockhub="status=500").status_code == 500
    assert get_image(shared_hub, X_Mockhub="status=500 on=get_credits").status_code == 200


def test_prompt_fires_on_the_downloads_of_its_images(hub: LiveHub) -> None:
    other = image_url(hub)
    url = image_url(hub, prompt="A fox [[status=404 x1 on=get_image]]")
    assert [hub.client.get(one).status_code for one in (other, url, url)] == [200, 404, 200]
    arm(hub, "status=404 x1 on=get_image", prompt="fox")
    assert [hub.client.get(one).status_code for one in (other, url, url)] == [200, 404, 200]


def test_journal_has_the_download_without_its_bytes(hub: LiveHub) -> None:
    arm(hub, "status=503 x1 on=get_image")
    hub.client.get(IMAGE_PATH)
    content = hub.client.get(IMAGE_PATH, headers={"Authorization": f"Bearer {KEY}"}).content
    broken, whole = hub.server.call(lambda: [*hub.backend.journal])
    assert (broken.operation, broken.status, broken.faults) == (
        "get_image",
        503,
        ("status=503@before",),
    )
    assert (whole.operation, whole.status, whole.generation, whole.credits) == (
        "get_image",
        200,
        "clx_generation_log_id",
        0,
    )
    expected = (len(content), None, sha256(content).hexdigest())
    assert (whole.response.length, whole.response.content, whole.response.digest) == expected


def test_downloads_do_not_fill_the_journal(hub: LiveHub, full: httpx.Response) -> None:
    """The journal keeps the digest of an image, so that other exchanges are not evicted."""
    journal = Journal(max_bytes=len(full.content))
    hub.server.call(lambda: setattr(hub.backend, "journal", journal))
    for _ in range(5):
        assert hub.client.get(IMAGE_PATH).content == full.content
    assert hub.server.call(lambda: len(journal)) == 5


def test_query_of_an_image_is_no_finding(hub: LiveHub) -> None:
    """A cache buster or a signature behind an image URL is not a field of the API."""
    assert hub.client.get(f"{IMAGE_PATH}?v=2").status_code == 200
    assert hub.server.call(lambda: build_report(hub.backend).findings) == ()


@pytest.mark.parametrize("prompt", ["\x00", "a\u202eb", "\n", 100 * "😀", "\uffff", "𝔘𝔫𝔦", " "])
def test_any_prompt_can_be_drawn(hub: LiveHub, prompt: str) -> None:
    """A prompt may have any Unicode characters."""
    (image,) = hub.generate({"prompt": prompt, "size": "256x256"}).json()["images"]
    assert hub.client.get(image["url"]).status_code == 200
