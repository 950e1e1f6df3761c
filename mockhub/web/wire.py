"""Our nouns as the documentation's JSON, and answers as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from sys import intern
from typing import Any

import orjson

from mockhub.spec.errors import ApiError
from mockhub.spec.law import Law
from mockhub.spec.values import Value
from mockhub.world.accounts import Account, Balance
from mockhub.world.clock import to_text
from mockhub.world.generations import Generation, Request
from mockhub.world.hub import Hub

JSON_TYPE = (b"content-type", b"application/json")
_INTERNAL = 500
EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}


Headers = tuple[tuple[bytes, bytes], ...]


class Answer(Value, frozen=True):
    """An answer as the door sends it."""

    status: int
    body: bytes
    headers: Headers


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    """The first line of an answer."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def answer(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Render a JSON answer."""
    body = b"%b" % orjson.dumps(content)  # a copy is as long as it is; orjson's own take 4 KB each
    usual = _usual_headers(len(body))
    if not headers:
        return Answer(status, body, usual)
    more = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return Answer(status, body, (*usual, *more))


@lru_cache(maxsize=4096)
def _usual_headers(length: int) -> Headers:
    return JSON_TYPE, (b"content-length", b"%d" % length)


def error(error: ApiError) -> dict[str, Any]:
    """The documented shape of an error (ERR-1)."""
    return {"error": {"message": error.message, "code": error.code}}


def refusal(refused: ApiError) -> Answer:
    """The answer to a request that is refused."""
    return answer(refused.status, error(refused), refused.headers)


def our_fault(violation: str) -> ApiError:
    """What a client is told when mockhub itself is wrong."""
    message = f"mockhub broke its own law: {violation[:1000]}. Please report it."
    return ApiError(_INTERNAL, "mockhubError", message)


def request(values: Mapping[str, Any], references: tuple[str, ...]) -> Request:
    """A checked body as a request; a JSON integer may have been written as 1.0.

    The words that all requests share are kept once for all of them.
    """
    return Request(
        intern(values["model"]),
        values["prompt"],
        intern(values["size"]),
        intern(values["quality"]),
        int(values["n"]),
        values["async"],
        references,
    )


class Links:
    """The addresses in a hub's answers, absolute and never from the Host header."""

    def __init__(self, law: Law, base_url: str) -> None:
        self.base_url = base_url
        self._poll = base_url + law.operations["get_generation"].path.partition("{")[0]
        self._image = f"{base_url}/images/"

    def poll(self, generation: Generation) -> str:
        return self._poll + generation.id

    def image(self, generation: Generation, index: int, image_format: str) -> str:
        return f"{self._image}{generation.id}/{index + 1}.{EXTENSIONS[image_format]}"


def balance(balance: Balance) -> dict[str, Any]:
    """The balance object (CRD-2)."""
    expiration = balance.next_expiration
    return {
        "credits": balance.credits,
        "account_type": balance.account_type,
        "next_expiration": None if expiration is None else to_text(expiration),
    }


def generated(generation: Generation, account: Account, hub: Hub, links: Links) -> dict[str, Any]:
    """The answer to a synchronous generation (GEN-2)."""
    content = _head(generation, "succeeded")
    content["images"] = _images(generation, hub, links)
    content["usage"] = {"credits": generation.credits}
    content["balance"] = balance(account.read())
    return content


def log(generation: Generation, hub: Hub, links: Links, *, now: int) -> dict[str, Any]:
    """A generation as it stands: queued or processing (ASY-3), succeeded, or failed (ASY-7)."""
    status = generation.status_at(now)
    content = _head(generation, status)
    content["created_at"] = timestamp(generation.created_at)
    content["images"] = _images(generation, hub, links)
    content["usage"] = {"credits": generation.credits}
    if not generation.ended:
        content["usage"]["credits_requested"] = generation.credits_requested
        content["poll_url"] = links.poll(generation)
    if status == "failed":
        refused = hub.law.errors.refusal("generationFailed")
        content["error"] = {"message": refused.message, "code": refused.code}
    return content


@lru_cache(maxsize=1024)
def timestamp(moment: int) -> str:
    """ISO 8601 in UTC, in milliseconds (GEN-8)."""
    return to_text(moment)


def _head(generation: Generation, status: str) -> dict[str, Any]:
    quote = generation.quote
    return {
        "object": "image_generation",
        "id": generation.id,
        "status": status,
        "model": quote.model,
        "aspect_ratio": quote.ratio,
        "quality": quote.tier,
    }


def _images(generation: Generation, hub: Hub, links: Links) -> list[dict[str, Any]]:
    if not generation.delivered:
        return []
    made = timestamp(generation.ended_at or generation.created_at)
    return [
        {
            "id": hub.ids.image(generation.id, index),
            "object": "image",
            "url": links.image(generation, index, hub.image_format),
            "created_at": made,
        }
        for index in range(generation.delivered)
    ]
