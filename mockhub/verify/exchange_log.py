"""The exchanges of a run, and what they show about connections and about other clients."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from threading import Lock
from urllib.parse import urlsplit

from mockhub.verify.budget import Budget
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import Inconclusive
from mockhub.verify.transient import is_transient

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # which never cost credits
_MAX_UNANSWERED = 2  # consecutive requests of one kind without a response
_MAX_LOST = 3  # consecutive POSTs that were charged without a response
_MAX_KEPT_RESPONSE = 1_000_000  # bytes of each response that are kept for the report


def request_kind(method: str, url: str) -> str:
    """Return the method and the resource, without an id."""
    return f"{method} {urlsplit(url).path.rpartition('/api/v1/')[2].partition('/')[0]}"


class ExchangeLog:
    """Records exchanges.

    Attributes:
        exchanges: Every request that was sent, with its response, in order.
        transient_failures: Responses after which a request was sent again; not in `exchanges`.
        given_up: How many requests were not sent again after their last transient failure.
        lost: Requests that were charged, or may have been, and whose response was lost.
        idle_changes: How many balances changed while nothing was sent, since it was last examined.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.transient_failures: list[Exchange] = []
        self.given_up = 0
        self.lost: list[Exchange] = []
        self.idle_changes = 0
        self._unanswered: Counter[str] = Counter()  # by kind of request
        self._lost_in_a_row: Counter[str] = Counter()
        self._idle: set[str] = set()  # roles whose balance was read with nothing in progress
        self._read_again: set[str] = set()  # roles whose balance is read for the second time
        self._unavailable: set[str] = set()  # kinds of requests whose last attempts all failed
        self._lock = Lock()

    def require_responses(self, kind: str) -> None:
        """Require that requests of this kind still get responses."""
        if self._unanswered[kind] >= _MAX_UNANSWERED:
            raise Inconclusive(f"not sent: the server no longer responds to {kind}")

    def is_unavailable(self, kind: str) -> bool:
        """Return whether the last attempts of a request of this kind all failed."""
        return kind in self._unavailable

    def lose(self, exchange: Exchange) -> Exchange:
        """Mark a response as lost, unless they all are: then it is what the server does."""
        kind = request_kind(exchange.request.method, exchange.request.url)
        self._lost_in_a_row[kind] += 1
        if self._lost_in_a_row[kind] >= _MAX_LOST:
            return exchange
        lost = replace(exchange, status=0, error="lost")
        self.lost.append(lost)
        return lost

    def withdraw_transient(self) -> list[Exchange]:
        """Remove the transient failures from `exchanges` and return them."""
        with self._lock:
            withdrawn = [exchange for exchange in self.exchanges if is_transient(exchange)]
            self.exchanges = [exchange for exchange in self.exchanges if not is_transient(exchange)]
            self.transient_failures += withdrawn
        return withdrawn

    def record(self, exchange: Exchange) -> None:
        """Add an exchange; only the beginning of a long response is kept."""
        kind = request_kind(exchange.request.method, exchange.request.url)
        unanswered = exchange.error in ("timeout", "unreachable")
        with self._lock:
            self._unanswered[kind] = self._unanswered[kind] + 1 if unanswered else 0
            if is_transient(exchange):
                self._unavailable.add(kind)
            elif exchange.error != "lost":
                self._unavailable.discard(kind)
                self._lost_in_a_row[kind] = 0
            if len(exchange.content) > _MAX_KEPT_RESPONSE:
                exchange = replace(exchange, content=exchange.content[:_MAX_KEPT_RESPONSE])
            self.exchanges.append(exchange)
            if exchange.request.method not in SAFE_METHODS:
                self._idle.clear()

    def observe_balance(self, role: str, credits: int, budget: Budget) -> None:
        """Account for a balance that was read, and notice a change while nothing was sent."""
        if budget.reserved:
            self._idle.discard(role)
        elif role in self._idle and budget.latest(role) != credits:
            self.idle_changes += 1
        else:
            self._idle.add(role)
        budget.observe(role, credits)
