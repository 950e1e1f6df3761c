"""Generations: decided here, by values alone, and committed by the hub."""

from __future__ import annotations

from typing import Literal, get_args

from mockhub.spec.catalog import Quote
from mockhub.spec.values import Value
from mockhub.world.accounts import Account
from mockhub.world.ledger import Entry, Portions, give_back
from mockhub.world.provider import Outcome

Status = Literal["queued", "processing", "succeeded", "failed"]
STATES: tuple[Status, ...] = get_args(Status)

ENDED = ("succeeded", "failed")


class Request(Value, frozen=True):
    """What a client asks for, checked and with its defaults filled in."""

    model: str
    prompt: str
    size: str
    quality: str
    n: int
    run_async: bool
    references: tuple[str, ...] = ()  # digests of the reference images


class Generation(Value, frozen=True):
    """One generation's log."""

    id: str
    account: str
    request: Request
    quote: Quote
    outcome: Outcome
    charges: Portions
    created_at: int
    due: int | None  # when it ends, if time ends it
    polls: int = 0  # how often its owner has read it
    status: Literal["queued", "succeeded", "failed"] = "queued"
    delivered: int = 0
    ended_at: int | None = None

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    @property
    def credits_requested(self) -> int:
        return self.quote.unit * self.request.n

    @property
    def credits(self) -> int:
        """What it cost: nothing yet while it runs (ASY-4), the delivered images at the end."""
        return self.quote.unit * self.delivered

    @property
    def paid(self) -> int:
        """What the ledger has taken for it so far: all that was asked while it runs."""
        images = self.request.n if self.ended_at is None else self.delivered
        return self.quote.unit * images

    def status_at(self, now: int) -> Status:
        """Queued at the moment of submission, processing later, until it ends (ASY-6)."""
        if self.ended or (now == self.created_at and not self.polls):
            return self.status
        return "processing"


class Changes(Value, frozen=True):
    """What a decision would change: entries of one account, and a generation."""

    entries: tuple[Entry, ...]
    generation: Generation


def begin(
    account: Account,
    request: Request,
    quote: Quote,
    outcome: Outcome,
    *,
    id: str,
    now: int,
    limit: int,
) -> Changes:
    """Accept a request: charge it (LED-1) and, where nothing is waited for, end it at once.

    Raises:
        Insufficient: if the account cannot pay; nothing changes then.
    """
    charges = account.plan(quote.unit * request.n)
    due = _due(request, outcome, now, limit)
    entries = tuple([Entry(now, "charge", -credits, lot, id) for lot, credits in charges])
    if request.run_async or due != now:
        generation = Generation(id, account.id, request, quote, outcome, charges, now, due)
        return Changes(entries, generation)
    delivered = outcome.delivered(request.n)
    generation = Generation(
        id,
        account.id,
        request,
        quote,
        outcome,
        charges,
        now,
        due,
        0,
        _status(delivered),
        delivered,
        now,
    )
    return Changes(entries + _refunds(generation, now), generation)


def _due(request: Request, outcome: Outcome, now: int, limit: int) -> int | None:
    """When time ends it: a synchronous one, which nobody polls, at the limit (LIM-1)."""
    if request.run_async:
        return None if outcome.stuck or outcome.polls else now + outcome.take
    return now + (limit if outcome.stuck else min(outcome.take, limit))


def settle(generation: Generation, now: int, *, failed: bool) -> Changes:
    """End a generation and refund what was not delivered (LED-2, LED-3)."""
    delivered = 0 if failed else generation.outcome.delivered(generation.request.n)
    ended = generation._replace(status=_status(delivered), delivered=delivered, ended_at=now)
    return Changes(_refunds(ended, now), ended)


def _status(delivered: int) -> Literal["succeeded", "failed"]:
    return "succeeded" if delivered else "failed"


def _refunds(ended: Generation, now: int) -> tuple[Entry, ...]:
    missing = ended.quote.unit * (ended.request.n - ended.delivered)
    if not missing:
        return ()
    portions = give_back(ended.charges, missing)
    return tuple(Entry(now, "refund", credits, lot, ended.id) for lot, credits in portions)


def overdue(generation: Generation, limit: int) -> bool:
    """Whether a synchronous generation was told to take longer than it may (LIM-1)."""
    outcome = generation.outcome
    return not generation.request.run_async and (outcome.stuck or outcome.take > limit)
