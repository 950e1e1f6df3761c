"""The one way of a request, from bytes to bytes; every refusal is an early return.

route - fault(before) - auth - read, coerce, validate - settle, quote, decide, commit
validate the answer - render - fault(after) - journal
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.hub_registry import HubRegistry
from mockhub.exceptions import ApiError, MockhubError, ValidationError
from mockhub.faults.grammar import (
    Directive,
    parse_directives,
    parse_prefer_header,
    parse_prompt,
)
from mockhub.faults.types import TRANSPORT_FAULTS
from mockhub.journal.redaction import redact
from mockhub.spec.api_spec import ApiSpec, RoutingError
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import Operation, OperationId
from mockhub.spec.request_validation import validate
from mockhub.web import cors, fault_injection, request_body, responses, serializers
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.clock_waiter import ClockWaiter, WaitCancelled
from mockhub.web.context import HUB_NAME_SCOPE_KEY, RequestContext
from mockhub.web.fault_injection import ConnectionAborted
from mockhub.web.limits import Limits
from mockhub.web.request_body import ClientDisconnected, ParsedBody

Observer = Callable[[RequestContext], None]

_REQUESTED_HEADERS = b"access-control-request-headers"
_FAULT_HEADERS = frozenset({b"x-mockhub", b"prefer"})


class PublicApi:
    """The public API of all hubs, as a plain ASGI callable.

    Args:
        law: what the documentation says.
        store: the hubs.
        public_url: what addresses in answers begin with.
        limits: how much of a request is read.
        validate_responses: whether a response that does not match the spec becomes a 500.
        observers: called with every request's context when it is over.
    """

    def __init__(
        self,
        spec: ApiSpec,
        hub_registry: HubRegistry,
        public_url: str,
        *,
        limits: Limits | None = None,
        validate_responses: bool = True,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.spec = spec
        self.hub_registry = hub_registry
        self.public_url = public_url
        self.limits = limits or Limits()
        self.clock_waiter = ClockWaiter()
        self.observers = [*observers]
        self.validate_responses = validate_responses
        self.links = lru_cache(maxsize=1024)(self._create_links)
        self._models_response = responses.json_response(200, spec.model_list)
        self._key_prefix = spec.key_format.prefix.encode()
        self.handlers: Mapping[
            str, Callable[[RequestContext, Account], Awaitable[responses.Response]]
        ] = {
            OperationId.GET_CREDITS: self._get_credits,
            OperationId.CREATE_GENERATION: self._create_generation,
            OperationId.GET_GENERATION: self._get_generation,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = RequestContext(scope, receive)
        try:
            response = await self.handle(context)
            if context.pending_faults or not self._try_send_now(context, response):
                await self._send(context, response, send)
        except ConnectionAborted:
            pass
        except ClientDisconnected:
            context.client_disconnected = True
        except WaitCancelled:
            fault_injection.close_connection(scope, reset=False)
        finally:
            self.record(context)

    async def handle(self, context: RequestContext) -> responses.Response:
        """The answer to a visit, be it a refusal; only a lost connection leaves by an exception."""
        try:
            return await self.dispatch(context)
        except ApiError as error:
            return self.error_response(context, error)
        except ValidationError as error:
            return self.error_response(context, self.spec.errors.invalid_request(str(error)))
        except (ConnectionAborted, ClientDisconnected, WaitCancelled):
            raise
        except Exception as error:
            return self.internal_error(context, f"{type(error).__name__}: {error}")

    def error_response(self, context: RequestContext, error: ApiError) -> responses.Response:
        """A refusal quotes what it refuses, but never a key (AUTH-7)."""
        error.message = redact(error.message, self.spec.key_format.prefix)
        return self.validated_response(
            context, error.status, responses.error_body(error), error.headers
        )

    async def dispatch(self, context: RequestContext) -> responses.Response:
        context.hub = self.hub_registry.find_by_key(context.key_digest)
        if HUB_NAME_SCOPE_KEY in context.scope:
            self.select_hub(context, context.scope[HUB_NAME_SCOPE_KEY])
        operation = self.route(context)
        if operation is None:
            return cors.options(context.allowed_methods, context.headers.get(_REQUESTED_HEADERS))
        if context.hub.faults.armed or not _FAULT_HEADERS.isdisjoint(context.headers):
            faults = self._match_request_faults(context, operation)
            if faults and (early := await self.apply_early_faults(context, faults)):
                return early
        if not operation.requires_auth:
            return self._models_response
        account = context.hub.authenticate(
            context.key_digest, has_authorization=context.authorization is not None
        )
        context.account, context.initial_balance = account, account.balance
        return await self.handlers[operation.id](context, account)

    def select_hub(self, context: RequestContext, name: str) -> None:
        """The hub that the path names goes before that of the key."""
        context.hub_name = name
        try:
            context.hub = self.hub_registry.get(name)
        except MockhubError as error:
            raise self.spec.errors.error("notFound", str(error)) from None

    def route(self, context: RequestContext) -> Operation | None:
        """The operation that is asked for; None for OPTIONS, which asks what there is."""
        found = self.spec.router.match(context.path)
        if found is None:
            raise self._routing_error(
                self.spec.unknown_path, f"There is nothing at {context.path[:200]!r}"
            )
        methods, context.path_param = found
        method = "GET" if context.method == "HEAD" else context.method
        operation = context.operation = methods.get(method)
        if operation is None:
            context.allowed_methods = _allowed_methods(methods)
            if method != "OPTIONS":
                allowed = ", ".join(context.allowed_methods)
                message = f"{method} is not offered at {context.path[:200]}; expected {allowed}"
                raise self._routing_error(self.spec.unknown_method, message, {"Allow": allowed})
        return operation

    def _routing_error(
        self, default: RoutingError, message: str, headers: Mapping[str, str] | None = None
    ) -> ApiError:
        return ApiError(default.status, default.code, message, headers=headers)

    # -- faults ----------------------------------------------------------------------------------

    def _match_request_faults(
        self, context: RequestContext, operation: Operation
    ) -> tuple[Directive, ...]:
        """What the headers and the hub's board want done before the world is asked."""
        hub = context.hub
        faults: tuple[Directive, ...] = ()
        if header := context.headers.get(b"x-mockhub"):
            faults += self._parse_faults(parse_directives, "X-Mockhub", header)
        if header := context.headers.get(b"prefer"):
            faults += self._parse_faults(parse_prefer_header, "Prefer", header)
        if faults:
            faults = hub.faults.match_inline(
                faults, operation.id, hub.ids.random, scope=context.key_digest
            )
        if hub.faults.armed:
            suppressed = any(one.is_terminal for one in faults)
            faults += hub.faults.match_request(operation.id, hub.ids.random, terminated=suppressed)
        return faults

    def _match_prompt_faults(
        self, context: RequestContext, operation: str, prompt: str
    ) -> tuple[Directive, ...]:
        """What the prompt wants, or what is armed for it."""
        hub = context.hub
        faults: tuple[Directive, ...] = ()
        if "[[" in prompt:
            directives, by = (
                self._parse_faults(parse_prompt, "prompt", prompt),
                (context.key_digest, prompt),
            )
            faults = hub.faults.match_inline(directives, operation, hub.ids.random, scope=by)
        if hub.faults.armed:
            suppressed = any(one.is_terminal for one in (*context.pending_faults, *faults))
            faults += hub.faults.match_prompt(
                operation, prompt, hub.ids.random, terminated=suppressed
            )
        return faults

    def _parse_faults(
        self, parser: Callable[[str], tuple[Directive, ...]], source: str, text: bytes | str
    ) -> tuple[Directive, ...]:
        try:
            return parser(text.decode("latin-1") if isinstance(text, bytes) else text)
        except MockhubError as error:
            raise ValidationError(f"{source}: {error}") from None

    async def apply_early_faults(
        self, context: RequestContext, directives: tuple[Directive, ...]
    ) -> responses.Response | None:
        """Let happen what happens before the world moves; the rest waits in the visit."""
        context.pending_faults += directives
        for directive in directives:
            is_early = directive.name in TRANSPORT_FAULTS and directive.phase == "before"
            if is_early and (early := await self.apply_fault(directive, context)):
                context.pending_faults = fault_injection.response_faults(
                    context.pending_faults
                )  # nothing comes after
                return early
        return None

    async def apply_fault(
        self, directive: Directive, context: RequestContext
    ) -> responses.Response | None:
        context.fired_faults += (str(directive),)
        if directive.name == "reset" and context.has_unread_body:
            context.body = ParsedBody()
            await request_body.drain(context.receive)
        return await fault_injection.apply_fault(
            directive,
            context.hub,
            self.clock_waiter,
            context.scope,
            context.receive,
            self.spec.errors,
        )

    def _try_send_now(self, context: RequestContext, response: responses.Response) -> bool:
        context.response = cors.with_origin(response) if b"origin" in context.headers else response
        return fault_injection.try_send_now(context.response, context.scope)

    async def _send(
        self, context: RequestContext, response: responses.Response, send: Send
    ) -> None:
        """Send the answer, or what the faults after it leave of it."""
        response_fault = None
        for directive in context.pending_faults:
            if directive.name in fault_injection.RESPONSE_FAULTS:
                response_fault = directive
            elif directive.phase == "after" and (
                replacement := await self.apply_fault(directive, context)
            ):
                response = replacement
        if b"origin" in context.headers:
            response = cors.with_origin(response)
        if response_fault is None:
            context.response = response
            await fault_injection.send_response(response, context.scope, send)
        else:
            context.fired_faults += (str(response_fault),)
            context.response = fault_injection.corrupted(response, response_fault)
            await fault_injection.send_with_fault(response, response_fault, send, context.scope)

    # -- the operations --------------------------------------------------------------------------

    async def _get_credits(self, context: RequestContext, account: Account) -> responses.Response:
        return self.validated_response(
            context, 200, serializers.balance(context.hub.get_credits(account))
        )

    async def _get_generation(
        self, context: RequestContext, account: Account
    ) -> responses.Response:
        hub, id = context.hub, context.path_param or ""
        existing = hub.find_generation(account, id)
        if existing and (hub.faults.armed or "[[" in existing.request.prompt):
            faults = self._match_prompt_faults(
                context, OperationId.GET_GENERATION, existing.request.prompt
            )
            if faults and (early := await self.apply_early_faults(context, faults)):
                return early
        generation = hub.get_generation(account, id)
        context.generation = generation.id
        content = serializers.generation_log(
            generation, hub, self.links(hub.name), now=hub.clock.now()
        )
        return self.validated_response(context, 200, content)

    async def _create_generation(
        self, context: RequestContext, account: Account
    ) -> responses.Response:
        parsed_request = context.parsed_request = await self.parse_request(context)
        hub = context.hub
        if hub.faults.armed or "[[" in parsed_request.prompt:
            faults = self._match_prompt_faults(
                context, OperationId.CREATE_GENERATION, parsed_request.prompt
            )
            if faults and (early := await self.apply_early_faults(context, faults)):
                return early
        generation = hub.create_generation(account, parsed_request, context.pending_faults)
        context.generation = generation.id
        links = self.links(hub.name)
        if parsed_request.run_async:
            content = serializers.generation_log(generation, hub, links, now=generation.created_at)
            return self.validated_response(context, 202, content)
        if generation.ended_at is None:
            generation = await self._wait_for_completion(context, generation.id, generation.due_at)
        if generation.status == "failed":
            raise self.spec.errors.error("generationFailed")
        return self.validated_response(
            context, 200, serializers.generation_result(generation, account, hub, links)
        )

    async def _wait_for_completion(
        self, context: RequestContext, id: str, due_at: int | None
    ) -> Generation:
        """A synchronous generation takes its time on the hub's clock (GEN-1, LIM-1)."""
        hub = context.hub

        def is_complete() -> bool:
            hub.settle()
            return id in hub.generations and hub.generations[id].ended

        await self.clock_waiter.wait_until(hub, due_at, context.receive, is_done=is_complete)
        hub.settle()
        return hub.generations[id]

    async def parse_request(self, context: RequestContext) -> GenerationRequest:
        operation = self.spec.operations[OperationId.CREATE_GENERATION]
        body = context.body = ParsedBody()
        source = fault_injection.body_source(context.scope, context.receive)
        await request_body.read_body(body, source, context.headers, operation, self.limits)
        values = validate(body.values, operation.bodies[body.media_type])
        self.spec.catalog.check_request(values, len(body.references))
        return serializers.build_request(values, body.references)

    # -- the answer ------------------------------------------------------------------------------

    def _create_links(self, hub_name: str) -> serializers.Links:
        """The addresses of a hub; only the default one has none of its own."""
        prefix = "" if hub_name == self.hub_registry.default.name else f"/hubs/{hub_name}"
        return serializers.Links(self.spec, self.public_url + prefix)

    def validated_response(
        self,
        context: RequestContext,
        status: int,
        content: Any,
        headers: Mapping[str, str] | None = None,
    ) -> responses.Response:
        """Hold an answer to the law's schema of its status; a mismatch is our bug and says so."""
        operation = context.operation
        if operation is not None and self.validate_responses:
            validator = operation.responses.get(status)
            if validator is None or not validator.is_valid(content):
                return self.internal_error(context, _describe_mismatch(operation, status, content))
        error = content.get("error")
        context.code = error["code"] if error else None
        context.state = content.get("status")
        return responses.json_response(status, content, headers)

    def internal_error(self, context: RequestContext, violation: str) -> responses.Response:
        context.spec_violation = violation
        error = responses.internal_error(violation)
        context.code, context.state = error.code, None
        return responses.error_response(error)

    def record(self, context: RequestContext) -> None:
        context.finalize(self._key_prefix)
        for observe in self.observers:
            observe(context)
        context.hub.journal.add(context.to_exchange() if context.contains_api_key else context)


def _describe_mismatch(operation: Operation, status: int, content: Any) -> str:
    """How an answer breaks the law."""
    validator = operation.responses.get(status)
    reason = next(validator.iter_errors(content)).message if validator else "an undocumented status"
    return f"{operation.id} answered {status}: {reason}"


def _allowed_methods(methods: Iterable[str]) -> tuple[str, ...]:
    """What a path offers, with what HTTP gives along: HEAD where there is GET, and OPTIONS."""
    return tuple(sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}))
