"""Hooks for requests, operations, generations and the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from mockhub.domain.generations import Changes
from mockhub.domain.ledger import EntryKind
from mockhub.domain.provider import Outcome
from mockhub.exceptions import ApiError, ValidationError
from mockhub.mutants.hook import Hook, hook_factory
from mockhub.mutants.middleware import AsgiApp, Middleware
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.types import (
    Account,
    Generation,
    GenerationRequest,
    Handler,
    ParsedRequest,
    RequestContext,
    RequestHeaders,
    Response,
    Scope,
)
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.catalog import Quote
from mockhub.spec.operations import OperationId
from mockhub.web.asgi import Receive, Send

AUTHORIZATION = b"authorization"

CreditsChange = Callable[[int, Generation], int]

_WORK_SECONDS = 0.01  # of a poll, in which another one may arrive


# -- requests ------------------------------------------------------------------------------------


@Hook
def add_middleware(server: PatchedServer, middleware: Middleware) -> None:
    server.app.add(middleware)


@add_middleware.adapted
async def on_request(
    change: Callable[[RequestHeaders, Scope], object],
    app: AsgiApp,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Change the headers or the scope of every request, in place."""
    headers = dict(scope["headers"])
    scope = {**scope}
    change(headers, scope)
    scope["headers"] = list(headers.items())
    await app(scope, receive, send)


@Hook
def on_request_body(server: PatchedServer, change: Callable[[ParsedRequest], object]) -> None:
    """Change a request body in place before it is validated, or raise ValidationError."""
    server.request_reader.hooks.append(change)


# -- operations ----------------------------------------------------------------------------------


class Call(NamedTuple):
    """A call of the handler of an operation."""

    handler: Handler
    context: RequestContext
    account: Account

    async def proceed(self) -> Response:
        return await self.handler(self.context, self.account)


@hook_factory
def wrap_handler(
    server: PatchedServer, function: Callable[[Call], Awaitable[Response]], operation: str
) -> None:
    """Replace the handler of an operation by a function that may call it."""
    original = server.api.handlers[operation]

    async def handle(context: RequestContext, account: Account) -> Response:
        return await function(Call(original, context, account))

    server.api.handlers[operation] = handle


wrap_generate = wrap_handler(OperationId.CREATE_GENERATION)


@hook_factory
def after_success(
    server: PatchedServer, callback: Callable[[RequestContext, Account], object], operation: str
) -> None:
    @wrap_handler(operation).on(server)
    async def handle(call: Call) -> Response:
        response = await call.proceed()
        callback(call.context, call.account)
        return response


after_generation = after_success(OperationId.CREATE_GENERATION)


@hook_factory
def after_error(
    server: PatchedServer, callback: Callable[[Account, Exception], object], operation: str
) -> None:
    @wrap_handler(operation).on(server)
    async def handle(call: Call) -> Response:
        try:
            return await call.proceed()
        except (ApiError, ValidationError) as error:
            callback(call.account, error)
            raise


@Hook
def free_after_error(server: PatchedServer, code: str) -> None:
    """Charge nothing for the generation that follows an error of the same account."""
    owed: set[str] = set()

    @wrap_generate.on(server)
    async def generate(call: Call) -> Response:
        try:
            response = await call.proceed()
        except ApiError as error:
            if error.code == code:
                owed.add(call.account.id)
            raise
        if call.account.id in owed:
            owed.discard(call.account.id)
            server.adjust_balance(call.account, -call.context.current_credit_delta)
        return response


# -- generations and the ledger ------------------------------------------------------------------


class Start(NamedTuple):
    """What the hub starts a generation with."""

    account: Account
    request: GenerationRequest
    quote: Quote
    outcome: Outcome
    id: str
    now: int


@Hook
def on_start(server: PatchedServer, change: Callable[[Start], Start]) -> None:
    """Start generations with other values."""
    wrap(server.hub, "start_generation")(lambda original, *args: original(*change(Start(*args))))


@on_start.adapted
def replace_price(change: Callable[[int, GenerationRequest], int], start: Start) -> Start:
    price = change(start.quote.credits_per_image, start.request)
    return start._replace(quote=start.quote._replace(credits_per_image=price))


@Hook
def on_concurrent_end(
    server: PatchedServer, callback: Callable[[Account, Generation], object]
) -> None:
    """Call a function for each poll that another one overtakes, which finds the task ended."""

    @wrap_handler(OperationId.GET_GENERATION).on(server)
    async def read(call: Call) -> Response:
        id = call.context.path_param or ""
        before = server.hub.generations.get(id)
        await asyncio.sleep(_WORK_SECONDS)
        overtaken = before and not before.ended and server.hub.generations[id].ended
        response = await call.proceed()
        if overtaken:
            callback(call.account, server.hub.generations[id])
        return response


class Creation(NamedTuple):
    """A call of `HubBackend.create_generation`."""

    account: Account
    request: GenerationRequest
    proceed: Callable[[], Generation]


@Hook
def wrap_creation(server: PatchedServer, function: Callable[[Creation], Generation]) -> None:
    """Let a function decide when to create a generation, or return another one."""

    @wrap(server.hub, "create_generation")
    def create(
        original: Original, account: Account, request: GenerationRequest, *rest: object
    ) -> Generation:
        proceed = partial(original, account, request, *rest)
        return function(Creation(account, request, proceed))


@hook_factory
def _replace_credits(server: PatchedServer, change: CreditsChange, kind: EntryKind) -> None:
    sign = -1 if kind == "charge" else 1

    @wrap(server.hub, "commit")
    def commit(original: Original, account: Account, changes: Changes) -> None:
        entries = tuple(
            replace(entry, credits=sign * change(sign * entry.credits, changes.generation))
            if entry.kind == kind
            else entry
            for entry in changes.entries
        )
        original(account, replace(changes, entries=entries))


# These replace the credits that are charged and refunded for a generation; both are positive.
replace_charge = _replace_credits("charge")
replace_refund = _replace_credits("refund")
