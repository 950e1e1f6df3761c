"""Our own server, open at its seams: where a mutant or a variant puts something else in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from functools import cached_property, partial
from typing import Any, TypeVar, cast

import orjson
from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Changes, Generation
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT, HubRegistry
from mockhub.domain.keys import key_digest
from mockhub.domain.ledger import Entry, EntryKind
from mockhub.exceptions import ApiError, ValidationError
from mockhub.mutants.middleware import AsgiApp, Middleware, MiddlewareApp
from mockhub.mutants.request_hook import ParsedRequest, RequestReader
from mockhub.mutants.responses import error_code, with_json
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import Scenario
from mockhub.spec.api_spec import ApiSpec, build_spec
from mockhub.spec.catalog import Quote
from mockhub.spec.document import Document
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM, JSON, OperationId
from mockhub.web import responses
from mockhub.web.api import Observer, PublicApi
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.context import RequestContext

Handler = Callable[[RequestContext, Account], Awaitable[responses.Response]]
F = TypeVar("F", bound=Callable[..., Any])

_SCHEMAS = {JSON: "GenerationRequest", FORM: "GenerationForm"}


def wrap(target: object, name: str) -> Callable[[F], F]:
    """Put a function in the place of a method of one object; it is given the original first."""
    original = getattr(target, name)

    def decorator(function: F) -> F:
        setattr(target, name, partial(function, original))
        return function

    return decorator


class PatchedServer:
    """One server in the making.

    Args:
        law: the law as it is; what `document` changes concerns this house only.
        scenario: the world to start in.
        url: where it will listen.
        seed: what ids and pictures are made from, in place of the scenario's own.
        observers: told of every visit when it is over.
    """

    def __init__(
        self,
        spec: ApiSpec,
        scenario: Scenario,
        url: str,
        *,
        seed: int | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        self._base_spec = spec
        self._scenario = scenario
        self._seed = seed
        self._observers = observers
        self._edited_document: dict[str, Any] | None = None
        self.url = url
        self.keys = {name: raw for raw, name, _ in scenario.predefined_keys()}

    # -- the parts, made when they are first looked at -------------------------------------------

    @property
    def document_edited(self) -> bool:
        """Whether the document was edited."""
        return self._edited_document is not None

    @property
    def document(self) -> dict[str, Any]:
        """The OpenAPI file, to be edited before any part that follows from it is looked at."""
        assert "spec" not in self.__dict__, "edit the document before the spec is built"
        if self._edited_document is None:
            self._edited_document = deepcopy(dict(self._base_spec.document.root))
        return self._edited_document

    @cached_property
    def spec(self) -> ApiSpec:
        """What this server takes for the law."""
        if self._edited_document is None:
            return self._base_spec
        return build_spec(Document(self._base_spec.document.path, self._edited_document))

    @cached_property
    def hub(self) -> HubBackend:
        """The world."""
        return build_hub(self._scenario, DEFAULT, self.spec, seed=self._seed)

    @cached_property
    def api(self) -> PublicApi:
        """The public API, which here does not hold its answers to the law."""
        api = PublicApi(self.spec, HubRegistry(self.hub), self.url, observers=self._observers)
        api.validate_responses = False
        return api

    @cached_property
    def app(self) -> MiddlewareApp:
        """The application."""
        return MiddlewareApp(self.api)

    # -- seams of the law ------------------------------------------------------------------------

    def field(self, name: str, media_type: str) -> dict[str, Any]:
        """The schema of a request's field in one media type only, to be edited."""
        fields = self.document["components"]["schemas"][_SCHEMAS[media_type]]["properties"]
        fields[name] = deepcopy(
            Document(self._base_spec.document.path, self.document).resolve(fields[name])
        )
        return cast("dict[str, Any]", fields[name])

    def schema(self, name: str) -> dict[str, Any]:
        """A schema of the document, to be edited."""
        return cast("dict[str, Any]", self.document["components"]["schemas"][name])

    @property
    def model(self) -> dict[str, Any]:
        """The first entry of the model list, to be edited."""
        listing = self.document["components"]["examples"]["Models"]["value"]
        return cast("dict[str, Any]", listing["data"][0])

    # -- seams of the wire -----------------------------------------------------------------------

    def add_middleware(self, middleware: Middleware) -> Middleware:
        """Put a function between the server and the app."""
        self.app.add(middleware)
        return middleware

    def on_request(
        self, change: Callable[[dict[bytes, bytes], Scope], None]
    ) -> Callable[[dict[bytes, bytes], Scope], None]:
        """Let a function change the headers, or the scope itself, of every request."""

        async def changed(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope["headers"])
            scope = {**scope}
            change(headers, scope)
            scope["headers"] = list(headers.items())
            await app(scope, receive, send)

        self.add_middleware(changed)
        return change

    def on_response(
        self, *operations: str, status: int | None = None, code: str | None = None
    ) -> Callable[[Callable[[responses.Response, RequestContext], responses.Response]], None]:
        """Let a function change answers of some operations, of a status or of an error code."""

        def decorator(
            change: Callable[[responses.Response, RequestContext], responses.Response],
        ) -> None:
            @wrap(self.api, "handle")
            async def changed(original: Any, context: RequestContext) -> responses.Response:
                response: responses.Response = await original(context)
                operation_id = context.operation.id if context.operation else ""
                if operations and operation_id not in operations:
                    return response
                if status not in (None, response.status) or code not in (
                    None,
                    error_code(response),
                ):
                    return response
                return change(response, context)

        return decorator

    def on_json(
        self, *operations: str, status: int | None = None, code: str | None = None
    ) -> Callable[[Callable[[Any, RequestContext], object]], None]:
        """Let a function change the JSON of answers, in place or by returning another."""

        def decorator(change: Callable[[Any, RequestContext], object]) -> None:
            @self.on_response(*operations, status=status, code=code)
            def changed(
                response: responses.Response, context: RequestContext
            ) -> responses.Response:
                with suppress(orjson.JSONDecodeError):
                    content = orjson.loads(response.body)
                    replacement = change(content, context)
                    return with_json(response, content if replacement is None else replacement)
                return response

        return decorator

    def on_generation(self, change: Callable[[Any, RequestContext], object]) -> None:
        """Let a function change the JSON of every generation that is answered."""

        @self.on_json(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION)
        def changed(content: Any, context: RequestContext) -> object:
            return change(content, context) if "error" not in content or "id" in content else None

    def change_error(
        self, code: str, *operations: str, status: int = 0, new_code: str = ""
    ) -> None:
        """Answer an error under another status or another code."""

        @self.on_response(*operations, code=code)
        def changed(response: responses.Response, context: RequestContext) -> responses.Response:
            content = orjson.loads(response.body)
            content["error"]["code"] = new_code or code
            return replace(with_json(response, content), status=status or response.status)

    def error(self, code: str, message: str | None = None) -> ApiError:
        """A documented error."""
        return self.spec.errors.error(code, message)

    # -- seams of the request --------------------------------------------------------------------

    def on_request_body(self, change: Callable[[ParsedRequest], object]) -> None:
        """Let a function change, or refuse by Invalid, what a body says before it is validated."""
        self._request_reader.hooks.append(change)

    def accept_any_file(self) -> None:
        """Take files of whatever type and size."""
        self._request_reader.accept_any_file = True

    @cached_property
    def _request_reader(self) -> RequestReader:
        reader = RequestReader(self.api)
        wrap(self.api, "parse_request")(lambda original, context: reader.read(context))
        return reader

    def wrap_handler(
        self, operation: str
    ) -> Callable[[Callable[..., Awaitable[responses.Response]]], None]:
        """Put a function ``(proceed, visit, account)`` in the place of an operation's handler."""

        def decorator(function: Callable[..., Awaitable[responses.Response]]) -> None:
            handlers = cast("dict[str, Handler]", self.api.handlers)
            handlers[operation] = partial(function, handlers[operation])

        return decorator

    def validate_body_before_auth(self) -> None:
        """Judge a body before the key."""

        @wrap(self.api, "dispatch")
        async def validate_first(original: Any, context: RequestContext) -> responses.Response:
            if (
                context.method == "POST"
                and context.path == self.spec.operations[OperationId.CREATE_GENERATION].path
            ):
                context.parsed_request = await self.api.parse_request(context)
            return cast("responses.Response", await original(context))

        @wrap(self.api, "parse_request")
        async def read_once(original: Any, context: RequestContext) -> GenerationRequest:
            return context.parsed_request or await original(context)

    # -- seams of the world ----------------------------------------------------------------------

    def on_ledger_entry(
        self, *kinds: str
    ) -> Callable[[Callable[[Entry, Account, Generation], Iterable[Entry]]], None]:
        """Let a function write other entries than those that a generation makes."""

        def decorator(change: Callable[[Entry, Account, Generation], Iterable[Entry]]) -> None:
            @wrap(self.hub, "commit")
            def commit(original: Any, account: Account, changes: Changes) -> None:
                entries = [
                    written
                    for entry in changes.entries
                    for written in (
                        change(entry, account, changes.generation)
                        if entry.kind in kinds
                        else (entry,)
                    )
                ]
                original(account, replace(changes, entries=tuple(entries)))

        return decorator

    def on_quote(self, change: Callable[[Quote, GenerationRequest], Quote]) -> None:
        """Let a function price requests otherwise."""

        @wrap(self.hub, "start_generation")
        def begin(
            original: Any, account: Account, request: GenerationRequest, quote: Quote, *rest: Any
        ) -> Generation:
            return cast("Generation", original(account, request, change(quote, request), *rest))

    def after(
        self, operation: str
    ) -> Callable[[Callable[[RequestContext, Account], object]], None]:
        """Let a function do something after an operation has answered well."""

        def decorator(callback: Callable[[RequestContext, Account], object]) -> None:
            @self.wrap_handler(operation)
            async def handled(
                call_next: Handler, context: RequestContext, account: Account
            ) -> responses.Response:
                response = await call_next(context, account)
                callback(context, account)
                return response

        return decorator

    def after_error(
        self, operation: str
    ) -> Callable[[Callable[[Account, Exception], object]], None]:
        """Let a function do something after an operation has refused a request."""

        def decorator(callback: Callable[[Account, Exception], object]) -> None:
            @self.wrap_handler(operation)
            async def handled(
                call_next: Handler, context: RequestContext, account: Account
            ) -> responses.Response:
                try:
                    return await call_next(context, account)
                except (ApiError, ValidationError) as error:
                    callback(account, error)
                    raise

        return decorator

    def adjust_balance(self, account: Account, credits: int) -> tuple[()]:
        """Give an account credits, or take some; returns what else is to be written: nothing."""
        lot = next(iter(account.lots))
        kind: EntryKind = "grant" if credits > 0 else "charge"
        account.apply(Entry(self.hub.clock.now(), kind, credits, lot, None))
        return ()

    def richest_account(self) -> Account:
        """The account with the most in it."""
        return max(self.hub.accounts.values(), key=lambda account: account.balance)

    def other_account(self, account: Account) -> Account:
        """Another account than *account*, opened if there is none."""
        others = (other for other in self.hub.accounts.values() if other is not account)
        if found := next(others, None):
            return found
        created = self.hub.add_account("other-account")
        self.hub.grant(created, account.balance)
        return created

    def usable_key(self) -> str:
        """A key that opens something, of those that the scenario names."""
        keys = {raw: self.hub.keys[key_digest(raw.encode())] for raw in self.keys.values()}
        balances = {
            raw: self.hub.accounts[key.account].balance
            for raw, key in keys.items()
            if not key.revoked and key.expires_at is None
        }
        if not balances:
            return self.hub.add_key(self.richest_account().id)
        return max(balances, key=lambda raw: balances[raw])
