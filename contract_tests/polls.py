"""Polls: reading a generation, until it has ended, and by whom."""

from __future__ import annotations

import time
from urllib.parse import quote, urlsplit

from .exchange import Exchange
from .made import Made, is_final
from .parallel import parallel
from .target import Target, is_loopback

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0


def follow(target: Target, made: Made) -> None:
    """Read a task until it has ended, politely."""
    pause, deadline = _FIRST_PAUSE, time.monotonic() + target.profile.poll_timeout
    # A refund must be made once, however many look for it at the same moment.
    reads = 3 if made.recipe.trigger == "partial" else 1
    while not made.ended:
        made.polls += parallel([lambda: read(target, made)] * reads)
        made.ended = any(is_final(poll) for poll in made.polls)
        if made.ended or time.monotonic() > deadline:
            break
        if len(made.polls) > 2 and all(poll.status >= 400 for poll in made.polls[-3:]):
            break
        time.sleep(pause)
        pause = min(pause * 1.6, _LONGEST_PAUSE)


def peek(target: Target, made: Made) -> None:
    """Read a task with other users' keys while it may still be running."""
    for role in ("other", "low", "broke"):
        if role in target.profile.keys:
            made.peeks[role] = read(target, made, role)


def read(target: Target, made: Made, role: str = "valid") -> Exchange:
    """GET a generation, at its poll_url where that leads to this implementation."""
    return target.get(_address(target, made, role), key=role)


def _address(target: Target, made: Made, role: str) -> str:
    poll_url = made.body.get("poll_url")
    if role == "valid" and isinstance(poll_url, str) and ours(target, poll_url):
        return poll_url
    return f"generations/{quote(made.id or '', safe='')}"


def ours(target: Target, url: str) -> bool:
    """Whether *url* may be given a key: it leads to the implementation, or to this machine."""
    try:
        split, base = urlsplit(url), urlsplit(target.profile.base_url)
        if (split.scheme, split.netloc) == (base.scheme, base.netloc):
            return True
        near = target.loopback and is_loopback(url)
        return near and (split.scheme, split.port) == (base.scheme, base.port)
    except ValueError:
        return False
