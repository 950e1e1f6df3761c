"""Images over HTTP: addresses, caching, ranges, formats."""

from __future__ import annotations

from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.support.live_server import KEY, LiveHub

WHERE = "/images/clx_generation_log_id/1.png"


@pytest.fixture(scope="module")
def whole(shared_hub: LiveHub) -> httpx.Response:
    """Return the image of the published generation."""
    return shared_hub.client.get(WHERE)


def ask(shared_hub: LiveHub, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return shared_hub.client.get(WHERE, headers=named)


def test_a_picture_is_served_to_everybody(whole: httpx.Response) -> None:
    """No key is needed, and the answer says type, length and that it never changes (GEN-10)."""
    assert (whole.status_code, whole.headers["content-type"]) == (200, "image/png")
    assert str(len(whole.content)) == whole.headers["content-length"]
    assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert Image.open(BytesIO(whole.content)).size == (1024, 1024)


@pytest.mark.parametrize(
    "accept", ["*/*", "image/*", "image/webp", "application/json", "text/html"]
)
@pytest.mark.parametrize("key", [None, KEY, "nonsense"])
def test_neither_accept_nor_a_key_matter(
    shared_hub: LiveHub, whole: httpx.Response, accept: str, key: str | None
) -> None:
    """The same bytes come whatever the client says it wants or is."""
    more = {} if key is None else {"Authorization": f"Bearer {key}"}
    assert whole.content == ask(shared_hub, Accept=accept, **more).content


def test_images_of_one_request_differ(hub: LiveHub) -> None:
    """n images are n different pictures, and each is the same at every fetch."""
    urls = [image["url"] for image in hub.generate({"n": 4}).json()["images"]]
    files = [hub.client.get(url).content for url in urls]
    assert len(set(files)) == 4
    assert files == [hub.client.get(url).content for url in urls]


def test_the_same_request_gives_other_ids_and_the_same_picture(hub: LiveHub) -> None:
    """What is asked decides the picture; which generation it was does not."""
    first, second = (hub.generate({}).json()["images"][0]["url"] for _ in range(2))
    assert first != second
    assert hub.client.get(first).content == hub.client.get(second).content


@pytest.mark.parametrize(
    "tags", ["{tag}", "W/{tag}", "*", '"other", {tag}', '{tag},"other"', '"a" , W/{tag} , "b"']
)
def test_who_has_it_gets_304(shared_hub: LiveHub, whole: httpx.Response, tags: str) -> None:
    """If-None-Match with the tag, weak or in a list, or with a star gets 304 without a body."""
    answer = ask(shared_hub, If_None_Match=tags.format(tag=whole.headers["etag"]))
    assert (answer.status_code, answer.content) == (304, b"")
    for name in ("etag", "cache-control"):
        assert whole.headers[name] == answer.headers[name]
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("tags", ['"other"', "other", "", 'W/"other"', '"a", "b"'])
def test_who_has_another_gets_the_whole(
    shared_hub: LiveHub, whole: httpx.Response, tags: str
) -> None:
    """If-None-Match with other tags gets the picture."""
    assert whole.content == ask(shared_hub, If_None_Match=tags).content


def test_two_lines_of_tags_are_one_list(shared_hub: LiveHub, whole: httpx.Response) -> None:
    """If-None-Match that is sent twice counts as one list."""
    headers = [("If-None-Match", whole.headers["etag"]), ("If-None-Match", '"other"')]
    assert shared_hub.client.get(WHERE, headers=headers).status_code == 304


@pytest.mark.parametrize(
    ("asked", "part"),
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
def test_a_range_gets_its_bytes(
    shared_hub: LiveHub, whole: httpx.Response, asked: str, part: slice
) -> None:
    """One range, from a byte or from the end, gets 206 and exactly those bytes."""
    answer = ask(shared_hub, Range=asked)
    first, last, _ = part.indices(len(whole.content))
    assert (206, whole.content[part]) == (answer.status_code, answer.content)
    assert f"bytes {first}-{last - 1}/{len(whole.content)}" == answer.headers["content-range"]
    assert str(last - first) == answer.headers["content-length"]


@pytest.mark.parametrize("first", ["bytes={length}-", "bytes=9999999-", "bytes=-0"])
def test_a_range_beyond_the_end(shared_hub: LiveHub, whole: httpx.Response, first: str) -> None:
    """A range that begins beyond the end is 416 with the length."""
    answer = ask(shared_hub, Range=first.format(length=len(whole.content)))
    assert (answer.status_code, answer.content) == (416, b"")
    assert f"bytes */{len(whole.content)}" == answer.headers["content-range"]


@pytest.mark.parametrize(
    "asked",
    ["bytes=9-5", "bytes=0-1,3-4", "bytes=x", "bytes=", "bytes=-", "bytes", "items=0-1", "0-1"],
)
def test_what_is_no_range_gets_the_whole(
    shared_hub: LiveHub, whole: httpx.Response, asked: str
) -> None:
    """Several ranges, one that ends before it begins, or nonsense get the picture."""
    answer = ask(shared_hub, Range=asked)
    assert (200, whole.content) == (answer.status_code, answer.content)


def test_a_range_of_what_the_client_has(shared_hub: LiveHub, whole: httpx.Response) -> None:
    """If-Range gets the part where the tag fits, strongly, and else the whole."""
    tag = whole.headers["etag"]
    date = "Thu, 30 Apr 2026 08:00:00 GMT"
    assert ask(shared_hub, Range="bytes=0-1", If_Range=tag).status_code == 206
    for other in ('"other"', f"W/{tag}", date):
        assert whole.content == ask(shared_hub, Range="bytes=0-1", If_Range=other).content


def test_head_has_no_ranges(shared_hub: LiveHub, whole: httpx.Response) -> None:
    """HEAD tells of the whole picture, ranges being for GET alone."""
    answer = shared_hub.client.head(WHERE, headers={"Range": "bytes=0-1"})
    assert (200, whole.headers["content-length"]) == (
        answer.status_code,
        answer.headers["content-length"],
    )


@pytest.mark.parametrize(
    ("image_format", "extension", "kind"),
    [("png", "png", "PNG"), ("jpeg", "jpg", "JPEG"), ("webp", "webp", "WEBP")],
)
def test_a_hub_may_serve_other_formats(
    hub: LiveHub, image_format: str, extension: str, kind: str
) -> None:
    """A hub with the format JPEG or WebP serves it, and its URLs have the extension."""
    hub.server.call(lambda: setattr(hub.backend, "image_format", image_format))
    (image,) = hub.generate({"size": "1536x1024"}).json()["images"]
    answer = hub.client.get(image["url"])
    assert image["url"].endswith(f"/1.{extension}")
    assert f"image/{image_format}" == answer.headers["content-type"]
    drawn = Image.open(BytesIO(answer.content))
    assert (kind, (1536, 1024)) == (drawn.format, drawn.size)


@pytest.mark.parametrize(
    "where",
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
def test_an_unknown_picture_is_not_found(shared_hub: LiveHub, where: str) -> None:
    """An address that no answer gave is 404 in the documented shape (ERR-5)."""
    answer = shared_hub.client.get(f"{shared_hub.url}/images/{where}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "notFound")


def test_a_failed_generation_has_no_pictures(hub: LiveHub) -> None:
    """There is nothing to fetch of a generation that failed or still runs."""
    for prompt in ("[[fail]]", "[[never]]"):
        made = hub.generate({"async": True, "prompt": prompt}).json()
        assert hub.client.get(f"/images/{made['id']}/1.png").status_code == 404


@pytest.mark.parametrize("prompt", ["\x00", "a\u202eb", "\n", 100 * "😀", "\uffff", "𝔘𝔫𝔦", " "])
def test_any_prompt_can_be_drawn(hub: LiveHub, prompt: str) -> None:
    """Whatever Unicode a prompt holds, its picture is served."""
    (image,) = hub.generate({"prompt": prompt, "size": "256x256"}).json()["images"]
    assert hub.client.get(image["url"]).status_code == 200
