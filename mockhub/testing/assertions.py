"""Compares generations with what a test expects, and describes near misses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import asdict

from mockhub._near_misses import (
    Difference,
    differences,
    distance,
    format_criteria,
    join_near_misses,
)
from mockhub._numbers import require_integer
from mockhub._text import plural, printable, suggest
from mockhub.client_report.detectors import FINDING_KINDS, Finding
from mockhub.domain.generations import Generation
from mockhub.exceptions import MockhubError
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.testing.exchanges import ExchangeList, RecordedExchange, check_field_names

GENERATION_FIELDS = (*GenerationRequest.__struct_fields__, "status", "delivered", "credits")


def generation_fields(generation: Generation) -> dict[str, object]:
    request = generation.request
    return {
        **asdict(request),
        "references": len(request.references),
        "status": generation.status,
        "delivered": generation.delivered,
        "credits": generation.credits,
    }


def check_generated(
    generations: Iterable[Generation],
    journal: ExchangeList,
    criteria: Mapping[str, object],
    times: int | None,
) -> str | None:
    """Check how many generations match the criteria.

    Args:
        times: The expected number; None for at least one.

    Returns:
        The message of the failed assertion, or None.

    Raises:
        MockhubError: if a generation has no such field, or *times* is no number.
    """
    check_field_names(criteria, GENERATION_FIELDS, "a generation")
    _check_times(times)
    fields_by_id = {generation.id: generation_fields(generation) for generation in generations}
    matching = [id for id, fields in fields_by_id.items() if not differences(fields, criteria)]
    if len(matching) == times or (times is None and matching):
        return None
    expected = "a generation" if times is None else plural(times, "generation")
    expected += f" with {format_criteria(criteria)}" if criteria else ""
    ids = f": {', '.join(matching)}" if matching else ""
    message = f"expected {expected}; there are {len(matching)}{ids}"
    if len(matching) >= (times or 1):
        return message
    return "\n".join([message, *_near_misses(fields_by_id, journal, criteria)])


def describe_requested(
    matching: ExchangeList, criteria: Mapping[str, object], times: int | None
) -> str:
    """Return the message for a number of matching requests that is not the expected one.

    Raises:
        MockhubError: if *times* is no number.
    """
    _check_times(times)
    expected = "a request" if times is None else plural(times, "request")
    expected += f" with {format_criteria(criteria)}" if criteria else ""
    detail = f"\n{matching}" if not matching else ""
    return f"expected {expected}; there are {len(matching)}{detail}"


def _check_times(times: int | None) -> None:
    if times is not None:
        require_integer("times", times, 0)


def check_finding_kind(kind: str) -> None:
    """Raise MockhubError for a kind of findings that is not known."""
    if kind not in FINDING_KINDS:
        raise MockhubError(
            f"{kind!r} is not a kind of finding; expected one of {', '.join(FINDING_KINDS)}"
            f"{suggest(kind, FINDING_KINDS)}"
        )


def count_kind(findings: Iterable[Finding], kind: str) -> int:
    return sum(len(one.exchange_numbers) for one in findings if one.kind == kind)


def format_kinds(findings: Sequence[Finding]) -> str:
    """Say which kinds of findings there are."""
    kinds = dict.fromkeys(one.kind for one in findings)
    return f"there are {', '.join(kinds)}" if kinds else "there are none"


def format_findings(findings: Iterable[Finding]) -> str:
    return "\n".join(
        f"{one.kind}: {printable(one.summary)}\n  suggestion: {one.suggestion}" for one in findings
    )


def _near_misses(
    fields_by_id: Mapping[str, Mapping[str, object]],
    journal: ExchangeList,
    criteria: Mapping[str, object],
) -> list[str]:
    misses = []
    for exchange in journal.filter(operation=OperationId.CREATE_GENERATION):
        actual = fields_by_id.get(exchange.generation or "", exchange.fields)
        found = differences(actual, criteria)
        if found or exchange.generation is None:
            misses.append((distance(found), _describe(exchange, found)))
    return join_near_misses(misses)


def _describe(exchange: RecordedExchange, found: Sequence[Difference]) -> str:
    reasons = [str(one) for one in found]
    if exchange.generation is None:
        reasons.append(f"the response was {exchange.status} {exchange.code or ''}".rstrip())
    return f"#{exchange.number}: {'; '.join(reasons)}"
