"""Assertions about the generations of a run, shared by the checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mockhub.verify.assertions import expect, require_response
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import DOCUMENTED_SIZES, FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive, Skipped


def assert_accepted(context: CheckContext, name: str) -> None:
    generation = context.generation(name)
    exchange = require_response(generation.exchange)
    if exchange.status == 402 and (generation.balance_before or 0) < FIXTURES[name].max_cost:
        raise Inconclusive("the account cannot pay for it", exchange)
    if exchange.status == 401:
        raise Inconclusive("the key keys.valid is refused; is it right?", exchange)
    must_be_offered = generation.size in DOCUMENTED_SIZES or not context.documented
    if not generation.accepted and (must_be_offered or exchange.status != 400):
        raise Failed(
            f"a valid request is answered {exchange.status}",
            exchange,
            expected="200, or 202 for a task",
        )


def accepted_tasks(
    context: CheckContext, *names: str
) -> list[tuple[ObservedGeneration, dict[str, Any]]]:
    """The tasks of *names* with their 202 answers."""
    tasks = []
    for name in names:
        assert_accepted(context, name)
        generation = context.generation(name)
        tasks.append((generation, expect(generation.exchange, 202)))
    return tasks


def assert_completed(context: CheckContext, generation: ObservedGeneration) -> None:
    if generation.finished:
        return
    for poll in generation.polls[-1:]:
        if require_response(poll).status != 200:
            raise Failed(f"a poll is answered {poll.status}", poll, expected="HTTP 200")
        expect(poll, 200)
    raise Failed(
        f"the task has not ended after {context.profile.poll_timeout:g} s (limits.poll_timeout)",
        *generation.polls[-1:],
        expected="status succeeded or failed",
    )


def completed_generations(
    context: CheckContext, names: tuple[str, ...]
) -> Iterator[ObservedGeneration]:
    """The generations of *names* that were accepted and ended.

    What could not be made is told at the end, when the others have been judged.
    """
    deferred: CheckOutcome | None = None
    found_any = False
    for name in names:
        try:
            generation = context.generation(name)
            require_response(generation.exchange)
        except (Inconclusive, Skipped) as outcome:
            deferred = deferred or outcome
            continue
        if generation.accepted and (generation.exchange.status == 200 or generation.finished):
            found_any = True
            yield generation
    if deferred:
        raise deferred
    if not found_any:
        raise Inconclusive("no generation succeeded", context.generation(names[0]).exchange)


def generations_with_id(context: CheckContext, names: tuple[str, ...]) -> list[ObservedGeneration]:
    """The generations of *names* that were accepted and gave an id."""
    generations = [
        generation
        for name in names
        if (generation := context.generation(name)).accepted and generation.id
    ]
    if not generations:
        raise Inconclusive("no generation gave an id", context.generation(names[0]).exchange)
    return generations
