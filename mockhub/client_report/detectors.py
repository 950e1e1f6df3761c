"""Detect what a client of a metered API does wrong, by its exchanges in the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from itertools import pairwise, starmap
from typing import Literal
from urllib.parse import parse_qsl

from mockhub._timestamps import SECOND
from mockhub.client_report.exchanges import (
    bodies_known,
    caused_by_fault,
    exchange_numbers,
    format_seconds,
    format_times,
    group_by,
    interval_between,
    is_retry,
    path_of,
    polls_by_generation,
    request_identity,
    response_lost,
    time_on_clock,
)
from mockhub.domain.generations import FINAL_STATUSES
from mockhub.domain.hub import HubBackend
from mockhub.journal.exchange import Exchange
from mockhub.spec.operations import JSON, OperationId

FINDING_KINDS = (
    "double_charge",
    "retried_client_error",
    "unknown_field",
    "early_disconnect",
    "incomplete_upload",
    "fast_poll",
    "poll_after_completion",
    "duplicate_upload",
)

Severity = Literal["violation", "money", "warning", "hint"]

_BAD_REQUEST, _UNAUTHORIZED, _PAYMENT_REQUIRED = 400, 401, 402
_FIELD, _FILE = "field", "file"
_FINAL_STATUSES = {
    _UNAUTHORIZED: (
        "The same key is rejected again; each retry only delays the error that the user must see.",
        "Treat 401 as final: stop, and show which of the three error codes it was.",
    ),
    _PAYMENT_REQUIRED: (
        "A retry does not change the balance; the user waits in vain.",
        "Treat 402 as final: stop, show the balance, and continue only after a top-up.",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing that the client does wrong.

    Attributes:
        kind: One of `FINDING_KINDS`; behind a proxy also ``service_...``.
        severity: ``money`` if credits were lost, else ``warning`` or ``hint``; ``violation`` if the
            service behind a proxy breaks the contract.
        summary: What happened.
        impact: Why it matters.
        suggestion: What to do instead.
        exchange_numbers: The exchanges of the journal that show it.
        credits: The number of credits that were lost.
    """

    kind: str
    severity: Severity
    summary: str
    impact: str
    suggestion: str
    exchange_numbers: tuple[int, ...]
    credits: int = 0


def double_charges(exchanges: list[Exchange]) -> Iterator[Finding]:
    """Find requests that were charged, lost their response, and were sent and charged again."""
    charged = [exchange for exchange in exchanges if exchange.credits]
    for group in group_by(charged, lambda exchange: (exchange.account, exchange.parsed_request)):
        attempts: list[Exchange] = []
        for exchange in group:
            attempts.append(exchange)
            if not response_lost(exchange):
                yield from _double_charge(attempts)
                attempts = []
        yield from _double_charge(attempts)


def _double_charge(attempts: list[Exchange]) -> Iterator[Finding]:
    if len(attempts) > 1:
        credits = -sum(exchange.credits for exchange in attempts[:-1])
        yield Finding(
            "double_charge",
            "money",
            f"One request was charged {len(attempts)} times: its response was lost and it was "
            f"sent again. {credits} credits bought images that the client never saw.",
            "The API has no idempotency key: a request that arrived is charged, and remains "
            "charged if its response is lost.",
            "Send async: true and store the id, so that the generation can be read again; retry a "
            "lost POST only after GET /api/v1/credits shows that it was not charged.",
            exchange_numbers(attempts),
            credits,
        )


def retried_client_errors(exchanges: list[Exchange]) -> Iterator[Finding]:
    """Find requests after 402, or with the key of a 401, that came again with nothing changed.

    The server reads no body before the key: those of 401 may differ.
    """
    for status, (impact, suggestion) in _FINAL_STATUSES.items():
        identity = partial(request_identity, with_body=status != _UNAUTHORIZED)
        for group in group_by(exchanges, identity):
            retries = _retries(group, status)
            if retries:
                yield Finding(
                    "retried_client_error",
                    "warning",
                    f"{retries[0].method} {path_of(retries[0])} was answered {status} "
                    f"and sent again {format_times(len(retries) - 1)}"
                    f"{_what_is_the_same(retries, status)}.",
                    impact,
                    suggestion,
                    exchange_numbers(retries),
                )


def _what_is_the_same(retries: list[Exchange], status: int) -> str:
    if status == _UNAUTHORIZED:
        return " with the same key" if retries[0].key_digest else " without a valid key"
    all_known = all(starmap(bodies_known, pairwise(retries)))
    return "" if all_known else " with a body of the same length"


def _retries(group: list[Exchange], status: int) -> list[Exchange]:
    """Return the rejected requests and their retries.

    A retry that succeeds counts only after an injected fault: otherwise the account was topped up.
    """
    retries: list[Exchange] = []
    for exchange in group:
        if retries and not is_retry(retries[-1], exchange):
            continue
        if exchange.status == status or (retries and caused_by_fault(retries[-1])):
            retries.append(exchange)
        if exchange.status != status and retries:
            break
    return retries if len(retries) > 1 else []


def fast_polls(exchanges: list[Exchange], min_poll_interval: int) -> Iterator[Finding]:
    """Find polls of a running generation less than *min_poll_interval* milliseconds apart."""
    for group in polls_by_generation(exchanges):
        fast = [
            later
            for earlier, later in pairwise(group)
            if earlier.state not in FINAL_STATUSES
            and interval_between(earlier, later) < min_poll_interval
        ]
        if fast:
            gap = min(interval_between(*pair) for pair in pairwise(group))
            yield Finding(
                "fast_poll",
                "hint",
                f"{path_of(fast[0])} was polled {format_times(len(fast))} sooner than "
                f"{format_seconds(min_poll_interval)} after the last poll; the shortest pause was "
                f"{format_seconds(gap)}.",
                "Images take seconds to minutes; fast polls cost both sides and gain nothing.",
                "Wait between polls, longer each time: 1 s, 2 s, 4 s, up to 15 s.",
                exchange_numbers(fast),
            )


def polls_after_completion(exchanges: list[Exchange]) -> Iterator[Finding]:
    """Find reads of a generation after the client has seen its final status."""
    for group in polls_by_generation(exchanges):
        ends = [index for index, poll in enumerate(group) if poll.state in FINAL_STATUSES]
        if ends and (late := group[ends[0] + 1 :]):
            yield Finding(
                "poll_after_completion",
                "hint",
                f"{path_of(late[0])} was read {format_times(len(late))} more after it had "
                f"{group[ends[0]].state}.",
                "A final status never changes.",
                "Stop at succeeded or failed, and keep the response.",
                exchange_numbers(late),
            )


def unknown_fields(hub: HubBackend, exchanges: list[Exchange]) -> Iterator[Finding]:
    """Find body fields, files and query parameters that are not in the API spec."""
    operation = hub.spec.operations[OperationId.CREATE_GENERATION]
    known = {**operation.bodies[JSON].fields, **operation.files}
    senders_by_name: dict[tuple[str, str], list[Exchange]] = {}
    for exchange in exchanges:
        for kind, names in _unknown_names(exchange).items():
            for name in names:
                senders_by_name.setdefault((kind, name), []).append(exchange)
    for (kind, name), senders in senders_by_name.items():
        charged = -sum(exchange.credits for exchange in senders)
        cost = f"; {charged} credits were charged without it" if charged else ""
        is_forbidden = kind == _FIELD and name in operation.bodies[JSON].forbidden
        is_rejected = is_forbidden and all(one.status == _BAD_REQUEST for one in senders)
        yield Finding(
            "unknown_field",
            "warning",
            f"The {kind} {name!r} was sent, which is not in the API spec"
            f"{_suggest_field(name, operation.files if kind == _FILE else known)}",
            "It is not valid in JSON: the request was rejected."
            if is_rejected
            else f"What the API does not know is ignored, so it has no effect{cost}.",
            f"Remove it, or use one of {', '.join(known)} in the body"
            f"{_form_hint(operation.files)}.",
            exchange_numbers(senders),
        )


def _unknown_names(exchange: Exchange) -> Mapping[str, Iterable[str]]:
    query = parse_qsl(exchange.target.partition("?")[2], keep_blank_values=True)
    return {
        _FIELD: exchange.unknown_fields,
        _FILE: exchange.unknown_files,
        "query parameter": {} if exchange.operation == OperationId.GET_IMAGE else dict(query),
    }


def _suggest_field(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest field, in spite of case and brackets."""
    names = {_normalize(field): field for field in known if field != name}
    normalized = _normalize(name)
    parts = [field for field in names if normalized and field.endswith(normalized)]
    best = get_close_matches(normalized, names, 1) or parts[:1]
    return f"; did you mean {names[best[0]]!r}?" if best else ""


def _normalize(name: str) -> str:
    return name.partition("[")[0].replace("-", "_").lower()


def _form_hint(files: Iterable[str]) -> str:
    return f" ({', '.join(files)} only as a file in a form)" if files else ""


def incomplete_uploads(exchanges: list[Exchange]) -> Iterator[Finding]:
    """Find requests whose client disconnected before it had sent the whole body."""
    for exchange in exchanges:
        if exchange.body_incomplete:
            expected = exchange.request_headers.get(b"content-length", b"").decode("latin-1")
            yield Finding(
                "incomplete_upload",
                "warning",
                f"The client disconnected after {format_seconds(round(exchange.milliseconds))}, "
                f"before it had sent its whole body{f' of {expected} bytes' if expected else ''}.",
                "A request that did not arrive in full creates nothing and costs nothing.",
                "Send it again; allow more time for uploads, or shrink the reference images.",
                (exchange.number,),
            )


def early_disconnects(hub: HubBackend, exchanges: list[Exchange]) -> Iterator[Finding]:
    """Find synchronous requests that the client gave up before the documented limit (LIM-1)."""
    limit = round(hub.spec.timeout_seconds * SECOND)
    for exchange in exchanges:
        request, waited = exchange.parsed_request, round(exchange.milliseconds)
        is_synchronous = exchange.operation == OperationId.CREATE_GENERATION and not (
            exchange.body_incomplete or (request and request.run_async)
        )
        is_early = max(waited, time_on_clock(hub, exchange)) < limit
        if exchange.client_disconnected and is_synchronous and is_early:
            charged = -exchange.credits
            cost = f", and {charged} credits were charged" if charged else ""
            yield Finding(
                "early_disconnect",
                "warning",
                f"The client disconnected after {format_seconds(waited)}{cost}.",
                f"A synchronous generation may take {format_seconds(limit)}. It continues and is "
                "charged when the client has disconnected.",
                f"Wait {format_seconds(limit)}, or send async: true and poll.",
                (exchange.number,),
            )


def duplicate_uploads(exchanges: list[Exchange]) -> Iterator[Finding]:
    """Find reference images that were uploaded more than once."""
    senders_by_digest: dict[tuple[str | None, str], list[Exchange]] = {}
    for exchange in exchanges:
        for digest in set(exchange.parsed_request.references) if exchange.parsed_request else ():
            senders_by_digest.setdefault((exchange.account, digest), []).append(exchange)
    for (_, digest), senders in senders_by_digest.items():
        if len(senders) > 1:
            yield Finding(
                "duplicate_upload",
                "hint",
                f"The reference image {digest[:12]} was uploaded {format_times(len(senders))}.",
                "The API stores no files: every request uploads its reference images in full.",
                "Request several images at once with n, and shrink reference images beforehand.",
                exchange_numbers(senders),
            )
