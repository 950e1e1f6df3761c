"""The one way of a request, from bytes to bytes; every refusal is an early return.

route - fault(before) - auth - read, coerce, validate - settle, quote, decide, commit
validate the answer - render - fault(after) - journal
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from mockhub.spec.coerce import Invalid, validate
from mockhub.spec.errors import ApiError, MockhubError
from mockhub.spec.law import Law, Unrouted
from mockhub.spec.operations import Operation
from mockhub.web import bodies, cors, transport, wire
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.bodies import ClientGone, Reading
from mockhub.web.limits import Limits
from mockhub.web.transport import ConnectionDropped
from mockhub.web.visit import HUB_NAME, Visit, redacted
from mockhub.web.waiting import Closing, Waiting
from mockhub.world.accounts import Account
from mockhub.world.faults import WIRE, Directive, in_prefer, in_prompt, parse
from mockhub.world.generations import Generation, Request
from mockhub.world.store import Store

Observer = Callable[[Visit], None]

_ASKED_HEADERS = b"access-control-request-headers"
_FAULT_HEADERS = frozenset({b"x-mockhub", b"prefer"})


class Pipeline:
    """The public API of all hubs, as a plain ASGI callable.

    Args:
        law: what the documentation says.
        store: the hubs.
        public_url: what addresses in answers begin with.
        limits: how much of a request is read.
        observers: told of every visit when it is over.

    Attributes:
        judges_itself: whether its answers are held to the law.
    """

    def __init__(
        self,
        law: Law,
        store: Store,
        public_url: str,
        *,
        limits: Limits | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.law = law
        self.store = store
        self.public_url = public_url
        self.limits = limits or Limits()
        self.waiting = Waiting()
        self.observers = [*observers]
        self.judges_itself = True
        self.links = lru_cache(maxsize=1024)(self._make_links)
        self._models = wire.answer(200, law.listing)
        self._key_prefix = law.key_format.prefix.encode()
        self._handlers: Mapping[str, Callable[[Visit, Account], Awaitable[wire.Answer]]] = {
            "get_credits": self._get_credits,
            "create_generation": self._create_generation,
            "get_generation": self._get_generation,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(scope, receive)
        try:
            answer = await self._answer(visit)
            if visit.directives or not self._sent_at_once(visit, answer):
                await self._send(visit, answer, send)
        except ConnectionDropped:
            pass
        except ClientGone:
            visit.gone = True
        except Closing:
            transport.end(scope, reset=False)
        finally:
            self._record(visit)

    async def _answer(self, visit: Visit) -> wire.Answer:
        """The answer to a visit, be it a refusal; only a lost connection leaves by an exception."""
        try:
            return await self._pass(visit)
        except ApiError as error:
            return self._refused(visit, error)
        except Invalid as error:
            return self._refused(visit, self.law.errors.invalid(str(error)))
        except (ConnectionDropped, ClientGone, Closing):
            raise
        except Exception as error:
            return self._at_fault(visit, f"{type(error).__name__}: {error}")

    def _refused(self, visit: Visit, error: ApiError) -> wire.Answer:
        """A refusal quotes what it refuses, but never a key (AUTH-7)."""
        error.message = redacted(error.message, self.law.key_format.prefix)
        return self._rendered(visit, error.status, wire.error(error), error.headers)

    async def _pass(self, visit: Visit) -> wire.Answer:
        visit.hub = self.store.find(visit.digest)
        if HUB_NAME in visit.scope:
            self._enter_named(visit, visit.scope[HUB_NAME])
        operation = self._route(visit)
        if operation is None:
            return cors.options(visit.allowed, visit.headers.get(_ASKED_HEADERS))
        if visit.hub.faults.armed or not _FAULT_HEADERS.isdisjoint(visit.headers):
            faults = self._faults_on_arrival(visit, operation)
            if faults and (early := await self._strike(visit, faults)):
                return early
        if not operation.secured:
            return self._models
        account = visit.hub.authenticate(visit.digest, given=visit.authorization is not None)
        visit.account, visit.balance = account, account.balance
        return await self._handlers[operation.id](visit, account)

    def _enter_named(self, visit: Visit, name: str) -> None:
        """The hub that the path names goes before that of the key."""
        visit.hub_name = name
        try:
            visit.hub = self.store.named(name)
        except MockhubError as error:
            raise self.law.errors.refusal("notFound", str(error)) from None

    def _route(self, visit: Visit) -> Operation | None:
        """The operation that is asked for; None for OPTIONS, which asks what there is."""
        found = self.law.routes.find(visit.path)
        if found is None:
            raise self._unrouted(self.law.unknown_path, f"There is nothing at {visit.path[:200]!r}")
        methods, visit.argument = found
        method = "GET" if visit.method == "HEAD" else visit.method
        operation = visit.operation = methods.get(method)
        if operation is None:
            visit.allowed = _offered(methods)
            if method != "OPTIONS":
                allowed = ", ".join(visit.allowed)
                message = f"{method} is not offered at {visit.path[:200]}; expected {allowed}"
                raise self._unrouted(self.law.unknown_method, message, {"Allow": allowed})
        return operation

    def _unrouted(
        self, unrouted: Unrouted, message: str, headers: Mapping[str, str] | None = None
    ) -> ApiError:
        return ApiError(unrouted.status, unrouted.code, message, headers=headers)

    # -- faults ----------------------------------------------------------------------------------

    def _faults_on_arrival(self, visit: Visit, operation: Operation) -> tuple[Directive, ...]:
        """What the headers and the hub's board want done before the world is asked."""
        hub = visit.hub
        brought: tuple[Directive, ...] = ()
        if asked := visit.headers.get(b"x-mockhub"):
            brought += self._read(parse, "X-Mockhub", asked)
        if asked := visit.headers.get(b"prefer"):
            brought += self._read(in_prefer, "Prefer", asked)
        if brought:
            brought = hub.faults.carried(brought, operation.id, hub.ids.chance, by=visit.digest)
        if hub.faults.armed:
            ended = any(one.ends for one in brought)
            brought += hub.faults.on_arrival(operation.id, hub.ids.chance, ended=ended)
        return brought

    def _faults_of_prompt(self, visit: Visit, operation: str, prompt: str) -> tuple[Directive, ...]:
        """What the prompt wants, or what is armed for it."""
        hub = visit.hub
        brought: tuple[Directive, ...] = ()
        if "[[" in prompt:
            asked, by = self._read(in_prompt, "prompt", prompt), (visit.digest, prompt)
            brought = hub.faults.carried(asked, operation, hub.ids.chance, by=by)
        if hub.faults.armed:
            ended = any(one.ends for one in (*visit.directives, *brought))
            brought += hub.faults.on_prompt(operation, prompt, hub.ids.chance, ended=ended)
        return brought

    def _read(
        self, reader: Callable[[str], tuple[Directive, ...]], where: str, text: bytes | str
    ) -> tuple[Directive, ...]:
        try:
            return reader(text.decode("latin-1") if isinstance(text, bytes) else text)
        except MockhubError as error:
            raise Invalid(f"{where}: {error}") from None

    async def _strike(self, visit: Visit, directives: tuple[Directive, ...]) -> wire.Answer | None:
        """Let happen what happens before the world moves; the rest waits in the visit."""
        visit.directives += directives
        for directive in directives:
            now = directive.word in WIRE and directive.phase == "before"
            if now and (early := await self._fault(directive, visit)):
                visit.directives = transport.spoilers(visit.directives)  # nothing comes after
                return early
        return None

    async def _fault(self, directive: Directive, visit: Visit) -> wire.Answer | None:
        visit.struck += (str(directive),)
        if directive.word == "drop" and visit.awaits_body:
            visit.reading = Reading()
            await bodies.skip(visit.receive)
        return await transport.strike(
            directive, visit.hub, self.waiting, visit.scope, visit.receive, self.law.errors
        )

    def _sent_at_once(self, visit: Visit, answer: wire.Answer) -> bool:
        visit.sent = cors.with_origin(answer) if b"origin" in visit.headers else answer
        return transport.sent_at_once(visit.sent, visit.scope)

    async def _send(self, visit: Visit, answer: wire.Answer, send: Send) -> None:
        """Send the answer, or what the faults after it leave of it."""
        spoiler = None
        for directive in visit.directives:
            if directive.word in transport.SPOILERS:
                spoiler = directive
            elif directive.phase == "after" and (lost := await self._fault(directive, visit)):
                answer = lost
        if b"origin" in visit.headers:
            answer = cors.with_origin(answer)
        if spoiler is None:
            visit.sent = answer
            await transport.send_answer(answer, visit.scope, send)
        else:
            visit.struck += (str(spoiler),)
            visit.sent = transport.spoiled(answer, spoiler)
            await transport.send_spoiled(answer, spoiler, send, visit.scope)

    # -- the operations --------------------------------------------------------------------------

    async def _get_credits(self, visit: Visit, account: Account) -> wire.Answer:
        return self._rendered(visit, 200, wire.balance(visit.hub.get_credits(account)))

    async def _get_generation(self, visit: Visit, account: Account) -> wire.Answer:
        hub, id = visit.hub, visit.argument or ""
        found = hub.find(account, id)
        if found and (hub.faults.armed or "[[" in found.request.prompt):
            faults = self._faults_of_prompt(visit, "get_generation", found.request.prompt)
            if faults and (early := await self._strike(visit, faults)):
                return early
        generation = hub.get_generation(account, id)
        visit.generation = generation.id
        log = wire.log(generation, hub, self.links(hub.name), now=hub.clock.now())
        return self._rendered(visit, 200, log)

    async def _create_generation(self, visit: Visit, account: Account) -> wire.Answer:
        request = visit.request = await self._request(visit)
        hub = visit.hub
        if hub.faults.armed or "[[" in request.prompt:
            faults = self._faults_of_prompt(visit, "create_generation", request.prompt)
            if faults and (early := await self._strike(visit, faults)):
                return early
        generation = hub.create_generation(account, request, visit.directives)
        visit.generation = generation.id
        links = self.links(hub.name)
        if request.run_async:
            log = wire.log(generation, hub, links, now=generation.created_at)
            return self._rendered(visit, 202, log)
        if generation.ended_at is None:
            generation = await self._wait(visit, generation.id, generation.due)
        if generation.status == "failed":
            raise self.law.errors.refusal("generationFailed")
        return self._rendered(visit, 200, wire.generated(generation, account, hub, links))

    async def _wait(self, visit: Visit, id: str, due: int | None) -> Generation:
        """A synchronous generation takes its time on the hub's clock (GEN-1, LIM-1)."""
        hub = visit.hub

        def ended() -> bool:
            hub.settle()
            return id in hub.generations and hub.generations[id].ended

        await self.waiting.until(hub, due, visit.receive, done=ended)
        hub.settle()
        return hub.generations[id]

    async def _request(self, visit: Visit) -> Request:
        operation = self.law.operations["create_generation"]
        reading = visit.reading = Reading()
        incoming = transport.incoming(visit.scope, visit.receive)
        await bodies.read(reading, incoming, visit.headers, operation, self.limits)
        values = validate(reading.values, operation.bodies[reading.media])
        self.law.catalog.check(values, len(reading.references))
        return wire.request(values, reading.references)

    # -- the answer ------------------------------------------------------------------------------

    def _make_links(self, hub_name: str) -> wire.Links:
        """The addresses of a hub; only the default one has none of its own."""
        own = "" if hub_name == self.store.default.name else f"/hubs/{hub_name}"
        return wire.Links(self.law, self.public_url + own)

    def _rendered(
        self, visit: Visit, status: int, content: Any, headers: Mapping[str, str] | None = None
    ) -> wire.Answer:
        """Hold an answer to the law's schema of its status; a mismatch is our bug and says so."""
        operation = visit.operation
        if operation is not None and self.judges_itself:
            validator = operation.answers.get(status)
            if validator is None or not validator.is_valid(content):
                return self._at_fault(visit, _mismatch(operation, status, content))
        error = content.get("error")
        visit.code = error["code"] if error else None
        visit.state = content.get("status")
        return wire.answer(status, content, headers)

    def _at_fault(self, visit: Visit, violation: str) -> wire.Answer:
        visit.violation = violation
        error = wire.our_fault(violation)
        visit.code, visit.state = error.code, None
        return wire.refusal(error)

    def _record(self, visit: Visit) -> None:
        visit.end(self._key_prefix)
        for observe in self.observers:
            observe(visit)
        visit.hub.journal.add(visit.record() if visit.holds_a_key else visit)


def _mismatch(operation: Operation, status: int, content: Any) -> str:
    """How an answer breaks the law."""
    validator = operation.answers.get(status)
    wrong = next(validator.iter_errors(content)).message if validator else "an undocumented status"
    return f"{operation.id} answered {status}: {wrong}"


def _offered(methods: Iterable[str]) -> tuple[str, ...]:
    """What a path offers, with what HTTP gives along: HEAD where there is GET, and OPTIONS."""
    return tuple(sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}))
