"""The proxy as an ASGI application: forwards requests, and keeps what the control plane shows.

A request is routed, faults ``@before`` act, it is forwarded, its response is read, faults
``@after`` act, the response is sent, and the exchange is recorded, as in `mockhub.web.api`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from urllib.parse import quote

import orjson
from msgspec.structs import replace

from mockhub.client_report.detectors import Finding as ClientFinding
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.domain.keys import NoApiKey
from mockhub.exceptions import ApiError
from mockhub.faults.grammar import Directive
from mockhub.proxy.checks import ExchangeChecks
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.errors import UpstreamError, redirected, stopped, too_large
from mockhub.proxy.findings import Findings
from mockhub.proxy.guard import Guard, OtherResponse
from mockhub.proxy.headers import decode_body, request_headers, response_headers
from mockhub.proxy.images import ProxyImages, ProxyLinks
from mockhub.proxy.mirror import Mirror, require_transport_faults
from mockhub.proxy.observation import observe
from mockhub.proxy.request_body import RequestBody
from mockhub.proxy.responses import chain, redact_response, replace_urls, stream
from mockhub.proxy.upstream import SAFE_METHODS, UpstreamClient, UpstreamExchange, UpstreamRequest
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.error_catalog import UNAUTHORIZED
from mockhub.web import cors, responses
from mockhub.web.api import PublicApi
from mockhub.web.asgi import Send, send_response
from mockhub.web.context import RequestContext, error_code_and_status
from mockhub.web.fault_injection import (
    apply_after,
    apply_before,
    match_prompt_faults,
    match_request_faults,
    send_with_fault,
)
from mockhub.web.limits import Limits
from mockhub.web.request_body import ClientDisconnected
from mockhub.web.responses import Response

MAX_CHECKED_BYTES = 4 * 1024 * 1024
_MAX_FAULTY_BYTES = 64 * 1024 * 1024  # of a response that a fault alters
_REDIRECTS = (301, 302, 303, 307, 308)
_FIRST_ERROR_STATUS = 400


class ProxyApi(PublicApi):
    """The public API of a proxy.

    Args:
        spec: The API spec.
        hub: Gets the exchanges, and what they show of accounts and generations.
        public_url: The URL of the proxy.
        upstream: Sends the requests.
        guard: Decides which requests are sent.
        checks: Check every exchange; the default ones unless others are given.
        strict: Whether a response that breaks the contract becomes a 502.
        rewrite_images: Whether image URLs in responses lead to the proxy.
        limits: The bounds on a request.

    Attributes:
        findings: What contradicts the documentation.
    """

    allowed_changes = frozenset({"arm_fault", "disarm_fault", "clear_faults", "clear_journal"})
    context_type = ProxyContext

    def __init__(
        self,
        spec: ApiSpec,
        hub: HubBackend,
        public_url: str,
        upstream: UpstreamClient,
        *,
        guard: Guard,
        checks: ExchangeChecks | None = None,
        strict: bool = False,
        rewrite_images: bool = False,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(spec, HubRegistry(hub), public_url, limits=limits)
        self.hub = hub
        self.upstream, self.target = upstream, upstream.target.public_url
        self.guard = guard
        self.checks = checks or ExchangeChecks(spec)
        self.findings = Findings()
        self.strict = strict
        self.mirror = Mirror(hub)
        self.images = self.known_images = ProxyImages(spec, upstream)
        self.rewrite_images = rewrite_images
        self._processing: set[asyncio.Task[object]] = set()
        self.clock_waiter.wakers.add(self._stop)

    async def process(self, context: RequestContext) -> Response:
        """Return the response of the upstream.

        The body of a response that is not checked is not read yet: `respond` passes it on.
        """
        assert isinstance(context, ProxyContext)
        context.hub = self.hub
        if self.upstream.is_closed:
            raise stopped(may_be_charged=False)
        task = asyncio.current_task()
        assert task is not None
        self._processing.add(task)
        try:
            self._find_operation(context)
            if context.operation is not None:
                faults = match_request_faults(context, context.operation.id)
                await self._apply_before(context, faults)
            return await self._forward(context)
        except OtherResponse as other:
            return cors.with_cors_headers(other.response)
        except asyncio.CancelledError:
            if not self.upstream.is_closed:
                raise
            task.uncancel()
            request = context.upstream_request
            raise stopped(may_be_charged=bool(request and request.may_be_charged)) from None
        finally:
            self._processing.discard(task)

    def _stop(self) -> None:
        """Respond to what waits for a client, a fault or the upstream."""
        self.upstream.close()
        for task in self._processing:
            task.cancel()

    async def respond(self, context: RequestContext, response: Response, send: Send) -> None:
        assert isinstance(context, ProxyContext)
        fault = None
        if context.pending_faults:
            if context.is_streamed:
                response = await self._read_streamed(context, response)
            original = response
            response, fault = await apply_after(context, response, self.clock_waiter)
            if response is not original:
                response = cors.with_cors_headers(response)
        context.response = response
        if fault is not None:
            await send_with_fault(fault, context, response, send, self.clock_waiter)
        elif context.is_streamed:
            await stream(context, response, send)
        else:
            await send_response(response, context.scope, send)
        context.is_delivered = not context.client_disconnected and context.is_intact

    def record(self, context: RequestContext) -> None:
        assert isinstance(context, ProxyContext)
        if context.upstream is not None:
            context.upstream.close()
        context.source.unwatch()
        self.checks.balance.end(context)
        self.guard.settle(context)
        redact_response(context)
        super().record(context)
        operation = context.operation.id if context.operation else "none"
        self.findings.add(context.problems, operation, context.number)

    def service_findings(self) -> Iterable[ClientFinding]:
        """Return the findings for the client report, which the page shows."""
        from mockhub.proxy.report import client_findings

        return client_findings([*self.findings])

    def _create_links(self, hub_name: str) -> ProxyLinks:
        return ProxyLinks(self.spec, self.public_url, self.known_images)

    def error_response(self, context: RequestContext, error: ApiError) -> Response:
        """Make an error response of the proxy itself; its message may not have a key (AUTH-7)."""
        error.message = context.hub.redactor.redact(error.message, quoted=context.client_text())
        context.code, context.state = error.code, None
        error.headers = {**error.headers, "X-Mockhub-Proxy": error.code}
        return cors.with_cors_headers(responses.error_response(error))

    def internal_error(self, context: RequestContext, problem: str) -> Response:
        return self.error_response(context, responses.internal_error(problem))

    # -- forwarding ------------------------------------------------------------------------------

    def _find_operation(self, context: ProxyContext) -> None:
        """Set the operation, if the spec has it; other requests are forwarded too."""
        method = "GET" if context.method == "HEAD" else context.method
        if found := self.spec.router.match(context.path) or self.images.match(context.path):
            methods, context.path_param = found
            context.operation = methods.get(method)

    async def _apply_before(self, context: ProxyContext, faults: tuple[Directive, ...]) -> None:
        require_transport_faults(faults)
        if faults and (response := await apply_before(context, faults, self.clock_waiter)):
            raise OtherResponse(response)

    async def _forward(self, context: ProxyContext) -> Response:
        request = context.upstream_request = await self._build_request(context)
        context.source.watch(lambda: self._on_disconnect(context, request))
        if context.client_disconnected:  # before anything was sent
            raise ClientDisconnected
        self.checks.balance.start(context)
        try:
            if image_url := self.known_images.upstream_url(context.path):
                upstream = await self.known_images.open(image_url, request)
            else:
                upstream = await self.upstream.send(request)
            context.upstream, context.upstream_status = upstream, upstream.status
            headers = response_headers(upstream.headers, self.upstream.target, self.public_url)
            if not context.is_checked or context.method == "HEAD":
                context.is_streamed = True
                return Response(upstream.status, b"", headers)
            return await self._read_checked(context, upstream, headers)
        except UpstreamError:
            if context.client_disconnected:
                raise ClientDisconnected from None
            raise

    async def _build_request(self, context: ProxyContext) -> UpstreamRequest:
        """Return the request; of its body, as much has been read as may be held back."""
        scope, target = context.scope, self.upstream.target
        is_chunked = b"transfer-encoding" in context.headers
        headers = request_headers(scope["headers"], chunked=is_chunked, identity=context.is_checked)
        raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        path, query = raw_path.decode("latin-1"), scope["query_string"].decode("latin-1")
        request = UpstreamRequest(context.method, target.upstream_url(path, query), headers)
        if not is_chunked and context.headers.get(b"content-length", b"0") == b"0":
            await self._admit(context)
            return request
        body = context.request_body = RequestBody(context, self.spec, self.limits)
        parts = body.parts(lambda: self._admit(context))
        first = await anext(parts, b"")
        request.body = chain(first, parts)
        return request

    async def _admit(self, context: ProxyContext) -> None:
        """Decide whether a request, whose whole body is known, may be sent; see `Guard.admit`."""
        if context.parsed_request is not None and context.operation is not None:
            prompt = context.parsed_request.prompt
            faults = match_prompt_faults(context, context.operation.id, prompt)
            await self._apply_before(context, faults)
        await self.guard.admit(context)

    def _on_disconnect(self, context: ProxyContext, request: UpstreamRequest) -> None:
        """Cancel a request that is safe or incomplete; the response to another one is awaited.

        The upstream may have charged it, which the journal and the guard have to know.
        """
        context.client_disconnected = True
        if request.exchange and (request.method in SAFE_METHODS or not request.sent):
            request.exchange.abort()
        else:
            self.guard.mark_lost(context)

    # -- the response ----------------------------------------------------------------------------

    async def _read_checked(
        self, context: ProxyContext, upstream: UpstreamExchange, headers: responses.Headers
    ) -> Response:
        """Read a response of an operation of the API, whose URLs have to lead to the proxy."""
        by_name, status = dict(headers), upstream.status
        if status in _REDIRECTS:
            raise redirected(self.upstream.target.origin, by_name.get(b"location", b""))
        raw = await upstream.read_all(MAX_CHECKED_BYTES)
        try:
            decoded = decode_body(raw, by_name.get(b"content-encoding", b""), MAX_CHECKED_BYTES)
        except OverflowError:
            raise too_large(MAX_CHECKED_BYTES) from None
        body, dropped = raw, {b"content-length"}
        context.local_body = raw if decoded is None else decoded
        with suppress(orjson.JSONDecodeError):
            context.content = orjson.loads(context.local_body)
            context.seen = observe(context.content)
            context.code, context.state = error_code_and_status(context.content)
        context.upstream_code = context.code
        self._check(context)
        if context.content is not None:
            self._observe(context, status)
            if urls := self._local_urls(context.content):
                body = replace_urls(context.content, context.local_body, urls)
                dropped.add(b"content-encoding")
        if self.strict and context.spec_violation is not None:
            message = f"the upstream's response breaks the contract: {context.spec_violation}"
            raise UpstreamError("upstreamViolation", message)
        fields = [field for field in headers if field[0] not in dropped]
        if body or b"content-length" in by_name:
            fields.append((b"content-length", b"%d" % len(body)))
        context.local_body = body
        return Response(status, body, tuple(fields))

    def _check(self, context: ProxyContext) -> None:
        """Check an exchange; the journal and the log show the first violation (AUTH-7)."""
        problems = self.checks.check(context)
        redact = partial(
            context.hub.redactor.redact, quoted=context.client_text() if problems else b""
        )
        for problem in problems:
            message, place = redact(problem.message), redact(problem.place)
            context.problems.append(problem._replace(message=message, place=place))
            if problem.severity == "violation" and context.spec_violation is None:
                context.spec_violation = f"{', '.join(problem.clauses)}: {message}"

    def _observe(self, context: ProxyContext, status: int) -> None:
        """Follow what a response says in the mirror."""
        operation, seen = context.operation, context.seen
        if operation is None or not operation.requires_auth or status == UNAUTHORIZED:
            return
        if isinstance(context.credentials, NoApiKey) or status not in operation.responses:
            return
        account = context.account = self.mirror.account(context.credentials)
        if status >= _FIRST_ERROR_STATUS:
            return
        context.generation = seen.id
        self.mirror.observe(account, seen, context.parsed_request)
        if seen.id is not None and seen.images:
            self.known_images.add(seen.id, seen.images)

    def _local_urls(self, content: object) -> dict[str, str]:
        """Return the URLs at the proxy that a response needs instead of the upstream's."""
        if not isinstance(content, dict):
            return {}
        urls, poll_url, id = {}, content.get("poll_url"), content.get("id")
        if isinstance(poll_url, str):
            urls[poll_url] = self.upstream.target.local_url(poll_url, self.public_url)
        if self.rewrite_images and isinstance(id, str):
            images = self.known_images.of(id)
            urls |= {image.url: self.public_url + image.path for image in images}
        return urls

    async def _read_streamed(self, context: ProxyContext, response: Response) -> Response:
        """Read the body of a response that would be passed on as it arrives."""
        assert context.upstream is not None
        context.is_streamed = False
        try:
            return replace(response, body=await context.upstream.read_all(_MAX_FAULTY_BYTES))
        except UpstreamError as error:
            return self.error_response(context, error)
