"""The OpenAI SDK for Python, with nothing changed but its base_url."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import openai
import pytest

if TYPE_CHECKING:
    from conftest import Server

REQUEST = {"model": "gpt-image-2", "prompt": "A lighthouse at dusk", "size": "1024x1024"}

# The key, the changes of REQUEST, and the SDK's exception with its status and code.
ERRORS = [
    ("unknown", {}, openai.AuthenticationError, 401, "invalidApiKey"),
    ("revoked", {}, openai.AuthenticationError, 401, "invalidApiKey"),
    ("expired", {}, openai.AuthenticationError, 401, "expiredApiKey"),
    ("poor", {}, openai.APIStatusError, 402, "insufficientCredits"),
    ("rich", {"n": 5}, openai.BadRequestError, 400, "invalid_request"),
    ("rich", {"prompt": "[[fail]]"}, openai.InternalServerError, 500, "generationFailed"),
]


@pytest.fixture
def client(server: Server) -> Callable[..., openai.OpenAI]:
    """Return a function that creates an SDK client with a named key of the server."""

    def create(name: str = "rich") -> openai.OpenAI:
        key = server.keys.get(name, f"gih_live_{name:x<32}")
        # By default the SDK retries a request twice that failed with 5xx.
        return openai.OpenAI(base_url=f"{server.url}/api/v1", api_key=key, max_retries=0)

    return create


def test_generate_returns_the_images(client: Callable[..., openai.OpenAI]) -> None:
    """`images.generate` returns the generation, with the fields that the SDK does not know."""
    generation = client().images.generate(**REQUEST, quality="high", n=2)
    assert generation.status == "succeeded"
    assert generation.usage.credits == 16
    assert len(generation.images) == 2
    image = httpx.get(generation.images[0]["url"])
    assert (image.status_code, image.headers["content-type"]) == (200, "image/png")


def test_generate_has_no_openai_data(client: Callable[..., openai.OpenAI]) -> None:
    """The documentation has `images` and no `data`, so `data` is None and raises nothing."""
    assert client().images.generate(**REQUEST).data is None


@pytest.mark.parametrize(("key", "change", "error", "status", "code"), ERRORS)
def test_error_raises_the_sdks_exception(
    client: Callable[..., openai.OpenAI],
    key: str,
    change: dict[str, object],
    error: type[openai.APIStatusError],
    status: int,
    code: str,
) -> None:
    """Each error raises the SDK's class for its status, with the documented code."""
    with pytest.raises(error) as caught:
        client(key).images.generate(**REQUEST | change)
    assert (caught.value.status_code, caught.value.code) == (status, code)


def test_unknown_generation_is_not_found(client: Callable[..., openai.OpenAI]) -> None:
    """The SDK's `get` raises NotFoundError for an unknown generation."""
    with pytest.raises(openai.NotFoundError) as caught:
        client().get("/generations/none", cast_to=object)
    assert caught.value.code == "notFound"


def test_async_is_an_extra_field_and_polls(client: Callable[..., openai.OpenAI]) -> None:
    """`extra_body={"async": True}` queues a task, and a poll returns the image."""
    sdk = client()
    queued = sdk.images.generate(**REQUEST, extra_body={"async": True})
    assert queued.status == "queued"
    assert (queued.usage.credits, queued.usage.credits_requested) == (0, 8)
    polled = sdk.get(f"/generations/{queued.id}", cast_to=dict[str, object])
    assert (polled["status"], polled["id"]) == ("succeeded", queued.id)
    assert len(polled["images"]) == 1


def test_models_are_listed(client: Callable[..., openai.OpenAI]) -> None:
    """`models.list` pages through the models."""
    assert [model.id for model in client().models.list()] == ["gpt-image-2"]
