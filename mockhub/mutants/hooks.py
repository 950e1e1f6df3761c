"""The hooks of a `PatchedServer` as decorators that turn a function into a mutant.

Where a mutant keeps nothing between requests, its function can be what one hook calls:

    @mutant("CRD-2", "The balance has no account type.")
    @mutate_json(OperationId.GET_CREDITS, status=200)
    def missing_account_type(content: Json, context: RequestContext) -> None:
        del content["account_type"]

`mutant_table` registers several functions of one hook.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from itertools import count
from typing import Concatenate, ParamSpec, TypeVar, cast

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.exceptions import ApiError
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import Change, Hook
from mockhub.mutants.responses import Json, with_body
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web.asgi import Scope
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

P = ParamSpec("P")
C = TypeVar("C")
F = TypeVar("F", bound=Callable[..., object])

ImageHandler = Callable[[Scope, Mapping[bytes, bytes]], Awaitable[Response]]


def hook(apply: Callable[[PatchedServer, C], object]) -> Hook[C]:
    """Turn a function that applies another function to a server into a hook."""

    def decorator(function: C) -> Change:
        @wraps(cast("Callable[..., object]", function))
        def change(server: PatchedServer) -> None:
            apply(server, function)

        return change

    return decorator


def _hook_factory(
    method: Callable[Concatenate[PatchedServer, P], Callable[[C], object]],
) -> Callable[P, Hook[C]]:
    def factory(*args: P.args, **kwargs: P.kwargs) -> Hook[C]:
        return hook(lambda server, function: method(server, *args, **kwargs)(function))

    return factory


# -- requests and operations -------------------------------------------------------------------

on_request = hook(PatchedServer.on_request)
on_request_body = hook(PatchedServer.on_request_body)
wrap_handler = _hook_factory(PatchedServer.wrap_handler)
on_ledger_entry = _hook_factory(PatchedServer.on_ledger_entry)
on_quote = hook(PatchedServer.on_quote)


@hook
def replace_charge(server: PatchedServer, change: Callable[[int, Generation], int]) -> None:
    """Charge other credits for a generation than its price."""
    server.on_ledger_entry("charge")(
        lambda entry, account, generation: [
            replace(entry, credits=-change(-entry.credits, generation))
        ]
    )


@hook
def replace_refund(server: PatchedServer, change: Callable[[int, Generation], int]) -> None:
    """Refund other credits of a generation than the price of its missing images."""
    server.on_ledger_entry("refund")(
        lambda entry, account, generation: [
            replace(entry, credits=change(entry.credits, generation))
        ]
    )


# -- responses ---------------------------------------------------------------------------------

on_response = _hook_factory(PatchedServer.on_response)
mutate_json = _hook_factory(PatchedServer.mutate_json)
replace_json = _hook_factory(PatchedServer.replace_json)
_mutate_generation = _hook_factory(PatchedServer.mutate_generation)
mutate_generation = _mutate_generation()
mutate_result = _mutate_generation(OperationId.CREATE_GENERATION, status=200)
mutate_accepted = _mutate_generation(OperationId.CREATE_GENERATION, status=202)


@hook
def mutate_log(server: PatchedServer, change: Callable[[Json, Generation, int], object]) -> None:
    """Change the log of a generation, given how often it has been read, this read included."""
    reads: dict[str, int] = {}

    @server.mutate_generation(OperationId.GET_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        reads[generation.id] = reads.get(generation.id, 0) + 1
        change(content, generation, reads[generation.id])


@hook
def mutate_images(server: PatchedServer, change: Callable[[Json, int], object]) -> None:
    """Change each image of every generation, given its index."""

    @server.mutate_generation()
    def mutate(content: Json, generation: Generation) -> None:
        for index, image in enumerate(content.get("images") or ()):
            change(image, index)


@hook
def mutate_balances(server: PatchedServer, change: Callable[[Json], object]) -> None:
    """Change the balance object of /credits and of generations."""

    @server.mutate_json(OperationId.GET_CREDITS, OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, context: RequestContext) -> None:
        change(content.get("balance", content))


@hook
def on_image_response(
    server: PatchedServer,
    change: Callable[[Response, Scope, Mapping[bytes, bytes]], Response],
) -> None:
    """Replace the response to a request of an image, given its scope and headers."""

    @wrap(server.app.image_endpoint, "handle")
    async def handle(
        original: ImageHandler, scope: Scope, headers: Mapping[bytes, bytes]
    ) -> Response:
        return change(await original(scope, headers), scope, headers)


def replace_status(*operations: str, status: int) -> Hook[int]:
    """Send responses of a status with another one."""

    @hook
    def apply(server: PatchedServer, new_status: int) -> None:
        server.on_response(*operations, status=status)(
            lambda response, context: replace(response, status=new_status)
        )

    return apply


def replace_content_type(
    *operations: str, status: int | None = None, code: str | None = None
) -> Hook[str]:
    """Send responses with another content type."""

    @hook
    def apply(server: PatchedServer, content_type: str) -> None:
        server.on_response(*operations, status=status, code=code)(
            lambda response, context: with_body(response, response.body, content_type)
        )

    return apply


# -- errors ------------------------------------------------------------------------------------


def change_error(code: str, *operations: str) -> Hook[tuple[int, str]]:
    """Return an error with another status and code."""

    @hook
    def apply(server: PatchedServer, replacement: tuple[int, str]) -> None:
        status, new_code = replacement
        server.change_error(code, *operations, status=status, new_code=new_code)

    return apply


def replace_errors(*codes: str) -> Hook[Callable[[Json], object]]:
    """Replace the JSON of errors, given their message and code."""

    @hook
    def apply(server: PatchedServer, change: Callable[[Json], object]) -> None:
        for code in codes:
            server.replace_json(code=code)(lambda content, context: change(content["error"]))

    return apply


@hook
def free_after_error(server: PatchedServer, code: str) -> None:
    """Charge nothing for the generation that follows an error of the same account."""
    owed: set[str] = set()

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        try:
            response = await call_next(context, account)
        except ApiError as error:
            if error.code == code:
                owed.add(account.id)
            raise
        if account.id in owed:
            owed.discard(account.id)
            server.adjust_balance(account, -context.current_credit_delta)
        return response


# -- functions to call -------------------------------------------------------------------------


def update(**fields: object) -> Callable[..., object]:
    """Set fields of the JSON that a hook passes first."""
    return lambda content, *rest: content.update(fields)


def remove(*fields: str) -> Callable[..., object]:
    """Remove fields of the JSON that a hook passes first."""
    return lambda content, *rest: [content.pop(field) for field in fields]


def every(number: int) -> Callable[[], bool]:
    """Return a function that is true every *number* calls."""
    calls = count(1)
    return lambda: next(calls) % number == 0


def at_every(number: int, each: Hook[F]) -> Hook[F]:
    """Call the function of a hook at every *number* occasions only."""

    @hook
    def apply(server: PatchedServer, function: F) -> None:
        is_due = every(number)

        def sometimes(*args: object) -> object:
            return function(*args) if is_due() else args[0]

        each(cast("F", sometimes))(server)

    return apply
