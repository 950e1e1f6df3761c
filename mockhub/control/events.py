"""Stream what happens in a hub to its viewers, as server-sent events.

A stream compares the hub with what it has sent, a few times a second, so a request costs nothing
more while a person watches. The journal is the bounded queue of every viewer: one that is slow
gets the newest exchanges and the number of those left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from time import perf_counter
from weakref import WeakKeyDictionary

import orjson

from mockhub.control import serializers
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.journal.journal import Journal
from mockhub.web.api import PublicApi
from mockhub.web.asgi import BodySource, Scope, Send, close_connection, send_head
from mockhub.web.responses import Response

INTERVAL = 0.2  # seconds between two events
_INTERVAL_UNDER_LOAD = 0.6  # while there are more exchanges than an event takes
MAX_EXCHANGES = 50  # in one event
SEND_TIMEOUT = 5.0  # seconds; then the viewer is disconnected
_KEEP_ALIVE_INTERVAL = 10.0
_MAX_COMPARED = 1000  # accounts and keys that are compared with their former state
_MAX_CACHED = 4 * MAX_EXCHANGES
_HEAD = Response(
    200,
    b"",
    (
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ),
)

# The summaries of the newest exchanges by number; all viewers of a hub share them.
_summaries: WeakKeyDictionary[Journal, dict[int, orjson.Fragment]] = WeakKeyDictionary()


class EventStream:
    """The response of `stream_events`.

    It ends when the client disconnects, the hub is deleted or replaced, or the server shuts down.

    Args:
        api: The public API with its hubs.
        hub: The hub to watch.
        since: The number of the last exchange that the viewer knows.
    """

    def __init__(self, api: PublicApi, hub: HubBackend, since: int) -> None:
        self._api = api
        self._hub = hub
        self._journal = hub.journal
        self._since = min(since, hub.journal.total)
        self._journal_version = hub.journal.version
        self._state = _fingerprints(hub)
        self._wake = asyncio.Event()
        self._disconnected = False
        self._interval = INTERVAL

    async def send(self, scope: Scope, source: BodySource, send: Send) -> None:
        """Send the head and the events until the stream ends."""
        await send_head(_HEAD, send)
        with self._watch(source), suppress(TimeoutError):
            if scope["method"] != "HEAD":
                await self._send_events(send)
            await send({"type": "http.response.body", "body": b""})
            return
        close_connection(scope, reset=True)

    async def _send_events(self, send: Send) -> None:
        event, sent_at = self._next_event(is_first=True), perf_counter()
        while not self._has_ended():
            if event is None and perf_counter() - sent_at > _KEEP_ALIVE_INTERVAL:
                event = b": keep-alive\n\n"
            if event is not None:
                message = {"type": "http.response.body", "body": event, "more_body": True}
                await asyncio.wait_for(send(message), SEND_TIMEOUT)
                sent_at = perf_counter()
            with suppress(TimeoutError):  # all streams continue together, and share the summaries
                rest = self._interval - perf_counter() % self._interval
                await asyncio.wait_for(self._wake.wait(), rest)
            event = self._next_event()

    def _has_ended(self) -> bool:
        is_served = self._api.hub_registry.serves(self._hub)
        return self._disconnected or self._api.clock_waiter.closed or not is_served

    @contextmanager
    def _watch(self, source: BodySource) -> Iterator[None]:
        """Wake the stream when the client disconnects or the server shuts down."""
        wakers, wake = self._api.clock_waiter.wakers, self._wake.set
        wakers.add(wake)
        source.watch(self._on_disconnect)
        try:
            yield
        finally:
            source.unwatch()
            wakers.discard(wake)

    def _on_disconnect(self) -> None:
        self._disconnected = True
        self._wake.set()

    def _next_event(self, *, is_first: bool = False) -> bytes | None:
        """Return what happened since the last event, or None if nothing did.

        What has changed before the first event is unknown, so it names all parts.
        """
        hub = self._hub
        hub.settle()
        version = hub.journal.version
        cleared, self._journal_version = version != self._journal_version, version
        if hub.journal is not self._journal:
            self._journal, self._since = hub.journal, 0
        state, old_state = _fingerprints(hub), self._state
        changed = [name for name, value in state.items() if is_first or value != old_state[name]]
        total, since = hub.journal.total, self._since
        if not (changed or cleared or total > since):
            return None
        self._state, self._since = state, total
        exchanges = _newest_summaries(hub, since)
        left_out = total - since - len(exchanges)
        self._interval = _INTERVAL_UNDER_LOAD if left_out else INTERVAL
        event = {
            "exchanges": exchanges,
            "left_out": left_out,
            "total": total,
            "changed": changed,
            "cleared": cleared,
            "journal": version,
        }
        return b"data: %b\n\n" % orjson.dumps(event)


def _newest_summaries(hub: HubBackend, since: int) -> list[orjson.Fragment]:
    journal = hub.journal
    cache = _summaries.setdefault(journal, {})
    first = max(since, journal.total - min(MAX_EXCHANGES, len(journal))) + 1
    numbers = range(first, journal.total + 1)
    if missing := [number for number in numbers if number not in cache]:
        for exchange in journal.newest(MAX_EXCHANGES, since=missing[0] - 1):
            summary = serializers.exchange_summary(exchange, hub)
            cache[exchange.number] = orjson.Fragment(orjson.dumps(summary))
    while len(cache) > _MAX_CACHED:
        del cache[next(iter(cache))]
    return [cache[number] for number in numbers]


def _fingerprints(hub: HubBackend) -> Mapping[str, object]:
    """Return values that differ when a part of the hub has changed."""
    clock, faults, provider = hub.clock, hub.faults, hub.provider
    accounts = islice(hub.accounts.values(), _MAX_COMPARED)
    is_manual = isinstance(clock, ManualClock)
    return {
        "generations": (hub.ids.counter, len(hub.generations), len(hub.ended_ids), hub.ended_size),
        "accounts": (
            hub.granted_total,
            [tuple(account.totals.values()) for account in accounts],
            [*islice(hub.keys.values(), _MAX_COMPARED)],
        ),
        "faults": (
            [(number, one.evaluated, one.fired) for number, one in faults.armed.items()],
            (provider.script, provider.used),
        ),
        "clock": (is_manual, clock.now() if is_manual else 0, getattr(clock, "mode", None)),
    }
