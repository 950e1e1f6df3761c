"""What a client of a metered API has to decide, apart from how it talks.

Each function is a generator: it yields what to ask or how long to wait, and is sent the answer, or
None if that was lost. So the synchronous and the asynchronous client decide alike.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import httpx

TRIES = 4
PATIENCE = 900.0  # seconds; the service itself gives up after 800

_BUSY = (429, 502, 503, 504)  # somebody before the service, who may be well again soon


class PicturesError(Exception):
    """No picture; the message says why."""


class OutOfCredits(PicturesError):
    """The account has to be topped up first: to ask again would change nothing."""


class WrongKey(PicturesError):
    """The key is unknown, revoked or expired: to ask again would change nothing."""


class PaidButLost(PicturesError):
    """The request was paid, and its answer was lost: to ask again would pay again."""


class Ask(NamedTuple):
    """A request to send."""

    method: str
    url: str
    json: dict[str, Any] | None = None


Step = Ask | float  # a request to send, or seconds to wait
Flow = Generator[Step, httpx.Response | None, Any]


def draw(prompt: str, size: str, n: int) -> Flow:
    """The generation of *n* pictures, as it ended."""
    body = {"model": "gpt-image-2", "prompt": prompt, "size": size, "n": n, "async": True}
    id = yield from _order(body)
    for pause in _pauses():
        log = yield from read(f"/generations/{id}")
        if log["status"] == "failed":
            raise PicturesError("the generation failed, and its credits were refunded")
        if log["status"] == "succeeded":
            return log
        yield pause
    raise PicturesError(f"{id} still runs after {PATIENCE:g} s; read it again later")


def _order(body: dict[str, Any]) -> Flow:
    """The id of a new generation. Whether a lost request was paid, only the ledger knows.

    Where several programs spend from one account, the ledger may tell of another's money; then this
    gives up rather than pay twice.
    """
    before = (yield from read("/credits"))["credits"]
    for attempt in range(TRIES):
        answer = yield Ask("POST", "/images/generations", body)
        if content := _content(answer):
            return content["id"]
        now = (yield from read("/credits"))["credits"]
        if now < before:
            raise PaidButLost(f"{before - now} credits were charged for an answer that never came")
        yield _pause_after(answer, attempt)
    raise PicturesError(f"no answer after {TRIES} tries; nothing was charged")


def read(url: str) -> Flow:
    """What a GET tells; it costs nothing, so that it can always be sent again."""
    for attempt in range(TRIES):
        answer = yield Ask("GET", url)
        if content := _content(answer):
            return content
        yield _pause_after(answer, attempt)
    raise PicturesError(f"no answer from {url} after {TRIES} tries")


def _content(answer: httpx.Response | None) -> dict[str, Any] | None:
    """The JSON of an answer; None if it is worth another try; raises what is final."""
    if answer is None or answer.status_code in _BUSY:
        return None
    try:
        content: dict[str, Any] = answer.json()
    except ValueError:  # an answer that nobody can read is a lost one
        return None
    if answer.is_success:
        return content
    kind = {401: WrongKey, 402: OutOfCredits}.get(answer.status_code, PicturesError)
    raise kind(f"{content['error']['code']}: {content['error']['message']}")


def _pauses() -> Iterator[float]:
    """Seconds between polls, longer each time, until patience ends."""
    waited, pause = 0.0, 1.0
    while waited < PATIENCE:
        yield pause
        waited, pause = waited + pause, min(pause * 2, 15.0)


def _pause_after(answer: httpx.Response | None, attempt: int) -> float:
    """What a busy answer asks for, else longer each time."""
    asked = answer.headers.get("Retry-After", "") if answer is not None else ""
    return float(asked) if asked.isdigit() else 2.0**attempt
