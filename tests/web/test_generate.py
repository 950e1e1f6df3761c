"""Synchronous generations: the response, its images and its price."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from tests.support.live_server import BODY, KEY, PNG, PUBLISHED, RICH, LiveHub, serve_hub


def test_response_is_the_finished_generation(hub: LiveHub) -> None:
    """The response is 200, succeeded, with the documented members (END-3, GEN-1, GEN-2)."""
    response = hub.generate({"n": 1, "quality": "high"})
    generation = response.json()
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert generation.keys() == {
        "object", "id", "status", "model", "aspect_ratio", "quality", "images", "usage", "balance",
    }  # fmt: skip
    assert (generation["object"], generation["status"]) == ("image_generation", "succeeded")
    assert generation["model"] == "gpt-image-2"


def test_response_waits_for_the_images(hub: LiveHub) -> None:
    """A generation that takes time is returned when it has ended, not before (GEN-1)."""
    generation = hub.generate({"prompt": "[[duration=90s]]"}).json()
    assert generation["status"] == "succeeded"
    assert hub.server.call(lambda: hub.backend.clock.now()) == PUBLISHED + 90_000


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_n_images_are_returned(hub: LiveHub, n: int) -> None:
    """Each of n images is {id, object, url, created_at} and is charged (GEN-3, GEN-6)."""
    generation = hub.generate({"n": n}).json()
    assert len(generation["images"]) == n
    for image in generation["images"]:
        assert image.keys() == {"id", "object", "url", "created_at"}
        assert image["object"] == "image"
    assert generation["usage"]["credits"] == 8 * n


def test_balance_is_the_one_after_the_charge(hub: LiveHub) -> None:
    """120 credits minus 8 are 112, in the response and in GET /api/v1/credits (GEN-7)."""
    balances = [hub.generate({}).json()["balance"]["credits"] for _ in range(3)]
    assert balances == [112, 104, 96]
    assert hub.credits() == 96


@pytest.mark.parametrize("quality", ["auto", "low", "medium", "high"])
@pytest.mark.parametrize(
    ("size", "tier", "price", "ratio"),
    [
        ("auto", "1K", 8, "auto"),
        ("1024x1024", "1K", 8, "1:1"),
        ("1536x1024", "1K", 8, "3:2"),
        ("1024x1536", "1K", 8, "2:3"),
        ("1552x1024", "2K", 10, "3:2"),
        ("2048x2048", "2K", 10, "1:1"),
        ("2064x2048", "4K", 12, "1:1"),
        ("3840x2160", "4K", 12, "16:9"),
        ("2160x3840", "4K", 12, "9:16"),
        ("2240x960", "2K", 10, "21:9"),
        ("960x2240", "2K", 10, "9:21"),
        ("1280x1024", "1K", 8, "5:4"),
        ("1536x512", "1K", 8, "3:1"),
    ],
)
def test_size_determines_tier_price_and_ratio(
    shared_hub: LiveHub, quality: str, size: str, tier: str, price: int, ratio: str
) -> None:
    """The quality changes none of them (GEN-4, GEN-5, GEN-12)."""
    generation = shared_hub.generate({"size": size, "quality": quality}, key=RICH).json()
    assert (
        generation["quality"],
        generation["usage"]["credits"],
        generation["aspect_ratio"],
    ) == (tier, price, ratio)


def test_timestamps_are_utc(hub: LiveHub) -> None:
    """Times are ISO 8601 in UTC with milliseconds, as published (GEN-8)."""
    hub.server.call(lambda: hub.backend.clock.advance(61_007))
    (image,) = hub.generate({}).json()["images"]
    assert image["created_at"] == "2026-04-30T08:01:01.007Z"


def test_reference_images_do_not_change_the_response(hub: LiveHub) -> None:
    """A request with reference images has the same response and price (GEN-9)."""
    plain = hub.generate({"n": 2}).json()
    files = [("reference_image", ("r.png", PNG))] * 2
    generation = hub.generate(data={**BODY, "n": "2"}, files=files).json()
    assert plain.keys() == generation.keys()
    assert plain["usage"] == generation["usage"]


def test_images_have_the_requested_size(hub: LiveHub) -> None:
    """An image's URL is absolute, needs no key and returns the requested size (GEN-10)."""
    for size in ("1024x1024", "1536x512", "16x16"):
        (image,) = hub.generate({"size": size}).json()["images"]
        assert image["url"].startswith(hub.url)
        file = hub.client.get(image["url"])
        assert file.status_code == 200
        assert "{}x{}".format(*Image.open(BytesIO(file.content)).size) == size


def test_ids_are_unique(hub: LiveHub) -> None:
    """No two generations or images have the same id (GEN-11)."""
    ids = [
        id
        for _ in range(30)
        for generation in [hub.generate({"n": 4}, key=RICH).json()]
        for id in (generation["id"], *(image["id"] for image in generation["images"]))
    ]
    assert len(set(ids)) == 150


def test_urls_come_from_the_configuration(hub: LiveHub) -> None:
    """No header of the client changes the URLs in responses (GEN-10)."""
    forged_headers = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example;proto=https",
    }
    generation = hub.generate({}, headers=forged_headers).json()
    queued = hub.generate({"async": True}, headers=forged_headers).json()
    assert generation["images"][0]["url"].startswith(f"{hub.url}/images/{generation['id']}/")
    assert f"{hub.url}/api/v1/generations/{queued['id']}" == queued["poll_url"]


def test_800_seconds_are_the_longest(hub: LiveHub) -> None:
    """A generation of 800 seconds succeeds; a longer one fails then and is refunded (LIM-1)."""
    assert hub.generate({"prompt": "[[duration=800s]]"}).status_code == 200
    started = hub.server.call(lambda: hub.backend.clock.now())
    response = hub.generate({"prompt": "[[duration=801s]]"})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "generationFailed")
    assert hub.server.call(lambda: hub.backend.clock.now()) - started == 800_000
    assert hub.credits() == 112


def test_there_is_no_rate_limit(shared_hub: LiveHub) -> None:
    """A fast client never gets 429, except by a fault (LIM-2)."""
    assert {shared_hub.get("credits", KEY).status_code for _ in range(300)} == {200}


def test_same_seed_gives_the_same_responses() -> None:
    """The same seed, requests and manual clock give the same ids, times and bytes."""

    def run() -> list[object]:
        with serve_hub() as hub:
            generations = [hub.generate({"n": 2, "prompt": f"p{i}"}).json() for i in range(3)]
            queued = hub.generate({"async": True}).json()
            images = [
                hub.client.get(i["url"]).content
                for generation in generations
                for i in generation["images"]
            ]
            return [*generations, queued, images, hub.url]

    first, second = run(), run()
    assert repr(first).replace(first[-1], "") == repr(second).replace(second[-1], "")
