"""Generations, and the pure functions that create and complete them.

The functions decide what would change; the hub commits it.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Literal, get_args

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.clock import MAX_TIMESTAMP
from mockhub.domain.ledger import Allocations, Entry, deallocate
from mockhub.domain.provider import Outcome
from mockhub.spec.catalog import Quote
from mockhub.spec.frozen_struct import FrozenStruct
from mockhub.spec.generation_request import GenerationRequest

Status = Literal["queued", "processing", "succeeded", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)

# Measured with CPython 3.11, in bytes.
_BASE_SIZE = 1000
_SIZE_PER_REFERENCE = 120

FINAL_STATUSES = ("succeeded", "failed")


class Generation(FrozenStruct, frozen=True):
    """One request for images, and what became of it."""

    id: str
    account: str
    request: GenerationRequest
    quote: Quote
    outcome: Outcome
    allocations: Allocations
    seed: int  # of its images
    created_at: int
    due_at: int | None  # when it completes, if time completes it
    polls: int = 0  # how often its owner has read it while it ran
    status: Status = "queued"
    delivered: int = 0
    ended_at: int | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        references = self.request.references
        return _BASE_SIZE + getsizeof(self.request.prompt) + _SIZE_PER_REFERENCE * len(references)

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    @property
    def credits_requested(self) -> int:
        return self.quote.price(self.request.n)

    @property
    def credits(self) -> int:
        """What it cost: nothing while it runs (ASY-4), the delivered images at the end (GEN-6)."""
        return self.quote.price(self.delivered)

    @property
    def charged_credits(self) -> int:
        """What the ledger has charged for it so far: all requested images while it runs."""
        images = self.request.n if self.ended_at is None else self.delivered
        return self.quote.price(images)

    def status_at(self, now: int) -> Status:
        """Return ``queued`` at the time of submission, later ``processing`` (ASY-6)."""
        if self.ended_at is not None or (now == self.created_at and not self.polls):
            return self.status
        return "processing"


class Changes(FrozenStruct, frozen=True):
    """What a decision changes: entries of one account, and a generation.

    Nothing else changes a balance (CRD-4, LED-6) or a generation (RET-4).
    """

    entries: tuple[Entry, ...]
    generation: Generation


def create_generation(
    account: Account,
    request: GenerationRequest,
    quote: Quote,
    outcome: Outcome,
    *,
    id: str,
    seed: int,
    now: int,
    timeout_ms: int,
) -> Changes:
    """Charge a request (LED-1), and complete it at once if it is synchronous and takes no time.

    A task is queued (ASY-1), and completed later.

    Raises:
        InsufficientCredits: if the account cannot pay.
    """
    allocations = account.allocate(quote.price(request.n))
    entries = tuple([Entry(now, "charge", -credits, lot, id) for lot, credits in allocations])
    ends_now = not (request.run_async or outcome.never or outcome.duration)
    delivered = outcome.delivered_images(request.n) if ends_now else 0
    generation = Generation(
        id=id,
        account=account.id,
        request=request,
        quote=quote,
        outcome=outcome,
        allocations=allocations,
        seed=seed,
        created_at=now,
        due_at=now if ends_now else _due_at(request, outcome, now, timeout_ms),
        status=_final_status(delivered) if ends_now else "queued",
        delivered=delivered,
        ended_at=now if ends_now else None,
    )
    if ends_now:
        entries += _refund_entries(generation, now)
    return Changes(entries, generation)


def _due_at(request: GenerationRequest, outcome: Outcome, now: int, timeout_ms: int) -> int | None:
    """Return when time completes it; a synchronous one fails at the time limit (LIM-1).

    No clock goes beyond MAX_TIMESTAMP, and no request waits longer.
    """
    if request.run_async:
        return None if outcome.never or outcome.polls else now + outcome.duration
    duration = timeout_ms if outcome.never else min(outcome.duration, timeout_ms)
    return max(now, min(now + duration, MAX_TIMESTAMP))


def complete_generation(generation: Generation, now: int, *, failed: bool) -> Changes:
    """Complete a generation (ASY-5) and refund what was not delivered (LED-2, LED-3)."""
    delivered = 0 if failed else generation.outcome.delivered_images(generation.request.n)
    completed = replace(
        generation, status=_final_status(delivered), delivered=delivered, ended_at=now
    )
    return Changes(_refund_entries(completed, now), completed)


def _final_status(delivered: int) -> Literal["succeeded", "failed"]:
    return "succeeded" if delivered else "failed"


def _refund_entries(completed: Generation, now: int) -> tuple[Entry, ...]:
    credits_to_refund = completed.quote.price(completed.request.n - completed.delivered)
    if not credits_to_refund:
        return ()
    allocations = deallocate(completed.allocations, credits_to_refund)
    return tuple(Entry(now, "refund", credits, lot, completed.id) for lot, credits in allocations)


def has_timed_out(generation: Generation, timeout_ms: int) -> bool:
    """Return whether a synchronous generation takes longer than the time limit (LIM-1)."""
    outcome = generation.outcome
    return not generation.request.run_async and (outcome.never or outcome.duration > timeout_ms)
