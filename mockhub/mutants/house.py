"""Our own server, open at its seams: where a mutant or a variant puts something else in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from functools import cached_property, partial
from typing import Any, TypeVar, cast

import orjson

from mockhub.mutants.asking import Asked, Asking
from mockhub.mutants.layers import Asgi, Layer, LayeredApp
from mockhub.mutants.replies import code_of, with_content
from mockhub.spec.catalog import Quote
from mockhub.spec.coerce import Invalid
from mockhub.spec.document import Document
from mockhub.spec.errors import ApiError
from mockhub.spec.law import Law, read_law
from mockhub.spec.operations import FORM, JSON
from mockhub.web import wire
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.pipeline import Observer, Pipeline
from mockhub.web.visit import Visit
from mockhub.world.accounts import Account, key_digest
from mockhub.world.generations import Changes, Generation, Request
from mockhub.world.hub import Hub
from mockhub.world.ledger import Entry, Kind
from mockhub.world.scenarios import Scenario, build
from mockhub.world.store import DEFAULT, Store

POST = "create_generation"
GET = "get_generation"
CREDITS = "get_credits"
MODELS = "list_models"

Proceed = Callable[[Visit, Account], Awaitable[wire.Answer]]
F = TypeVar("F", bound=Callable[..., Any])

_SCHEMAS = {JSON: "GenerationRequest", FORM: "GenerationForm"}


def around(target: object, name: str) -> Callable[[F], F]:
    """Put a function in the place of a method of one object; it is given the original first."""
    original = getattr(target, name)

    def put(function: F) -> F:
        setattr(target, name, partial(function, original))
        return function

    return put


class House:
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
        law: Law,
        scenario: Scenario,
        url: str,
        *,
        seed: int | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        self._law = law
        self._scenario = scenario
        self._seed = seed
        self._observers = observers
        self._edited: dict[str, Any] | None = None
        self.url = url
        self.keys = {name: raw for raw, name, _ in scenario.fixed_keys()}

    # -- the parts, made when they are first looked at -------------------------------------------

    @property
    def edits(self) -> bool:
        """Whether the document was edited."""
        return self._edited is not None

    @property
    def document(self) -> dict[str, Any]:
        """The OpenAPI file, to be edited before any part that follows from it is looked at."""
        assert "law" not in self.__dict__, "edit the document before the law is read"
        if self._edited is None:
            self._edited = deepcopy(dict(self._law.document.root))
        return self._edited

    @cached_property
    def law(self) -> Law:
        """What this server takes for the law."""
        if self._edited is None:
            return self._law
        return read_law(Document(self._law.document.path, self._edited))

    @cached_property
    def hub(self) -> Hub:
        """The world."""
        return build(self._scenario, DEFAULT, self.law, seed=self._seed)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The public API, which here does not hold its answers to the law."""
        pipeline = Pipeline(self.law, Store(self.hub), self.url, observers=self._observers)
        pipeline.judges_itself = False
        return pipeline

    @cached_property
    def app(self) -> LayeredApp:
        """The application."""
        return LayeredApp(self.pipeline)

    # -- seams of the law ------------------------------------------------------------------------

    def field(self, name: str, media: str) -> dict[str, Any]:
        """The schema of a request's field in one media type only, to be edited."""
        fields = self.document["components"]["schemas"][_SCHEMAS[media]]["properties"]
        fields[name] = deepcopy(
            Document(self._law.document.path, self.document).resolve(fields[name])
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

    def layer(self, function: Layer) -> Layer:
        """Put a function between the server and the app."""
        self.app.add(function)
        return function

    def on_request(
        self, change: Callable[[dict[bytes, bytes], Scope], None]
    ) -> Callable[[dict[bytes, bytes], Scope], None]:
        """Let a function change the headers, or the scope itself, of every request."""

        async def changed(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope["headers"])
            scope = {**scope}
            change(headers, scope)
            scope["headers"] = list(headers.items())
            await app(scope, receive, send)

        self.layer(changed)
        return change

    def on_answer(
        self, *operations: str, status: int | None = None, code: str | None = None
    ) -> Callable[[Callable[[wire.Answer, Visit], wire.Answer]], None]:
        """Let a function change answers of some operations, of a status or of an error code."""

        def put(change: Callable[[wire.Answer, Visit], wire.Answer]) -> None:
            @around(self.pipeline, "_answer")
            async def changed(original: Any, visit: Visit) -> wire.Answer:
                answer: wire.Answer = await original(visit)
                asked = visit.operation.id if visit.operation else ""
                if operations and asked not in operations:
                    return answer
                if status not in (None, answer.status) or code not in (None, code_of(answer)):
                    return answer
                return change(answer, visit)

        return put

    def on_content(
        self, *operations: str, status: int | None = None, code: str | None = None
    ) -> Callable[[Callable[[Any, Visit], object]], None]:
        """Let a function change the JSON of answers, in place or by returning another."""

        def put(change: Callable[[Any, Visit], object]) -> None:
            @self.on_answer(*operations, status=status, code=code)
            def changed(answer: wire.Answer, visit: Visit) -> wire.Answer:
                with suppress(orjson.JSONDecodeError):
                    content = orjson.loads(answer.body)
                    other = change(content, visit)
                    return with_content(answer, content if other is None else other)
                return answer

        return put

    def on_generation(self, change: Callable[[Any, Visit], object]) -> None:
        """Let a function change the JSON of every generation that is answered."""

        @self.on_content(POST, GET)
        def changed(content: Any, visit: Visit) -> object:
            return change(content, visit) if "error" not in content or "id" in content else None

    def refuse(self, code: str, *operations: str, status: int = 0, named: str = "") -> None:
        """Answer an error under another status or another code."""

        @self.on_answer(*operations, code=code)
        def changed(answer: wire.Answer, visit: Visit) -> wire.Answer:
            content = orjson.loads(answer.body)
            content["error"]["code"] = named or code
            return with_content(answer, content)._replace(status=status or answer.status)

    def error(self, code: str, message: str | None = None) -> ApiError:
        """A documented error."""
        return self.law.errors.refusal(code, message)

    # -- seams of the request --------------------------------------------------------------------

    def on_asked(self, change: Callable[[Asked], object]) -> None:
        """Let a function change, or refuse by Invalid, what a body says before it is validated."""
        self._asking.changes.append(change)

    def any_files(self) -> None:
        """Take files of whatever type and size."""
        self._asking.any_files = True

    @cached_property
    def _asking(self) -> Asking:
        asking = Asking(self.pipeline)
        around(self.pipeline, "_request")(lambda original, visit: asking.read(visit))
        return asking

    def handle(self, operation: str) -> Callable[[Callable[..., Awaitable[wire.Answer]]], None]:
        """Put a function ``(proceed, visit, account)`` in the place of an operation's handler."""

        def put(function: Callable[..., Awaitable[wire.Answer]]) -> None:
            handlers = cast("dict[str, Proceed]", self.pipeline._handlers)
            handlers[operation] = partial(function, handlers[operation])

        return put

    def body_first(self) -> None:
        """Judge a body before the key."""

        @around(self.pipeline, "_pass")
        async def read_first(original: Any, visit: Visit) -> wire.Answer:
            if visit.method == "POST" and visit.path == self.law.operations[POST].path:
                visit.request = await self.pipeline._request(visit)
            return cast("wire.Answer", await original(visit))

        @around(self.pipeline, "_request")
        async def read_once(original: Any, visit: Visit) -> Request:
            return visit.request or await original(visit)

    # -- seams of the world ----------------------------------------------------------------------

    def on_entry(
        self, *kinds: str
    ) -> Callable[[Callable[[Entry, Account, Generation], Iterable[Entry]]], None]:
        """Let a function write other entries than those that a generation makes."""

        def put(change: Callable[[Entry, Account, Generation], Iterable[Entry]]) -> None:
            @around(self.hub, "_commit")
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
                original(account, changes._replace(entries=tuple(entries)))

        return put

    def on_quote(self, change: Callable[[Quote, Request], Quote]) -> None:
        """Let a function price requests otherwise."""

        @around(self.hub, "_begin")
        def begin(
            original: Any, account: Account, request: Request, quote: Quote, *rest: Any
        ) -> Generation:
            return cast("Generation", original(account, request, change(quote, request), *rest))

    def after(self, operation: str) -> Callable[[Callable[[Visit, Account], object]], None]:
        """Let a function do something after an operation has answered well."""

        def put(act: Callable[[Visit, Account], object]) -> None:
            @self.handle(operation)
            async def handled(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
                answer = await proceed(visit, account)
                act(visit, account)
                return answer

        return put

    def after_refusal(
        self, operation: str
    ) -> Callable[[Callable[[Account, Exception], object]], None]:
        """Let a function do something after an operation has refused a request."""

        def put(act: Callable[[Account, Exception], object]) -> None:
            @self.handle(operation)
            async def handled(proceed: Proceed, visit: Visit, account: Account) -> wire.Answer:
                try:
                    return await proceed(visit, account)
                except (ApiError, Invalid) as error:
                    act(account, error)
                    raise

        return put

    def move(self, account: Account, credits: int) -> tuple[()]:
        """Give an account credits, or take some; returns what else is to be written: nothing."""
        lot = next(iter(account.lots))
        kind: Kind = "grant" if credits > 0 else "charge"
        account.apply(Entry(self.hub.clock.now(), kind, credits, lot, None))
        return ()

    def somebody(self) -> Account:
        """The account with the most in it."""
        return max(self.hub.accounts.values(), key=lambda account: account.balance)

    def stranger(self, account: Account) -> Account:
        """Another account than *account*, opened if there is none."""
        others = (other for other in self.hub.accounts.values() if other is not account)
        if found := next(others, None):
            return found
        opened = self.hub.add_account("stranger")
        self.hub.grant(opened, account.balance)
        return opened

    def good_key(self) -> str:
        """A key that opens something, of those that the scenario names."""
        digests = {raw: self.hub.keys[key_digest(raw.encode())] for raw in self.keys.values()}
        worth = {
            raw: self.hub.accounts[key.account].balance
            for raw, key in digests.items()
            if not key.revoked and key.expires_at is None
        }
        if not worth:
            return self.hub.add_key(self.somebody().id)
        return max(worth, key=lambda raw: worth[raw])
