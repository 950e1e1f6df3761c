"""Node clients: the OpenAI SDK and fetch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Observed = dict[str, Any]


@pytest.fixture(scope="module")
def sdk(observe: Callable[[str], Observed]) -> Observed:
    """Return what the OpenAI SDK for Node received."""
    return observe("openai.mjs")


@pytest.fixture(scope="module")
def fetched(observe: Callable[[str], Observed]) -> Observed:
    """Return what fetch received."""
    return observe("fetch.mjs")


def test_sdk_generates_images(sdk: Observed) -> None:
    """`images.generate` returns our generation with all its fields."""
    assert (sdk["generation"]["status"], len(sdk["generation"]["images"])) == ("succeeded", 2)
    assert sdk["generation"]["usage"]["credits"] == 16


def test_sdk_polls_an_async_generation(sdk: Observed) -> None:
    """`async: true` queues, and the SDK's `get` returns the image."""
    assert (sdk["queued"]["status"], sdk["queued"]["usage"]["credits_requested"]) == ("queued", 8)
    assert (sdk["polled"]["id"], sdk["polled"]["status"]) == (sdk["queued"]["id"], "succeeded")


def test_sdk_lists_models(sdk: Observed) -> None:
    """`models.list` pages through the models."""
    assert sdk["models"] == ["gpt-image-2"]


@pytest.mark.parametrize(
    ("case", "name", "status", "code"),
    [
        ("unknown", "AuthenticationError", 401, "invalidApiKey"),
        ("expired", "AuthenticationError", 401, "expiredApiKey"),
        ("poor", "APIError", 402, "insufficientCredits"),
        ("tooMany", "BadRequestError", 400, "invalid_request"),
        ("missing", "NotFoundError", 404, "notFound"),
        ("failed", "InternalServerError", 500, "generationFailed"),
    ],
)
def test_error_raises_the_sdks_exception(
    sdk: Observed, case: str, name: str, status: int, code: str
) -> None:
    """Each error throws the SDK's class for its status, with the documented code."""
    assert sdk["rejected"][case] == {"name": name, "status": status, "code": code}


def test_fetch_generates_and_polls(fetched: Observed) -> None:
    """fetch generates an image, queues another and polls its poll_url."""
    assert (fetched["generation"]["status"], fetched["generation"]["body"]["status"]) == (
        200,
        "succeeded",
    )
    assert (fetched["queued"]["status"], fetched["queued"]["body"]["status"]) == (202, "queued")
    assert (fetched["polled"]["status"], fetched["polled"]["body"]["status"]) == (200, "succeeded")


def test_fetch_downloads_an_image(fetched: Observed) -> None:
    """The image URL returns a PNG."""
    assert fetched["image"] == {"type": "image/png", "start": list(b"\x89PNG")}


@pytest.mark.parametrize(
    ("case", "status"), [("oneReference", 200), ("twoReferences", 200), ("notAnImage", 400)]
)
def test_fetch_sends_a_form(fetched: Observed, case: str, status: int) -> None:
    """A form with one or two images is accepted, and one with another file is rejected."""
    assert fetched[case]["status"] == status, fetched[case]


def test_fetch_gets_402_without_credits(fetched: Observed) -> None:
    """402 has the documented error shape."""
    assert (
        fetched["poor"]["status"],
        fetched["poor"]["body"]["error"]["code"],
    ) == (402, "insufficientCredits")
