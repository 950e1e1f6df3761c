"""Check balances against the charges and refunds between them, as far as exchanges show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mockhub.domain.generations import FINAL_STATUSES
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.findings import Problem, Severity
from mockhub.proxy.observation import Observation
from mockhub.proxy.upstream import SAFE_METHODS

_OK, _ACCEPTED, _SERVER_ERROR = 200, 202, 500
_HINT = " Another client, a purchase or an expiry would explain it too."


@dataclass
class _Expected:
    """What the balance of an account may be.

    Attributes:
        highest: The last balance, less what has been charged since.
        total: How many purchases there were with any key when the balance was seen first.
        own: How many there have been since with this key.
        running: The credits requested of generations that run, by id: they may be charged already.
    """

    highest: int
    total: int
    own: int = 0
    running: dict[str, int] = field(default_factory=dict)

    @property
    def lowest(self) -> int:
        return self.highest - sum(self.running.values())


class BalanceCheck:
    """Follows the balance of every account.

    A balance is compared only if no other request that could be charged was under way at the time,
    and none was sent with another key, which may belong to the same account.

    Args:
        exclusive: Whether no other client uses the accounts, so that a difference is a violation.
    """

    def __init__(self, *, exclusive: bool) -> None:
        self._severity: Severity = "violation" if exclusive else "warning"
        self._expected: dict[bytes, _Expected] = {}  # by the digest of the key
        self._total = self._running = 0  # purchases
        self._activity = 0  # counts every start and end of a purchase

    def start(self, context: ProxyContext) -> None:
        """Note that a request is sent."""
        if context.method not in SAFE_METHODS:
            if expected := self._expected.get(context.key_digest or b""):
                expected.own += 1
            self._total += 1
            self._running += 1
            self._activity += 1
            context.is_purchase = True
        context.activity = self._activity
        context.is_alone = self._running == int(context.is_purchase)

    def end(self, context: ProxyContext) -> None:
        """Note that an exchange has ended, whether there was a response or not."""
        if not context.is_purchase:
            return
        self._running -= 1
        self._activity += 1
        status, code = context.upstream_status, context.upstream_code
        if (
            status is None
            or context.content is None
            or (status >= _SERVER_ERROR and code != "generationFailed")
        ):
            self._expected.pop(context.key_digest or b"", None)  # its charge is not known

    def check(
        self, context: ProxyContext, seen: Observation, price: int | None
    ) -> Iterator[Problem]:
        """Check the balance in a response, and whether the price could be paid."""
        digest, status = context.key_digest, context.upstream_status
        if digest is None or status is None:
            return
        expected = self._expected.get(digest)
        comparable = context.is_alone and context.activity == self._activity
        if expected is not None and self._total - expected.total != expected.own:
            del self._expected[digest]
            expected = None
        if expected is None:
            if comparable and seen.balance is not None:
                self._expected[digest] = _Expected(seen.balance, self._total)
            return
        if comparable and price is not None:
            yield from self._check_payment(expected, status, context.upstream_code, price)
        self._follow(expected, seen, status, is_new=context.is_purchase)
        if comparable and seen.balance is not None:
            request = context.parsed_request
            is_partial = request is not None and 0 < len(seen.images) < request.n
            yield from self._check_balance(expected, seen, seen.balance, is_partial=is_partial)

    def _check_payment(
        self, expected: _Expected, status: int, code: str | None, price: int
    ) -> Iterator[Problem]:
        if code == "insufficientCredits" and price <= expected.lowest:
            yield self._problem(
                "wrongly_insufficient",
                ("LED-7",) if price == expected.lowest else ("LED-4",),
                f"402 for {price} credits, though the balance was {expected.lowest}",
            )
        elif status in (_OK, _ACCEPTED) and price > expected.highest:
            yield self._problem(
                "accepted_without_credits",
                ("LED-4",) if status == _OK else ("LED-4", "ASY-8"),
                f"accepted for {price} credits, though the balance was {expected.highest}",
            )

    def _follow(self, expected: _Expected, seen: Observation, status: int, *, is_new: bool) -> None:
        if seen.id is None or status not in (_OK, _ACCEPTED):
            return
        is_synchronous = status == _OK and is_new
        if status == _ACCEPTED and is_new:
            expected.running[seen.id] = seen.credits_requested or 0
        elif is_synchronous or (
            seen.status in FINAL_STATUSES and expected.running.pop(seen.id, None) is not None
        ):
            expected.highest -= seen.credits or 0

    def _check_balance(
        self, expected: _Expected, seen: Observation, balance: int, *, is_partial: bool
    ) -> Iterator[Problem]:
        lowest, highest = expected.lowest, expected.highest
        if lowest <= balance <= highest:
            return
        reasonable = str(lowest) if lowest == highest else f"{lowest} to {highest}"
        clauses: tuple[str, ...] = ("LED-6", "LED-1", "LED-2", "CRD-4")
        if seen.id is not None:
            clauses = ("GEN-7", "LED-1", "LED-3") if is_partial else ("GEN-7", "LED-1")
        difference = balance - (highest if balance > highest else lowest)
        yield self._problem(
            "unexplained_balance",
            clauses,
            f"the balance is {balance}; expected {reasonable} after what was charged and refunded "
            f"(it differs by {difference:+d})",
        )
        expected.highest = balance + sum(expected.running.values())

    def _problem(self, kind: str, clauses: tuple[str, ...], message: str) -> Problem:
        hint = "" if self._severity == "violation" else _HINT
        return Problem(kind, clauses, message + ("." + hint if hint else ""), self._severity)
