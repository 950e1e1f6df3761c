"""What the detectors read from the exchanges of the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from mockhub._timestamps import SECOND
from mockhub.domain.hub import HubBackend
from mockhub.journal.exchange import Exchange
from mockhub.spec.operations import OperationId

_SUCCESS_STATUSES = range(200, 300)
_UNREADABLE_FAULTS = ("truncate", "corrupt")
Key = TypeVar("Key")


def response_lost(exchange: Exchange) -> bool:
    """Return whether the client never had the whole response."""
    unreadable = any(fault.startswith(_UNREADABLE_FAULTS) for fault in exchange.faults)
    return exchange.client_disconnected or unreadable or exchange.status not in _SUCCESS_STATUSES


def group_by(
    exchanges: Iterable[Exchange], key: Callable[[Exchange], Key]
) -> Iterable[list[Exchange]]:
    groups: dict[Key, list[Exchange]] = {}
    for exchange in exchanges:
        groups.setdefault(key(exchange), []).append(exchange)
    return groups.values()


def caused_by_fault(exchange: Exchange) -> bool:
    """Return whether the response was injected, so that a retry succeeds without a change."""
    return any(fault.startswith("status=") for fault in exchange.faults)


def request_identity(exchange: Exchange, *, with_body: bool) -> tuple[object, ...]:
    """Return what a request and its retry have in common, even if the body was not read."""
    length = exchange.request_headers.get(b"content-length") if with_body else None
    return exchange.method, exchange.target, exchange.key_digest, length


def bodies_known(first: Exchange, second: Exchange) -> bool:
    return first.parsed_request is not None and second.parsed_request is not None


def is_retry(earlier: Exchange, later: Exchange) -> bool:
    """Return whether *later* followed the response to *earlier*, with the same body if known."""
    if later.started_at < earlier.started_at + earlier.milliseconds / SECOND:
        return False
    return not bodies_known(earlier, later) or earlier.parsed_request == later.parsed_request


def polls_by_generation(exchanges: Iterable[Exchange]) -> Iterable[list[Exchange]]:
    reads = [
        exchange
        for exchange in exchanges
        if exchange.operation == OperationId.GET_GENERATION and exchange.state
    ]
    return group_by(reads, lambda exchange: (exchange.key_digest, exchange.generation))


def interval_between(earlier: Exchange, later: Exchange) -> int:
    """Return the milliseconds between two requests, by the clock that shows more of them."""
    return max(
        later.timestamp - earlier.timestamp, round((later.started_at - earlier.started_at) * SECOND)
    )


def time_on_clock(hub: HubBackend, exchange: Exchange) -> int:
    generation = hub.generations.get(exchange.generation or "")
    return exchange.timestamp - generation.created_at if generation else 0


def path_of(exchange: Exchange) -> str:
    return exchange.target.partition("?")[0]


def exchange_numbers(exchanges: Iterable[Exchange]) -> tuple[int, ...]:
    return tuple(sorted({exchange.number for exchange in exchanges}))


def format_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def format_seconds(milliseconds: int) -> str:
    return f"{milliseconds / SECOND:.3g} s"
