"""Mutants with race conditions between requests of one account (LED-6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.mutants.hooks import hook
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.wrapping import wrap
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

_WORK_SECONDS = 0.05  # between the read and the write of a balance


class Attempt(NamedTuple):
    """A request to be executed some time after the balance was read."""

    server: PatchedServer
    account: Account
    balance_read: int
    request: GenerationRequest
    create: Callable[[], Generation]

    def adjust_balance(self, credits: int) -> None:
        self.server.adjust_balance(self.account, credits)

    def write_balance(self, generation: Generation) -> None:
        """Write the balance that was read minus the price."""
        self.adjust_balance(self.balance_read - cost(generation) - self.account.balance)


@hook
def read_balance_first(server: PatchedServer, execute: Callable[[Attempt], Generation]) -> None:
    """Read the balance, wait, and only then let a function create the generation."""
    balances: dict[int, int] = {}

    @wrap(server.api, "parse_request")
    async def read(
        original: Callable[[RequestContext], Awaitable[GenerationRequest]],
        context: RequestContext,
    ) -> GenerationRequest:
        parsed = await original(context)
        assert context.account
        balances[id(parsed)] = context.account.balance
        await asyncio.sleep(_WORK_SECONDS)
        return parsed

    @wrap(server.hub, "create_generation")
    def create(
        original: Callable[..., Generation],
        account: Account,
        request: GenerationRequest,
        *rest: object,
    ) -> Generation:
        balance_read = balances.pop(id(request))
        return execute(
            Attempt(
                server, account, balance_read, request, lambda: original(account, request, *rest)
            )
        )


def cost(generation: Generation) -> int:
    return generation.credits if generation.ended else generation.credits_requested


@mutant("LED-6", "A request writes the balance that it has read minus the price: updates are lost.")
@read_balance_first
def lost_update(attempt: Attempt) -> Generation:
    generation = attempt.create()
    attempt.write_balance(generation)
    return generation


@mutant("LED-6", "Of two concurrent asynchronous requests only one is charged.")
@read_balance_first
def lost_async_update(attempt: Attempt) -> Generation:
    generation = attempt.create()
    if attempt.request.run_async:
        attempt.write_balance(generation)
    return generation


@mutant("LED-6", "The balance is checked before the work and charged after it: it is overdrawn.")
@read_balance_first
def concurrent_charges_overdraw(attempt: Attempt) -> Generation:
    loan = max(0, attempt.balance_read - attempt.account.balance)
    attempt.adjust_balance(loan)
    try:
        return attempt.create()
    finally:
        attempt.adjust_balance(-loan)


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

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        in_flight.append(context)
        await asyncio.sleep(_WORK_SECONDS)
        concurrent = len(in_flight) > 1
        in_flight.remove(context)
        response = await call_next(context, account)
        if concurrent and (generation := server.hub.generations.get(context.generation or "")):
            server.adjust_balance(account, -cost(generation))
        return response


@mutant("LED-6", "Of concurrent requests only the first succeeds; the others return 500.")
def concurrent_requests_crash(server: PatchedServer) -> None:
    in_flight: list[RequestContext] = []

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        if in_flight:
            raise RuntimeError("database is locked")
        in_flight.append(context)
        try:
            await asyncio.sleep(_WORK_SECONDS)
            return await call_next(context, account)
        finally:
            in_flight.remove(context)


@mutant("LED-6", "Each of several concurrent requests returns the generation of the last.")
def concurrent_responses_swapped(server: PatchedServer) -> None:
    last: list[Response] = []

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        last[:] = [await call_next(context, account)]
        await asyncio.sleep(_WORK_SECONDS)
        return last[0]


@mutant("LED-6", "A prompt that the account has sent before is charged twice.")
def repeated_prompt_charged_twice(server: PatchedServer) -> None:
    sent: set[tuple[str, str]] = set()

    @server.after_success(OperationId.CREATE_GENERATION)
    def charge(context: RequestContext, account: Account) -> None:
        assert context.parsed_request
        key = (account.id, context.parsed_request.prompt)
        if key in sent:
            server.adjust_balance(account, context.current_credit_delta)
        sent.add(key)
