"""The mock with a hook at every place where a mutant or a variant changes something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from functools import cached_property, partial
from typing import cast

import orjson
from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Changes, Generation
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT
from mockhub.domain.keys import key_digest
from mockhub.domain.ledger import Entry, EntryKind
from mockhub.exceptions import ApiError, ValidationError
from mockhub.mutants.middleware import AsgiApp, Middleware, MiddlewareApp
from mockhub.mutants.request_hook import RequestHook, RequestReader
from mockhub.mutants.responses import Json, error_code, with_json
from mockhub.mutants.wrapping import Decorator, Original, wrap
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import Scenario
from mockhub.spec.api_spec import ApiSpec, build_spec
from mockhub.spec.catalog import Quote
from mockhub.spec.document import Document
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM, JSON, OperationId
from mockhub.web.api import Observer, PublicApi
from mockhub.web.app import create_app
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.context import RequestContext
from mockhub.web.images import ImageObserver
from mockhub.web.limits import Limits
from mockhub.web.responses import Response

RequestChange = Callable[[dict[bytes, bytes], Scope], object]
ResponseChange = Callable[[Response, RequestContext], Response]
JsonChange = Callable[[Json, RequestContext], object]
EntryChange = Callable[[Entry, Account, Generation], Iterable[Entry]]
QuoteChange = Callable[[Quote, GenerationRequest], Quote]
Handler = Callable[[RequestContext, Account], Awaitable[Response]]
HandlerWrapper = Callable[[Handler, RequestContext, Account], Awaitable[Response]]
SuccessCallback = Callable[[RequestContext, Account], object]
ErrorCallback = Callable[[Account, Exception], object]

_SCHEMAS = {JSON: "GenerationRequest", FORM: "GenerationForm"}


class PatchedServer:
    """One server that a mutant changes before it serves.

    Args:
        spec: The API spec; an edit of `document` changes it for this server only.
        scenario: The initial state.
        url: The public URL.
        seed: Replaces the scenario's seed of ids and images.
        image_format: Replaces the scenario's format of images.
        max_generations: Replaces the scenario's number of generations to keep.
        limits: The bounds on requests and connections.
        observers: Called with the context of every finished request.
        image_observer: Called after every finished request of an image.

    Attributes:
        keys: The API keys of the scenario by name.
    """

    def __init__(
        self,
        spec: ApiSpec,
        scenario: Scenario,
        url: str,
        *,
        seed: int | None = None,
        image_format: str | None = None,
        max_generations: int | None = None,
        limits: Limits | None = None,
        observers: Iterable[Observer] = (),
        image_observer: ImageObserver | None = None,
    ) -> None:
        self._base_spec = spec
        self._build_hub = partial(
            build_hub,
            scenario,
            DEFAULT,
            seed=seed,
            image_format=image_format,
            max_generations=max_generations,
        )
        self._limits = limits
        self._observers = observers
        self._image_observer = image_observer
        self._edited_document: Json | None = None
        self.url = url
        self.keys = {name: raw for raw, name, _ in scenario.predefined_keys()}

    # -- the parts, built at their first use -----------------------------------------------------

    @property
    def document_edited(self) -> bool:
        return self._edited_document is not None

    @property
    def document(self) -> Json:
        """The OpenAPI document, to be edited before any part that is built from it is used."""
        assert "spec" not in self.__dict__, "edit the document before the spec is built"
        if self._edited_document is None:
            self._edited_document = deepcopy(dict(self._base_spec.document.root))
        return self._edited_document

    @cached_property
    def spec(self) -> ApiSpec:
        if self._edited_document is None:
            return self._base_spec
        return build_spec(Document(self._base_spec.document.path, self._edited_document))

    @cached_property
    def hub(self) -> HubBackend:
        return self._build_hub(self.spec)

    @cached_property
    def app(self) -> MiddlewareApp:
        """The application; it does not validate its responses."""
        return MiddlewareApp(
            create_app(
                self.spec,
                self.hub,
                url=self.url,
                limits=self._limits,
                validate_responses=False,
                observers=self._observers,
                image_observer=self._image_observer,
            )
        )

    @property
    def api(self) -> PublicApi:
        return self.app.api

    # -- the API spec ----------------------------------------------------------------------------

    def field(self, name: str, media_type: str) -> Json:
        """Return the schema of a request field in one media type only, to be edited."""
        fields = self.document["components"]["schemas"][_SCHEMAS[media_type]]["properties"]
        document = Document(self._base_spec.document.path, self.document)
        fields[name] = deepcopy(document.resolve(fields[name]))
        return cast("Json", fields[name])

    def schema(self, name: str) -> Json:
        """Return a schema of the document, to be edited."""
        return cast("Json", self.document["components"]["schemas"][name])

    @property
    def model(self) -> Json:
        """The first entry of the model list, to be edited."""
        listing = self.document["components"]["examples"]["Models"]["value"]
        return cast("Json", listing["data"][0])

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

    def mutate_generation(self, change: JsonChange) -> JsonChange:
        """Change the JSON of every generation, in responses and in logs, in place."""

        @self.mutate_json(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION)
        def changed(content: Json, context: RequestContext) -> None:
            if "error" not in content or "id" in content:
                change(content, context)

        return change

    def change_error(
        self, code: str, *operations: str, status: int = 0, new_code: str = ""
    ) -> None:
        """Return an error with another status or another code."""

        @self.on_response(*operations, code=code)
        def changed(response: Response, context: RequestContext) -> Response:
            content = orjson.loads(response.body)
            content["error"]["code"] = new_code or code
            return replace(with_json(response, content), status=status or response.status)

    def error(self, code: str, message: str | None = None) -> ApiError:
        """Return a documented error, to be raised."""
        return self.spec.errors.error(code, message)

    # -- operations ------------------------------------------------------------------------------

    def wrap_handler(self, operation: str) -> Decorator[HandlerWrapper]:
        """Replace the handler of an operation; the function receives the original first."""

        def decorator(function: HandlerWrapper) -> HandlerWrapper:
            handlers = self.api.handlers
            handlers[operation] = partial(function, handlers[operation])
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

    def adjust_balance(self, account: Account, credits: int) -> tuple[()]:
        """Grant an account credits, or charge it if *credits* is negative.

        Returns:
            No entries, so that `on_ledger_entry` writes nothing in addition.
        """
        lot = next(iter(account.lots))
        kind: EntryKind = "grant" if credits > 0 else "charge"
        account.apply(Entry(self.hub.clock.now(), kind, credits, lot, None))
        return ()

    def richest_account(self) -> Account:
        return max(self.hub.accounts.values(), key=lambda account: account.balance)

    def other_account(self, account: Account) -> Account:
        """Return another account than *account*; add one if there is none."""
        others = (other for other in self.hub.accounts.values() if other is not account)
        if found := next(others, None):
            return found
        created = self.hub.add_account("other-account")
        self.hub.grant(created, account.balance)
        return created

    def usable_key(self) -> str:
        """Return a key of the scenario that is neither revoked nor expires, or add one."""
        keys = {raw: self.hub.keys[key_digest(raw.encode())] for raw in self.keys.values()}
        balances = {
            raw: self.hub.accounts[key.account].balance
            for raw, key in keys.items()
            if not key.revoked and key.expires_at is None
        }
        if not balances:
            return self.hub.add_key(self.richest_account().id)
        return max(balances, key=lambda raw: balances[raw])
