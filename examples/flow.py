"""The decisions of a client of a metered API, without any I/O.

Each function is a generator. It yields a request to send or a number of seconds to wait, and
receives the response, or None if that was lost. The synchronous and the asynchronous client run the
same generators.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import httpx

MAX_ATTEMPTS = 4
POLL_TIMEOUT = 900.0  # seconds; the service itself gives up after 800

_RETRIED_STATUSES = (429, 502, 503, 504)


class ImageError(Exception):
    """There is no image; the message says why."""


class InsufficientCreditsError(ImageError):
    """The account needs more credits. A retry would not help."""


class InvalidKeyError(ImageError):
    """The key is unknown, revoked or expired. A retry would not help."""


class ResponseLostError(ImageError):
    """The credits were charged and the response was lost. A retry would be charged again."""


class Request(NamedTuple):
    method: str
    url: str
    json: dict[str, Any] | None = None


Step = Request | float  # a request to send, or seconds to wait
Flow = Generator[Step, httpx.Response | None, Any]


def generate(prompt: str, size: str, n: int) -> Flow:
    """Request *n* images, poll until they are complete, and return the generation."""
    body = {"model": "gpt-image-2", "prompt": prompt, "size": size, "n": n, "async": True}
    id = yield from _create_generation(body)
    for interval in _poll_intervals():
        generation = yield from get(f"/generations/{id}")
        if generation["status"] == "failed":
            raise ImageError("the generation failed, and its credits were refunded")
        if generation["status"] == "succeeded":
            return generation
        yield interval
    raise ImageError(f"{id} is still running after {POLL_TIMEOUT:g} s; read it again later")


def _create_generation(body: dict[str, Any]) -> Flow:
    """Return the id of a new generation.

    Only the balance shows whether a lost request was charged. If several programs spend from one
    account, another one may have changed the balance; then this raises ResponseLostError, because
    it must not pay twice.
    """
    before = (yield from get("/credits"))["credits"]
    for attempt in range(MAX_ATTEMPTS):
        response = yield Request("POST", "/images/generations", body)
        if content := _content(response):
            return content["id"]
        after = (yield from get("/credits"))["credits"]
        if after < before:
            raise ResponseLostError(
                f"{before - after} credits were charged, but the response was lost"
            )
        yield _retry_delay(response, attempt)
    raise ImageError(f"no response in {MAX_ATTEMPTS} attempts; nothing was charged")


def get(url: str) -> Flow:
    """Return the content of a GET, which costs nothing and can always be repeated."""
    for attempt in range(MAX_ATTEMPTS):
        response = yield Request("GET", url)
        if content := _content(response):
            return content
        yield _retry_delay(response, attempt)
    raise ImageError(f"no response from {url} in {MAX_ATTEMPTS} attempts")


def _content(response: httpx.Response | None) -> dict[str, Any] | None:
    """Return the JSON of a response, or None if a retry may help; raise a final error."""
    if response is None or response.status_code in _RETRIED_STATUSES:
        return None
    try:
        content: dict[str, Any] = response.json()
    except ValueError:  # an unreadable response is a lost one
        return None
    if response.is_success:
        return content
    errors = {401: InvalidKeyError, 402: InsufficientCreditsError}
    error = errors.get(response.status_code, ImageError)
    raise error(f"{content['error']['code']}: {content['error']['message']}")


def _poll_intervals() -> Iterator[float]:
    waited, interval = 0.0, 1.0
    while waited < POLL_TIMEOUT:
        yield interval
        waited, interval = waited + interval, min(interval * 2, 15.0)


def _retry_delay(response: httpx.Response | None, attempt: int) -> float:
    """Return the seconds of Retry-After, else a delay that doubles with each attempt."""
    retry_after = response.headers.get("Retry-After", "") if response is not None else ""
    return float(retry_after) if retry_after.isdigit() else 2.0**attempt
