"""The mock with a hook at every place where a mutant or a variant changes something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import cached_property, partial
from typing import cast

import orjson
from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Changes, Generation
from mockhub.domain.ledger import Entry, EntryKind
from mockhub.exceptions import ApiError, ValidationError
from mockhub.mutants.middleware import AsgiApp, Middleware
from mockhub.mutants.request_hook import RequestHook, RequestReader
from mockhub.mutants.responses import Json, error_code, generation_of, with_json
from mockhub.mutants.server_parts import ServerParts
from mockhub.mutants.wrapping import Decorator, Original, wrap
from mockhub.spec.catalog import Quote
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.web.api import Handler as Handler
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

RequestChange = Callable[[dict[bytes, bytes], Scope], object]
ResponseChange = Callable[[Response, RequestContext], Response]
JsonChange = Callable[[Json, RequestContext], object]
GenerationChange = Callable[[Json, Generation], object]
EntryChange = Callable[[Entry, Account, Generation], Iterable[Entry]]
QuoteChange = Callable[[Quote, GenerationRequest], Quote]
HandlerWrapper = Callable[[Handler, RequestContext, Account], Awaitable[Response]]
SuccessCallback = Callable[[RequestContext, Account], object]
ErrorCallback = Callable[[Account, Exception], object]

_GENERATION_OPERATIONS = (OperationId.CREATE_GENERATION, OperationId.GET_GENERATION)


class PatchedServer(ServerParts):
    """One server that a mutant changes before it serves."""

    # -- requests --------------------------------------------------------------------------------

    def add_middleware(self, middleware: Middleware) -> Middleware:
        """Run a function between the server and the application."""
        self.app.add(middleware)
        return middleware

    def on_request(self, change: RequestChange) -> RequestChange:
        """Change the headers or the scope of every request, in place."""

        @self.add_middleware
        async def changed(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope["headers"])
            scope = {**scope}
            change(headers, scope)
            scope["headers"] = list(headers.items())
            await app(scope, receive, send)

        return change

    def on_request_body(self, hook: RequestHook) -> RequestHook:
        """Change a request body in place before it is validated, or raise ValidationError."""
        self._request_reader.hooks.append(hook)
        return hook

    def accept_any_file(self) -> None:
        """Accept files of any type and size."""
        self._request_reader.accept_any_file = True

    @cached_property
    def _request_reader(self) -> RequestReader:
        reader = RequestReader(self.api)
        wrap(self.api, "parse_request")(lambda original, context: reader.read(context))
        return reader

    # -- responses -------------------------------------------------------------------------------

    def on_response(
        self, *operations: str, status: int | None = None, code: str | None = None
    ) -> Decorator[ResponseChange]:
        """Replace responses of some operations, with a status or with an error code."""

        def decorator(change: ResponseChange) -> ResponseChange:
            @wrap(self.api, "handle")
            async def changed(original: Original, context: RequestContext) -> Response:
                response: Response = await original(context)
                operation_id = context.operation.id if context.operation else ""
                matches = (
                    (not operations or operation_id in operations)
                    and status in (None, response.status)
                    and code in (None, error_code(response))
                )
                return change(response, context) if matches else response

            return change

        return decorator

    def replace_json(
        self, *operations: str, status: int | None = None, code: str | None = None
    ) -> Decorator[JsonChange]:
        """Replace the JSON of responses by what the function returns."""

        def decorator(change: JsonChange) -> JsonChange:
            @self.on_response(*operations, status=status, code=code)
            def changed(response: Response, context: RequestContext) -> Response:
                with suppress(orjson.JSONDecodeError):
                    return with_json(response, change(orjson.loads(response.body), context))
                return response

            return change

        return decorator

    def mutate_json(
        self, *operations: str, status: int | None = None, code: str | None = None
    ) -> Decorator[JsonChange]:
        """Change the JSON of responses in place; the result of the function is ignored."""

        def decorator(change: JsonChange) -> JsonChange:
            @self.replace_json(*operations, status=status, code=code)
            def changed(content: Json, context: RequestContext) -> Json:
                change(content, context)
                return content

            return change

        return decorator

    def mutate_generation(
        self, *operations: str, status: int | None = None
    ) -> Decorator[GenerationChange]:
        """Change the JSON of generations in place; without *operations* of all that are sent."""

        def decorator(change: GenerationChange) -> GenerationChange:
            @self.mutate_json(*(operations or _GENERATION_OPERATIONS), status=status)
            def changed(content: Json, context: RequestContext) -> None:
                if "error" not in content or "id" in content:
                    change(content, generation_of(context))

            return change

        return decorator

    def change_error(
        self, code: str, *operations: str, status: int = 0, new_code: str = ""
    ) -> None:
        """Return an error with another status or another code."""

        @self.on_response(*operations, code=code)
        def changed(response: Response, context: RequestContext) -> Response:
            content = orjson.loads(response.body)
            content["error"]["code"] = new_code or code
            return replace(with_json(response, content), status=status or response.status)

    # -- operations ------------------------------------------------------------------------------

    def wrap_handler(self, operation: str) -> Decorator[HandlerWrapper]:
        """Replace the handler of an operation; the function receives the original first."""

        def decorator(function: HandlerWrapper) -> HandlerWrapper:
            self.api.handlers[operation] = partial(function, self.api.handlers[operation])
            return function

        return decorator

    def after_success(self, operation: str) -> Decorator[SuccessCallback]:
        """Call a function after an operation has succeeded."""

        def decorator(callback: SuccessCallback) -> SuccessCallback:
            @self.wrap_handler(operation)
            async def handled(
                call_next: Handler, context: RequestContext, account: Account
            ) -> Response:
                response = await call_next(context, account)
                callback(context, account)
                return response

            return callback

        return decorator

    def after_error(self, operation: str) -> Decorator[ErrorCallback]:
        """Call a function after an operation has rejected a request."""

        def decorator(callback: ErrorCallback) -> ErrorCallback:
            @self.wrap_handler(operation)
            async def handled(
                call_next: Handler, context: RequestContext, account: Account
            ) -> Response:
                try:
                    return await call_next(context, account)
                except (ApiError, ValidationError) as error:
                    callback(account, error)
                    raise

            return callback

        return decorator

    # -- accounts and credits --------------------------------------------------------------------

    def on_ledger_entry(self, kind: EntryKind) -> Decorator[EntryChange]:
        """Replace the ledger entries of one kind that a generation makes."""

        def decorator(change: EntryChange) -> EntryChange:
            @wrap(self.hub, "commit")
            def commit(original: Original, account: Account, changes: Changes) -> None:
                entries: list[Entry] = []
                for entry in changes.entries:
                    replaced = entry.kind == kind
                    entries += change(entry, account, changes.generation) if replaced else (entry,)
                original(account, replace(changes, entries=tuple(entries)))

            return change

        return decorator

    def on_quote(self, change: QuoteChange) -> QuoteChange:
        """Replace the price of a request."""

        @wrap(self.hub, "start_generation")
        def start(
            original: Original,
            account: Account,
            request: GenerationRequest,
            quote: Quote,
            *rest: object,
        ) -> Generation:
            return cast("Generation", original(account, request, change(quote, request), *rest))

        return change
