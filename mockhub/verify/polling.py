"""Poll generations until they have ended, and read them with the keys of other users."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from mockhub._loopback import is_loopback_url
from mockhub.verify import oracle
from mockhub.verify.client import BudgetedClient, RawKey
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import TASK_FIXTURES
from mockhub.verify.generation import (
    SECOND_KEY,
    UNKNOWN_ID,
    UNKNOWN_KEY,
    ObservedGeneration,
    is_final,
    poll_status,
)
from mockhub.verify.outcomes import CheckOutcome
from mockhub.verify.threads import parallel

_MIN_PAUSE, _MAX_PAUSE = 0.01, 1.0
_SIMULTANEOUS_POLLS = 3


def poll_until_final(client: BudgetedClient, generation: ObservedGeneration) -> None:
    """Poll a task until it has ended, with growing pauses, at most `limits.poll_timeout`."""
    pause, deadline = _MIN_PAUSE, time.monotonic() + client.profile.poll_timeout
    # A charge or a refund must be made once, however many requests read the task at the same
    # moment. The order of such polls is unknown, so those of some tasks are sent one by one.
    count = 1 if generation.name in TASK_FIXTURES else _SIMULTANEOUS_POLLS
    while not generation.finished:
        generation.polls += fetch_simultaneously(client, generation, count)
        generation.finished = any(is_final(poll) for poll in generation.polls)
        statuses = [poll_status(poll) for poll in generation.polls[-1 - count :: count]]
        # It may be processing for a moment before it is charged.
        if generation.balance_in_progress is None and statuses == ["processing"] * 2:
            generation.balance_in_progress = client.get("credits", key=generation.payer)
        if generation.finished:
            break
        if time.monotonic() > deadline:
            generation.gave_up = True
            break
        if len(generation.polls) > 2 and all(poll.status >= 400 for poll in generation.polls[-3:]):
            break
        time.sleep(pause)
        pause = min(pause * 1.6, _MAX_PAUSE)


def ended_late(client: BudgetedClient, generations: Iterable[ObservedGeneration]) -> bool:
    """Return whether a task has ended that had not within `limits.poll_timeout`; poll them again.

    Its charge or refund may have come at any time since.
    """
    late = [one for one in generations if one.exchange.status == 202 and one.id and one.gave_up]
    with suppress(CheckOutcome):  # nothing more is sent
        for task in late:
            if not task.finished:
                task.polls.append(fetch(client, task, task.payer))
                task.finished = is_final(task.polls[-1])
    return any(task.finished for task in late)


def read_with_other_keys(
    client: BudgetedClient, generation: ObservedGeneration, second_key: RawKey | None
) -> None:
    """Read a task while it may still be in progress: as other users, and with *second_key*.

    Also with a key that does not exist, and with the id of no generation.

    Args:
        second_key: Another key of `valid`.
    """
    keys = {role: role for role in client.profile.account_roles if role != generation.payer}
    if second_key and generation.payer == "valid":
        keys[SECOND_KEY] = second_key
    calls = [partial(fetch, client, generation, key) for key in keys.values()]
    names = [*keys, UNKNOWN_KEY, UNKNOWN_ID]
    calls.append(partial(fetch, client, generation, unknown_key()))
    calls.append(partial(client.get, f"generations/{UNKNOWN_ID}", key=generation.payer))
    generation.other_reads |= dict(zip(names, parallel(calls), strict=True))


def unknown_key() -> RawKey:
    """Return a key of the documented form that does not exist."""
    key_format = oracle.api_spec().key_format
    return RawKey(key_format.prefix + "mockhubverify".ljust(key_format.length, "q"))


def fetch(client: BudgetedClient, generation: ObservedGeneration, role: str) -> Exchange:
    """GET a generation, as its payer at its poll_url if that leads to this implementation."""
    return client.get(_generation_url(client, generation, role), key=role)


def fetch_simultaneously(
    client: BudgetedClient, generation: ObservedGeneration, count: int
) -> list[Exchange]:
    """GET a generation *count* times at the same moment."""
    if count == 1:
        return [fetch(client, generation, generation.payer)]
    url = _generation_url(client, generation, generation.payer)
    return client.send_simultaneously([SimultaneousRequest(generation.payer, path=url)] * count)


def _generation_url(client: BudgetedClient, generation: ObservedGeneration, role: str) -> str:
    poll_url = generation.body.get("poll_url")
    if role == generation.payer and isinstance(poll_url, str) and is_own_url(client, poll_url):
        return poll_url
    return generation.path


def is_own_url(client: BudgetedClient, url: str) -> bool:
    """Return whether *url* may receive a key: it is the implementation's, or both are local."""
    try:
        split, base = urlsplit(url), urlsplit(client.profile.base_url)
        if (split.scheme, split.netloc) == (base.scheme, base.netloc):
            return True
        both_local = client.loopback and is_loopback_url(url)
        return both_local and (split.scheme, split.port) == (base.scheme, base.port)
    except ValueError:
        return False
