"""What clients of a metered API do wrong, each found by reading the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar
from urllib.parse import parse_qsl

from mockhub.spec.document import nearest
from mockhub.spec.operations import JSON
from mockhub.world.clock import SECOND
from mockhub.world.generations import ENDED
from mockhub.world.hub import Hub
from mockhub.world.journal import Record

Weight = Literal["money", "mistake", "hint"]
Group = TypeVar("Group")

CREATE, READ = "create_generation", "get_generation"

_SUCCESS = range(200, 300)
_UNAUTHORIZED, _UNPAID = 401, 402
_SPOILT = ("truncate", "garble")
_RETRIED = {
    _UNAUTHORIZED: (
        "The same key is refused again; every try only delays the error that the user must see.",
        "Treat 401 as final: stop, and say which of the three codes it was.",
    ),
    _UNPAID: (
        "The balance does not grow by asking again; the user waits for nothing.",
        "Treat 402 as final: stop, show the balance, and go on only after a top-up.",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing that the client does wrong.

    Attributes:
        kind: which mistake, such as ``double_charge``.
        weight: ``money`` was lost, a ``mistake``, or a ``hint``.
        what: what happened, in one sentence.
        why: why it matters.
        instead: what to do instead.
        records: the numbers of the journal's entries that show it.
        credits: how many were spent for nothing.
    """

    kind: str
    weight: Weight
    what: str
    why: str
    instead: str
    records: tuple[int, ...]
    credits: int = 0


def double_charges(hub: Hub, records: list[Record]) -> Iterator[Finding]:
    """A request whose answer was lost after it was paid, sent and paid again."""
    paid = [record for record in records if record.asked and _paid(hub, record)]
    for group in _grouped(paid, lambda record: (record.account, record.asked)):
        chain: list[Record] = []
        for record in group:
            chain.append(record)
            if not _lost(record):
                yield from _charged_again(hub, chain)
                chain = []
        yield from _charged_again(hub, chain)


def _charged_again(hub: Hub, chain: list[Record]) -> Iterator[Finding]:
    if len(chain) > 1:
        credits = sum(_paid(hub, record) for record in chain[:-1])
        yield Finding(
            "double_charge",
            "money",
            f"One request was charged {len(chain)} times: its answer was lost and it was sent "
            f"again. {credits} credits bought images that the client never saw.",
            "The API has no idempotency key: a request that arrived is charged, and stays so when "
            "its answer is lost on the way.",
            "Send async: true and keep the id, so that a lost answer can be read again; retry a "
            "lost POST only after GET /api/v1/credits shows that it was not charged.",
            _numbers(chain),
            credits,
        )


def retried_refusals(hub: Hub, records: list[Record]) -> Iterator[Finding]:
    """401 or 402, and the same request again although nothing had changed."""
    for status, (why, instead) in _RETRIED.items():
        for group in _grouped(records, _identity):
            again = _again(group, status)
            if again:
                yield Finding(
                    "retried_refusal",
                    "mistake",
                    f"{again[0].method} {_path(again[0])} was answered {status} "
                    f"and sent again {_times(len(again) - 1)}.",
                    why,
                    instead,
                    _numbers(again),
                )


def _again(group: list[Record], status: int) -> list[Record]:
    """Refusals and the retries of them; a retry that succeeds after a real one was topped up."""
    again: list[Record] = []
    for record in group:
        if again and not _same(again[-1], record):
            continue
        if record.status == status or (again and _faked(again[-1])):
            again.append(record)
        if record.status != status and again:
            break
    return again if len(again) > 1 else []


def hasty_polls(hub: Hub, records: list[Record], poll_every: int) -> Iterator[Finding]:
    """Two reads of a running generation within less than *poll_every* milliseconds."""
    for group in _polls(records):
        hasty = [
            later
            for earlier, later in pairwise(group)
            if earlier.state not in ENDED and _apart(earlier, later) < poll_every
        ]
        if hasty:
            gap = min(_apart(*pair) for pair in pairwise(group))
            yield Finding(
                "polled_too_fast",
                "hint",
                f"{_path(hasty[0])} was polled {_times(len(hasty))} sooner than "
                f"{_seconds(poll_every)} after the last poll; the shortest pause was "
                f"{_seconds(gap)}.",
                "Images take seconds to minutes; fast polls cost both sides and bring nothing.",
                "Pause between polls, and longer each time: 1 s, 2 s, 4 s, up to 15 s.",
                _numbers(hasty),
            )


def late_polls(hub: Hub, records: list[Record]) -> Iterator[Finding]:
    """Reads of a generation whose end the client has seen before."""
    for group in _polls(records):
        ends = [index for index, record in enumerate(group) if record.state in ENDED]
        if ends and (late := group[ends[0] + 1 :]):
            yield Finding(
                "polled_after_end",
                "hint",
                f"{_path(late[0])} was read {_times(len(late))} more after it had "
                f"{group[ends[0]].state}.",
                "A final state never changes again.",
                "Stop at succeeded or failed, and keep the answer.",
                _numbers(late),
            )


def unknown_fields(hub: Hub, records: list[Record]) -> Iterator[Finding]:
    """Fields and query parameters that the contract does not know."""
    known = hub.law.operations[CREATE].bodies[JSON].fields
    sent: dict[str, list[Record]] = {}
    for record in records:
        for name in (*record.unknown, *_parameters(record)):
            sent.setdefault(name, []).append(record)
    for name, senders in sent.items():
        yield Finding(
            "unknown_field",
            "mistake",
            f"The field {name!r} was sent; the contract does not know it"
            f"{nearest(name.lstrip('?'), known)}",
            "Unknown fields are ignored: what it was meant to change does not change.",
            f"Remove it, or use one of {', '.join(known)} in the body.",
            _numbers(senders),
        )


def early_leavers(hub: Hub, records: list[Record]) -> Iterator[Finding]:
    """Synchronous requests that the client gave up before their longest time was over."""
    limit = round(hub.law.timeout_seconds * SECOND)
    for record in records:
        waits = record.operation == CREATE and not (record.asked and record.asked.run_async)
        if record.gone and waits and (waited := _waited(hub, record)) < limit:
            paid = _paid(hub, record)
            cost = f", and {paid} credits were charged" if paid else ""
            yield Finding(
                "gave_up_early",
                "mistake",
                f"The client left after {_seconds(waited)}{cost}.",
                f"A synchronous generation may take {_seconds(limit)}; it goes on and is paid for "
                "when the client has left.",
                f"Wait {_seconds(limit)}, or send async: true and poll.",
                (record.number,),
            )


def resent_references(hub: Hub, records: list[Record]) -> Iterator[Finding]:
    """One reference image, uploaded again and again."""
    sent: dict[tuple[str | None, str], list[Record]] = {}
    for record in records:
        for digest in set(record.asked.references) if record.asked else ():
            sent.setdefault((record.account, digest), []).append(record)
    for (_, digest), senders in sent.items():
        if len(senders) > 1:
            yield Finding(
                "resent_reference",
                "hint",
                f"The reference image {digest[:12]} was uploaded {_times(len(senders))}.",
                "The API keeps no files: every request uploads its references whole.",
                "Ask for several images in one request with n, and shrink references beforehand.",
                _numbers(senders),
            )


# -- reading the journal -----------------------------------------------------------------------


def _paid(hub: Hub, record: Record) -> int:
    """What the generation of a POST has cost, if it is still remembered."""
    if record.operation != CREATE or record.generation is None:
        return 0
    generation = hub.generations.get(record.generation)
    return generation.paid if generation else 0


def _lost(record: Record) -> bool:
    """Whether the client never held the answer whole: it left, or a fault took it."""
    spoilt = any(fault.startswith(_SPOILT) for fault in record.faults)
    return record.gone or spoilt or record.status not in _SUCCESS


def _grouped(records: Iterable[Record], by: Callable[[Record], Group]) -> Iterable[list[Record]]:
    groups: dict[Group, list[Record]] = {}
    for record in records:
        groups.setdefault(by(record), []).append(record)
    return groups.values()


def _faked(record: Record) -> bool:
    """Whether a fault answered, so that nothing had to change for the retry to succeed."""
    return any(fault.startswith("status=") for fault in record.faults)


def _identity(record: Record) -> tuple[object, ...]:
    """What a request and its retry have in common, be its body read or not."""
    length = record.request_headers.get(b"content-length")
    return record.method, record.target, record.key, length


def _same(one: Record, other: Record) -> bool:
    return one.asked is None or other.asked is None or one.asked == other.asked


def _polls(records: Iterable[Record]) -> Iterable[list[Record]]:
    reads = [record for record in records if record.operation == READ and record.state]
    return _grouped(reads, lambda record: (record.key, record.generation))


def _apart(earlier: Record, later: Record) -> int:
    """Milliseconds between two requests, by the hub's clock or the machine's, whichever is more."""
    return max(later.at - earlier.at, round((later.began - earlier.began) * SECOND))


def _waited(hub: Hub, record: Record) -> int:
    generation = hub.generations.get(record.generation or "")
    on_clock = record.at - generation.created_at if generation else 0
    return max(on_clock, round(record.milliseconds))


def _parameters(record: Record) -> Iterator[str]:
    for name, _ in parse_qsl(record.target.partition("?")[2], keep_blank_values=True):
        yield f"?{name}"


def _path(record: Record) -> str:
    return record.target.partition("?")[0]


def _numbers(records: Iterable[Record]) -> tuple[int, ...]:
    return tuple(sorted({record.number for record in records}))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / SECOND:.3g} s"
