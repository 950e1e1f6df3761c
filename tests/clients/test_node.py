"""Clients of Node: the OpenAI SDK and fetch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Seen = dict[str, Any]


@pytest.fixture(scope="module")
def sdk(observe: Callable[[str], Seen]) -> Seen:
    """What the OpenAI SDK for Node saw."""
    return observe("openai.mjs")


@pytest.fixture(scope="module")
def fetched(observe: Callable[[str], Seen]) -> Seen:
    """What fetch saw."""
    return observe("fetch.mjs")


def test_the_sdk_generates(sdk: Seen) -> None:
    """`images.generate` returns our generation with all its fields."""
    assert (sdk["made"]["status"], len(sdk["made"]["images"])) == ("succeeded", 2)
    assert sdk["made"]["usage"]["credits"] == 16


def test_the_sdk_polls_an_async_generation(sdk: Seen) -> None:
    """`async: true` queues, and the SDK's plain `get` finds the picture."""
    assert (sdk["queued"]["status"], sdk["queued"]["usage"]["credits_requested"]) == ("queued", 8)
    assert (sdk["queued"]["id"], "succeeded") == (sdk["polled"]["id"], sdk["polled"]["status"])


def test_the_sdk_lists_models(sdk: Seen) -> None:
    """`models.list` pages through the catalogue."""
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
def test_a_refusal_is_the_sdks_own_exception(
    sdk: Seen, case: str, name: str, status: int, code: str
) -> None:
    """Each refusal throws the class that the SDK has for its status, with our code in it."""
    assert {"name": name, "status": status, "code": code} == sdk["refused"][case]


def test_fetch_generates_and_polls(fetched: Seen) -> None:
    """fetch makes an image, queues another and finds it by its poll_url."""
    assert (fetched["made"]["status"], fetched["made"]["body"]["status"]) == (200, "succeeded")
    assert (fetched["queued"]["status"], fetched["queued"]["body"]["status"]) == (202, "queued")
    assert (fetched["polled"]["status"], fetched["polled"]["body"]["status"]) == (200, "succeeded")


def test_fetch_reads_a_picture(fetched: Seen) -> None:
    """The image's address gives a PNG."""
    assert {"type": "image/png", "start": list(b"\x89PNG")} == fetched["picture"]


@pytest.mark.parametrize(
    ("case", "status"), [("oneReference", 200), ("twoReferences", 200), ("notAPicture", 400)]
)
def test_fetch_sends_a_form(fetched: Seen, case: str, status: int) -> None:
    """A FormData with one picture or two is accepted, and one that is no picture is refused."""
    assert status == fetched[case]["status"], fetched[case]


def test_fetch_meets_an_empty_purse(fetched: Seen) -> None:
    """402 wears the envelope."""
    assert (
        fetched["poor"]["status"],
        fetched["poor"]["body"]["error"]["code"],
    ) == (402, "insufficientCredits")
