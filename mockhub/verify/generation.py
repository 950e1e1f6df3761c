"""A generation as it was asked for, and everything that was seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import GenerationFixture

_FINAL_STATUSES = ("succeeded", "failed")


@dataclass
class ObservedGeneration:
    """A generation as it was asked for and everything that was seen of it."""

    name: str
    fixture: GenerationFixture
    n: int
    size: str
    exchange: Exchange
    balance_before: int | None = None  # the payer's credits just before, and after it had ended
    balance_after: int | None = None
    other_balance_before: int | None = None  # another user's credits before, and after
    other_balance_after: int | None = None
    balance_on_reread: int | None = None  # and once more, when it had been read again
    measured_alone: bool = True  # nothing else moved the payer's credits meanwhile
    polls: list[Exchange] = field(default_factory=list)
    foreign_reads: dict[str, Exchange] = field(default_factory=dict)  # other users' reads meanwhile
    finished: bool = False
    first_rejection: Exchange | None = (
        None  # of the recipe's manner, if the usual one was tried then
    )

    @property
    def accepted(self) -> bool:
        return self.exchange.status in (200, 202)

    @property
    def charged(self) -> int | None:
        """Credits that left the payer's balance meanwhile, for its whole group."""
        if self.balance_before is None or self.balance_after is None:
            return None
        return self.balance_before - self.balance_after

    @property
    def body(self) -> dict[str, Any]:
        """The answer to the POST, or nothing if it is no object."""
        return json_object(self.exchange)

    @property
    def final_body(self) -> dict[str, Any]:
        """What is last known of it: the answer, or the first poll that found it ended."""
        if self.exchange.status != 202:
            return self.body
        return json_object(self.final_poll) if self.final_poll else {}

    @property
    def final_poll(self) -> Exchange | None:
        """The poll that found it ended."""
        for poll in self.polls:
            if is_final(poll):
                return poll
        return None

    @property
    def final_exchange(self) -> Exchange:
        """The exchange that `final` was read from."""
        return self.final_poll or self.exchange

    @property
    def id(self) -> str | None:
        found = self.body.get("id")
        return found if isinstance(found, str) and found else None

    @property
    def path(self) -> str:
        """Where it is read back, below /api/v1."""
        return f"generations/{quote(self.id or '', safe='')}"

    @property
    def failed_with_500(self) -> bool:
        """Whether a poll was answered 500: a failed task may read so (ASY-7 is inferred)."""
        return not self.finished and any(poll.status == 500 for poll in self.polls)

    @property
    def reported_cost(self) -> int | None:
        """`usage.credits` of `final`."""
        usage = self.final_body.get("usage")
        if self.failed_with_500 or (self.final_body.get("status") == "failed" and usage is None):
            return 0  # how a failure shows its refund is open
        return as_int(usage.get("credits")) if isinstance(usage, dict) else None


def as_int(value: Any) -> int | None:
    """*value* as an integer, if it is a whole number of JSON's."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def poll_status(poll: Exchange) -> object:
    """The `status` field of a 200 response to a poll, or None."""
    return json_object(poll).get("status") if poll.status == 200 else None


def is_final(poll: Exchange) -> bool:
    """Whether a poll found the generation ended."""
    return poll_status(poll) in _FINAL_STATUSES


def json_object(exchange: Exchange) -> dict[str, Any]:
    """The answer's JSON object, or an empty one if it is none."""
    try:
        body = exchange.parse_json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
