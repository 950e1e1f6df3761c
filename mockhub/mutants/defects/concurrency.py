"""Mutants with race conditions between requests of one account (LED-6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from mockhub.mutants import hooks
from mockhub.mutants.hook import Hook
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import Account, Generation, GenerationRequest, RequestContext, Response
from mockhub.mutants.wrapping import Original, wrap

_WORK_SECONDS = 0.05  # between the read and the write of a balance


class Attempt(NamedTuple):
    """A request to be executed some time after the balance was read."""

    server: PatchedServer
    balance_read: int
    account: Account
    request: GenerationRequest
    create: Callable[[], Generation]

    def adjust_balance(self, credits: int) -> None:
        self.server.adjust_balance(self.account, credits)

    def overwrite(self) -> Generation:
        """Create the generation and write the balance that was read minus the price."""
        generation = self.create()
        self.adjust_balance(self.balance_read - generation.charged_credits - self.account.balance)
        return generation


def overdraw(attempt: Attempt) -> Generation:
    """Create what the balance could pay for when it was read."""
    loan = max(0, attempt.balance_read - attempt.account.balance)
    attempt.adjust_balance(loan)
    try:
        return attempt.create()
    finally:
        attempt.adjust_balance(-loan)


@Hook
def read_balance_first(server: PatchedServer, execute: Callable[[Attempt], Generation]) -> None:
    """Read the balance, wait, and only then let a function create the generation."""
    balances: dict[int, int] = {}

    @wrap(server.api, "parse_request")
    async def read(original: Original, context: RequestContext) -> object:
        parsed = await original(context)
        assert context.account
        balances[id(parsed)] = context.account.balance
        await asyncio.sleep(_WORK_SECONDS)
        return parsed

    @hooks.wrap_creation.on(server)
    def attempt(creation: hooks.Creation) -> Generation:
        balance_read = balances.pop(id(creation.request))
        return execute(Attempt(server, balance_read, *creation))


mutant_table("LED-6", read_balance_first)(
    lost_update=Row(
        "A request overwrites the balance with what it has read minus the price.", Attempt.overwrite
    ),
    lost_async_update=Row(
        "Of two concurrent asynchronous requests only one is charged.",
        lambda attempt: attempt.overwrite() if attempt.request.run_async else attempt.create(),
    ),
    concurrent_charges_overdraw=Row(
        "The balance is checked before the work and charged after it: it is overdrawn.", overdraw
    ),
    concurrent_forms_overdraw=Row(
        "With references, the balance is charged only after the work: it is overdrawn.",
        lambda attempt: overdraw(attempt) if attempt.request.references else attempt.create(),
    ),
)


@mutant("LED-6", "Concurrent requests all pass the check, and the balance is clamped to zero.")
@read_balance_first
def concurrent_charges_clamped_at_zero(attempt: Attempt) -> Generation:
    price = attempt.server.price(attempt.request)
    if attempt.balance_read >= price:
        attempt.adjust_balance(max(0, price - attempt.account.balance))
    return attempt.create()


@mutant("LED-6", "A request that is concurrent with another is charged twice.")
def concurrent_requests_charged_twice(server: PatchedServer) -> None:
    in_flight: list[RequestContext] = []

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        in_flight.append(call.context)
        await asyncio.sleep(_WORK_SECONDS)
        concurrent = len(in_flight) > 1
        in_flight.remove(call.context)
        response = await call.proceed()
        if concurrent and (generation := server.hub.generations.get(call.context.generation or "")):
            server.adjust_balance(call.account, -generation.charged_credits)
        return response


@mutant("LED-6", "Of concurrent requests only the first succeeds; the others return 500.")
def concurrent_requests_crash(server: PatchedServer) -> None:
    in_flight: list[RequestContext] = []

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        if in_flight:
            raise RuntimeError("database is locked")
        in_flight.append(call.context)
        try:
            await asyncio.sleep(_WORK_SECONDS)
            return await call.proceed()
        finally:
            in_flight.remove(call.context)


@mutant("LED-6", "Each of several concurrent requests returns the generation of the last.")
def concurrent_responses_swapped(server: PatchedServer) -> None:
    last: list[Response] = []

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        last[:] = [await call.proceed()]
        await asyncio.sleep(_WORK_SECONDS)
        return last[0]


@mutant("LED-6", "A prompt that the account has sent before is charged twice.")
def repeated_prompt_charged_twice(server: PatchedServer) -> None:
    sent: set[tuple[str, str]] = set()

    @hooks.after_generation.on(server)
    def charge(context: RequestContext, account: Account) -> None:
        assert context.parsed_request
        key = (account.id, context.parsed_request.prompt)
        if key in sent:
            server.adjust_balance(account, context.current_credit_delta)
        sent.add(key)
