"""Handle a request of the public API, in nine steps:

1. route: the hub by path prefix or API key, the operation by path and method
2. transport faults ``@before``
3. authenticate, before the body is read: a request without a key never learns whether it was valid
4. read, coerce and validate the body within the limits
5. settle what is due, quote, decide, and commit once, without an ``await`` in between
6. wait on the hub's clock, for a synchronous generation that takes time
7. serialize, and validate the response against the schema of its status
8. transport faults ``@after``: the credits are charged and the response is lost
9. send the response, and record the exchange in the journal

`PublicApi.process` does steps 1 to 3, the function of the operation (such as `create_generation`)
4 to 7, and `respond` 8 and 9.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from mockhub.domain.accounts import Account
from mockhub.domain.hub_registry import HubRegistry
from mockhub.exceptions import ApiError, MockhubError, ServiceUnavailable, ValidationError
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import Operation, OperationId
from mockhub.spec.router import allowed_methods
from mockhub.web import cors, request_body, responses, serializers
from mockhub.web.asgi import (
    Receive,
    Scope,
    Send,
    body_source,
    close_connection,
    send_now,
    send_response,
)
from mockhub.web.clock_waiter import ClockWaiter, WaitCancelled
from mockhub.web.context import HUB_NAME_SCOPE_KEY, HUBS_PREFIX, RequestContext
from mockhub.web.fault_injection import (
    ConnectionAborted,
    apply_after,
    apply_before,
    match_prompt_faults,
    match_request_faults,
    send_with_fault,
)
from mockhub.web.images import ImageDownloads
from mockhub.web.limits import Limits
from mockhub.web.request_body import ClientDisconnected, ParsedBody
from mockhub.web.responses import Response
from mockhub.web.serializers import IMAGES_PREFIX

if TYPE_CHECKING:
    from mockhub.client_report.detectors import Finding

Observer = Callable[[RequestContext], None]
Handler = Callable[[RequestContext, Account], Awaitable[Response]]
Replay = Callable[[RequestContext], Awaitable[Response | None]]

_ANONYMOUS = Account("anonymous")  # of operations that need no key, and so read no account


class PublicApi:
    """The public API of all hubs, as a plain ASGI callable.

    Args:
        spec: The API spec.
        hub_registry: The hubs.
        public_url: The URL that URLs in responses begin with.
        limits: The bounds on a request.
        validate_responses: Whether a response that does not match the spec becomes a 500.
        observers: Called with the context of every finished request.

    Attributes:
        handlers: The function of each operation, which does steps 4 to 7.
        replays: By the name of a hub, what may respond to its requests before the operation does.
        allowed_changes: The operations of the control plane that may change something; None for
            all.
        target: The URL of the service that requests are forwarded to, if any.
        context_type: What is kept about a request.
    """

    allowed_changes: frozenset[str] | None = None
    target: str | None = None
    context_type: type[RequestContext] = RequestContext

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
        self.validate_responses = validate_responses
        self.observers = [*observers]
        self.clock_waiter = ClockWaiter()
        self.images = ImageDownloads(spec)
        self.links = lru_cache(maxsize=1024)(self._create_links)
        self.handlers: dict[str, Handler] = {
            OperationId.LIST_MODELS: self.list_models,
            OperationId.GET_CREDITS: self.get_credits,
            OperationId.CREATE_GENERATION: self.create_generation,
            OperationId.GET_GENERATION: self.get_generation,
            OperationId.GET_IMAGE: self.get_image,
        }
        self.replays: dict[str, Replay] = {}
        self._models_response = responses.json_response(200, spec.model_list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self.context_type(scope, body_source(scope, receive))
        try:
            response = await self.handle(context)
            await self.respond(context, response, send)
        except ConnectionAborted:
            pass
        except ServiceUnavailable as error:  # the database failed when the changes were committed
            context.response = responses.error_response(error)
            await send_response(context.response, scope, send)
        except ClientDisconnected:
            context.client_disconnected = True
        except WaitCancelled:
            close_connection(scope, reset=False)
        finally:
            self.record(context)

    # -- the nine steps --------------------------------------------------------------------------

    async def handle(self, context: RequestContext) -> Response:
        """Return the response to a request, which may be an error.

        Raises:
            ConnectionAborted, ClientDisconnected, WaitCancelled: if no response can be sent.
        """
        try:
            return await self.process(context)
        except ServiceUnavailable as error:
            return responses.error_response(error)
        except ApiError as error:
            if cors.is_preflight(context.method, context.headers):
                return cors.options((), context.headers)
            return self.error_response(context, error)
        except ValidationError as error:
            return self.error_response(context, self.spec.errors.invalid_request(str(error)))
        except (ConnectionAborted, ClientDisconnected, WaitCancelled):
            raise
        except Exception as error:
            return self.internal_error(context, f"{type(error).__name__}: {error}")

    async def process(self, context: RequestContext) -> Response:
        # 1. Route: find the hub and the operation.
        self.find_hub(context)
        if self.replays and (response := await self.replay(context)):
            return response
        operation = self.route(context)
        if operation is None:
            return cors.options(context.allowed_methods, context.headers)

        # 2. Apply the transport faults that act before the operation.
        faults = match_request_faults(context, operation.id)
        if faults and (response := await apply_before(context, faults, self.clock_waiter)):
            return response

        # 3. Authenticate before the body is read (AUTH-10); the model list needs no key (AUTH-11).
        account = self.authenticate(context) if operation.requires_auth else _ANONYMOUS

        # 4 to 7. Run the operation.
        return await self.handlers[operation.id](context, account)

    async def replay(self, context: RequestContext) -> Response | None:
        """Return the recorded response to a request of a hub that replays a recording."""
        replay = self.replays.get(context.hub.name)
        return await replay(context) if replay else None

    async def create_generation(self, context: RequestContext, account: Account) -> Response:
        # 4. Read, coerce and validate the body. Faults may depend on the prompt.
        hub, operation_id = context.hub, OperationId.CREATE_GENERATION
        request = context.parsed_request = await self.parse_request(context)
        faults = match_prompt_faults(context, operation_id, request.prompt)
        if faults and (response := await apply_before(context, faults, self.clock_waiter)):
            return response

        # 5. Settle what is due, quote, decide, and commit once; nothing awaits in between.
        generation = hub.create_generation(account, request, context.pending_faults)
        context.generation = generation.id
        context.fired_faults += generation.outcome.faults

        # 6. Wait on the hub's clock, for a synchronous generation that takes time (GEN-1, LIM-1).
        if not request.run_async and generation.ended_at is None:
            generation = await self.clock_waiter.wait_for_completion(context, generation)

        # 7. Serialize, and validate the response against the schema of its status.
        links = self.links(hub.name)
        if request.run_async:
            content = serializers.generation_log(generation, hub, links, now=generation.created_at)
            return self.validated_response(context, 202, content)
        if generation.status == "failed":
            raise self.spec.errors.error("generationFailed")
        content = serializers.generation_result(generation, account, hub, links)
        return self.validated_response(context, 200, content)

    async def respond(self, context: RequestContext, response: Response, send: Send) -> None:
        # 8. Apply the transport faults that act after the operation.
        fault = None
        if context.pending_faults:
            response, fault = await apply_after(context, response, self.clock_waiter)

        # 9. Send the response. `record` adds the exchange to the journal.
        response = context.response = cors.with_cors_headers(response)
        if fault is not None:
            await send_with_fault(fault, context, response, send, self.clock_waiter)
        elif not send_now(response, context.scope):
            await send_response(response, context.scope, send)

    def service_findings(self) -> Iterable[Finding]:
        """Return findings about the service, which a proxy has."""
        return ()

    def record(self, context: RequestContext) -> None:
        context.finalize()
        for observe in self.observers:
            observe(context)
        context.hub.journal.add(context.to_exchange() if context.contains_api_key else context)

    # -- 1. route --------------------------------------------------------------------------------

    def find_hub(self, context: RequestContext) -> None:
        """Set the hub by the API key, or by the path prefix ``/hubs/NAME``, which has priority."""
        is_image = context.path.startswith(IMAGES_PREFIX)  # its URL names the hub, not a key
        context.hub = self.hub_registry.find_by_key(None if is_image else context.key_digest)
        if (name := context.scope.get(HUB_NAME_SCOPE_KEY)) is not None:
            context.hub_name = name
            try:
                context.hub = self.hub_registry.get(name, with_hint=False)
            except MockhubError as error:
                raise self.spec.errors.error("notFound", str(error)) from None

    def route(self, context: RequestContext) -> Operation | None:
        """Find the operation by path and method; None for OPTIONS, which every path has.

        Raises:
            ApiError: 404 for an unknown path (END-5), 405 for another method (END-6).
        """
        found = self.spec.router.match(context.path) or self.images.match(context.path)
        if found is None:
            path, prefix = context.path[:200], context.hub_prefix
            hint = self.spec.suggest_path(path, prefix=prefix)
            raise self.spec.unknown_path.error(f"There is nothing at {prefix + path!r}{hint}")
        methods, context.path_param = found
        method = "GET" if context.method == "HEAD" else context.method
        operation = context.operation = methods.get(method)
        if operation is None:
            context.allowed_methods = allowed_methods(methods)
            if method != "OPTIONS":
                allowed = ", ".join(context.allowed_methods)
                message = f"{method} is not allowed at {context.path[:200]}; expected {allowed}"
                raise self.spec.unknown_method.error(message, {"Allow": allowed})
        return operation

    # -- 3. authenticate -------------------------------------------------------------------------

    def authenticate(self, context: RequestContext) -> Account:
        """Return the account of the API key (AUTH-1); raises ApiError 401 (AUTH-3 to AUTH-6)."""
        context.account = context.hub.authenticate(context.credentials)
        return context.account

    # -- 4 to 7. the operations ------------------------------------------------------------------

    async def list_models(self, context: RequestContext, account: Account) -> Response:
        """Return the models of the spec (END-1, MOD-8)."""
        return self._models_response

    async def get_credits(self, context: RequestContext, account: Account) -> Response:
        content = serializers.balance(context.hub.get_credits(account))
        return self.validated_response(context, 200, content)

    async def get_generation(self, context: RequestContext, account: Account) -> Response:
        hub, id, operation_id = context.hub, context.path_param or "", OperationId.GET_GENERATION
        if existing := hub.find_generation(account, id):
            faults = match_prompt_faults(context, operation_id, existing.request.prompt)
            if faults and (response := await apply_before(context, faults, self.clock_waiter)):
                return response
        generation = hub.get_generation(account, id)
        context.generation = generation.id
        links, now = self.links(hub.name), hub.clock.now()
        content = serializers.generation_log(generation, hub, links, now=now)
        return self.validated_response(context, 200, content)

    async def get_image(self, context: RequestContext, account: Account) -> Response:
        hub = context.hub
        hub.settle()
        generation, image = self.images.find(hub, context.path)
        context.generation, prompt = generation.id, generation.request.prompt
        faults = match_prompt_faults(context, OperationId.GET_IMAGE, prompt)
        if faults and (response := await apply_before(context, faults, self.clock_waiter)):
            return response
        return await self.images.response(image, context.method, context.headers)

    async def parse_request(self, context: RequestContext) -> GenerationRequest:
        """Read and validate the body of create_generation; raises ValidationError (REQ-14)."""
        operation = self.spec.operations[OperationId.CREATE_GENERATION]
        body = context.body = ParsedBody()
        await request_body.read_body(body, context.source, context.headers, operation, self.limits)
        return self.spec.build_request(body.values, body.references, body.media_type)

    # -- responses -------------------------------------------------------------------------------

    def _create_links(self, hub_name: str) -> serializers.Links:
        prefix = "" if hub_name == self.hub_registry.default.name else HUBS_PREFIX + hub_name
        return serializers.Links(self.spec, self.public_url + prefix)

    def validated_response(
        self,
        context: RequestContext,
        status: int,
        content: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Make a response; one that does not match the API spec becomes a 500 that says so."""
        operation = context.operation if self.validate_responses else None
        if operation and (mismatch := operation.response_mismatch(status, content)):
            return self.internal_error(context, mismatch)
        error, state = content.get("error"), content.get("status")
        context.code = error["code"] if isinstance(error, dict) else None
        context.state = state if isinstance(state, str) else None
        return responses.json_response(status, content, headers)

    def error_response(self, context: RequestContext, error: ApiError) -> Response:
        """Make an error response; its message may quote the request, but never a key (AUTH-7)."""
        error.message = context.hub.redactor.redact(error.message, quoted=context.client_text())
        content = responses.error_body(error)
        return self.validated_response(context, error.status, content, error.headers)

    def internal_error(self, context: RequestContext, problem: str) -> Response:
        """Make the 500 for a bug of mockhub, which also fails the tests of the pytest plugin."""
        redact = context.hub.redactor.redact
        context.spec_violation = problem = redact(problem, quoted=context.client_text())
        error = responses.internal_error(problem)
        context.code, context.state = error.code, None
        return responses.error_response(error)
