"""Defects that show when requests meet: between a check and a charge somebody else comes by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.responses import rate_limited
from mockhub.mutants.wrapping import wrap
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.context import RequestContext

_WORK_SECONDS = 0.05  # seconds that the provider takes, between a read and a write


CreateGeneration = Callable[[], Generation]


def read_balance_first(
    server: PatchedServer,
    write: Callable[[Account, int, GenerationRequest, CreateGeneration], Generation],
) -> None:
    """Read the balance, work, and then let *write* make the generation, knowing what was read."""
    balances: dict[int, int] = {}

    @wrap(server.api, "parse_request")
    async def request(original: Any, context: RequestContext) -> Any:
        parsed = await original(context)
        assert context.account
        balances[id(parsed)] = context.account.balance
        await asyncio.sleep(_WORK_SECONDS)
        return parsed

    @wrap(server.hub, "create_generation")
    def create(
        original: Any, account: Account, request: GenerationRequest, *rest: Any
    ) -> Generation:
        return write(
            account, balances.pop(id(request)), request, lambda: original(account, request, *rest)
        )


def generation_cost(generation: Generation) -> int:
    return generation.credits if generation.ended else generation.credits_requested


@mutant(
    "LED-6",
    "The balance is read, the images are made, and what was read less the price is written.",
)
def lost_update(server: PatchedServer) -> None:
    @partial(read_balance_first, server)
    def write(
        account: Account, balance_read: int, request: GenerationRequest, create: CreateGeneration
    ) -> Generation:
        generation = create()
        server.adjust_balance(account, balance_read - generation_cost(generation) - account.balance)
        return generation


@mutant(
    "LED-6", "Two asynchronous requests at once are charged as one: each writes what it had read."
)
def lost_async_update(server: PatchedServer) -> None:
    @partial(read_balance_first, server)
    def write(
        account: Account, balance_read: int, request: GenerationRequest, create: CreateGeneration
    ) -> Generation:
        generation = create()
        if request.run_async:
            server.adjust_balance(
                account, balance_read - generation_cost(generation) - account.balance
            )
        return generation


@mutant(
    "LED-6",
    "The balance is checked first and charged after the work: together requests overdraw it.",
)
def concurrent_charges_overdraw(server: PatchedServer) -> None:
    @partial(read_balance_first, server)
    def write(
        account: Account, balance_read: int, request: GenerationRequest, create: CreateGeneration
    ) -> Generation:
        loan = max(0, balance_read - account.balance)
        server.adjust_balance(account, loan)
        try:
            return create()
        finally:
            server.adjust_balance(account, -loan)


@mutant(
    "LED-6", "Requests at once all pass the check; charges that the balance cannot bear are lost."
)
def concurrent_charges_clamped_at_zero(server: PatchedServer) -> None:
    @partial(read_balance_first, server)
    def write(
        account: Account, balance_read: int, request: GenerationRequest, create: CreateGeneration
    ) -> Generation:
        price = server.spec.catalog.quote(request.model, request.size).credits_per_image * request.n
        if balance_read >= price:
            server.adjust_balance(account, max(0, price - account.balance))
        return create()


@mutant("LED-6", "A request that meets another one is charged twice.")
def concurrent_requests_charged_twice(server: PatchedServer) -> None:
    in_flight: list[RequestContext] = []

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        in_flight.append(context)
        await asyncio.sleep(_WORK_SECONDS)
        concurrent = len(in_flight) > 1
        in_flight.remove(context)
        response = await call_next(context, account)
        if concurrent and (generation := server.hub.generations.get(context.generation or "")):
            server.adjust_balance(account, -generation_cost(generation))
        return response


@mutant("LED-6", "Of requests at once only the first is served; the others answer 500.")
def concurrent_requests_crash(server: PatchedServer) -> None:
    in_flight: list[RequestContext] = []

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        if in_flight:
            raise RuntimeError("database is locked")
        in_flight.append(context)
        try:
            await asyncio.sleep(_WORK_SECONDS)
            return await call_next(context, account)
        finally:
            in_flight.remove(context)


@mutant("LIM-2", "A second request of the same key at the same time is refused with 429.")
def concurrent_requests_are_429(server: PatchedServer) -> None:
    in_flight: set[str] = set()

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        if account.id in in_flight:
            return rate_limited()
        in_flight.add(account.id)
        try:
            await asyncio.sleep(_WORK_SECONDS)
            return await call_next(context, account)
        finally:
            in_flight.discard(account.id)


@mutant(
    "GEN-11", "Requests of one moment get one id: it is made of the time in tenths of a second."
)
def concurrent_requests_share_id(server: PatchedServer) -> None:
    ids_by_time: dict[int, str] = {}

    @wrap(server.hub.ids, "generation")
    def generation(original: Any) -> str:
        return ids_by_time.setdefault(server.hub.clock.now() // 100, original())


@mutant("LED-6", "Of requests at once each is answered with the generation of the last.")
def concurrent_responses_swapped(server: PatchedServer) -> None:
    last: list[responses.Response] = []

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        response = await call_next(context, account)
        last[:] = [response]
        await asyncio.sleep(_WORK_SECONDS)
        return last[0]


@mutant(
    "LED-1",
    "A request like one a moment ago gets the answer of that one, and is not charged.",
    level="inferred",
)
def repeated_request_deduplicated(server: PatchedServer) -> None:
    cache: dict[Any, tuple[int, Generation]] = {}

    @wrap(server.hub, "create_generation")
    def create(original: Any, account: Account, request: Any, *rest: Any) -> Any:
        now = server.hub.clock.now()
        cached_at, generation = cache.get((account.id, request), (0, None))
        if generation is None or now - cached_at > 10_000:  # noqa: PLR2004
            generation = original(account, request, *rest)
            cache[account.id, request] = (now, generation)
        return generation


@mutant("LED-6", "A prompt that the account has sent before is charged twice.")
def repeated_prompt_charged_twice(server: PatchedServer) -> None:
    sent: set[tuple[str, str]] = set()

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        response = await call_next(context, account)
        assert context.parsed_request
        if (account.id, context.parsed_request.prompt) in sent:
            server.adjust_balance(account, context.current_credit_delta)
        sent.add((account.id, context.parsed_request.prompt))
        return response


@mutant(
    "LED-2",
    "A refund writes the balance as it was before the request, and undoes charges meanwhile.",
)
def refund_overwrites_concurrent_charges(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        balance_read = account.balance
        await asyncio.sleep(_WORK_SECONDS)
        try:
            return await call_next(context, account)
        except Exception:
            if account.balance < balance_read:
                server.adjust_balance(account, balance_read - account.balance)
            raise


@mutant(
    "RET-1", "A generation can be read only some time after its answer; until then it is not found."
)
def early_read_not_found(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.GET_GENERATION)
    async def read(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        generation = server.hub.generations.get(context.path_param or "")
        if generation and server.hub.clock.now() - generation.created_at < 1500:  # noqa: PLR2004
            raise server.error("notFound")
        return await call_next(context, account)
