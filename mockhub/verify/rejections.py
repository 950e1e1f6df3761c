"""Find out which valid requests are rejected: what they share, and no accepted request has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import MAX_SHORT_TEXT
from mockhub.verify.generation import REJECTED, ObservedGeneration
from mockhub.verify.outcomes import Failed
from mockhub.verify.results import CheckResult

_LONG_PROMPT = 1000  # characters; up to here every implementation accepts a prompt
_LARGE_FILE = "large.png"
_MAX_OTHERS = 2  # further explanations in a message
_MAX_SHOWN = 40  # characters of a prompt in a message


class Fact(NamedTuple):
    """What a request has, and the clause by which it has to be accepted all the same."""

    clause: str
    text: str


_OTHER_FILES = {"bin": Fact("REQ-17", "with a file declared as application/octet-stream")}


def rejection(
    exchange: Exchange, expected: str, generations: Iterable[ObservedGeneration]
) -> Failed:
    """Return the failure for a valid request that was rejected.

    It names what the rejected ones of *generations* share. The failure is about its clause, unless
    more than one would explain it.
    """
    message, clause, shared = f"HTTP {exchange.status} to a valid request", "", ""
    if exchange.status in REJECTED and (found := _explanations(list(generations))):
        shared = _text(found[0])
        clauses = {facts[-1].clause: facts for facts in reversed(found)}
        others = [_text(facts) for facts in clauses.values() if facts is not found[0]]
        alternatives = f" (or {', or '.join(others[:_MAX_OTHERS])})" if others else ""
        message += f": to each {shared}{alternatives}, and to no other"
        clause = "" if others else found[0][-1].clause
    return Failed(message, exchange, expected=expected, clause=clause, rejected_with=shared)


def explain_again(result: CheckResult, generations: Iterable[ObservedGeneration]) -> CheckResult:
    """Return the result of a check with the explanation by all *generations* of a run."""
    if result.rejected_with is None or not result.message.startswith("HTTP "):
        return result
    failure = rejection(result.evidence[0], result.expected, generations)
    return replace(
        result,
        message=failure.message,
        clause=failure.clause,
        rejected_with=failure.rejected_with,
    )


def _text(facts: Iterable[Fact]) -> str:
    return " and ".join(fact.text for fact in facts)


def _explanations(generations: list[ObservedGeneration]) -> list[tuple[Fact, ...]]:
    """Return the single facts, or else pairs, that all rejected and no other requests have."""
    rejected = [list(_facts(one)) for one in generations if one.exchange.status in REJECTED]
    others = [set(_facts(one)) for one in generations if one.exchange.status not in REJECTED]
    if not rejected or not others:
        return []
    shared = [fact for fact in rejected[0] if all(fact in facts for facts in rejected)]
    for size in (1, 2):
        if found := [
            facts
            for facts in combinations(shared, size)
            if not any(other.issuperset(facts) for other in others)
        ]:
            return found
    return []


def _facts(generation: ObservedGeneration) -> Iterator[Fact]:
    """Iterate over what a request has, the most general first."""
    fixture = generation.fixture
    types = sorted({name.rpartition(".")[2] for name in fixture.files})
    yield Fact("REQ-2", "in a form" if fixture.is_form else "in JSON")
    yield Fact("ASY-1", "with async" if fixture.asynchronous else "without async")
    yield Fact("REQ-5", f"with n {generation.n}")
    yield Fact("REQ-7", f"with {len(fixture.files)} reference images")
    yield from (_OTHER_FILES.get(type, Fact("REQ-8", f"with a {type} file")) for type in types)
    if len(types) > 1:
        yield Fact("REQ-8", "with files of several types")
    if _LARGE_FILE in fixture.files:
        yield Fact("REQ-9", "with a large file")
    yield Fact("REQ-4", f"with quality {fixture.quality}" if fixture.quality else "without quality")
    yield Fact("REQ-3", f"with size {generation.size}")
    if fixture.extra_fields:
        yield Fact("REQ-15", "with further fields")
    if fixture.prompt:
        for clause, length in (("REQ-2", MAX_SHORT_TEXT), ("REQ-11", _LONG_PROMPT)):
            if len(fixture.prompt) > length:
                yield Fact(clause, f"with a prompt of more than {length} characters")
        yield Fact("REQ-2", f"with the prompt {fixture.prompt[:_MAX_SHOWN]!r}")
