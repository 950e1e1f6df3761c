"""The proxy as an ASGI application: forwards requests, and keeps what the control plane shows.

A request is routed, faults ``@before`` act, it is forwarded, its response is read, faults
``@after`` act, the response is sent, and the exchange is recorded, as in `mockhub.web.api`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from hashlib import sha256
from typing import cast
from urllib.parse import quote

import orjson
from msgspec.structs import replace

from mockhub.client_report.detectors import Finding as ClientFinding
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.domain.keys import NoApiKey
from mockhub.exceptions import ApiError, ValidationError
from mockhub.journal.exchange import MAX_STORED_BODY, StoredBody
from mockhub.proxy.checks import ExchangeChecks
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.errors import UpstreamError, timed_out, too_large
from mockhub.proxy.findings import Findings
from mockhub.proxy.guard import Guard, OtherResponse
from mockhub.proxy.headers import decode_body, end_to_end, request_headers
from mockhub.proxy.images import ProxyImages, ProxyLinks
from mockhub.proxy.mirror import Mirror, require_transport_faults
from mockhub.proxy.observation import observe
from mockhub.proxy.request_body import RequestBody
from mockhub.proxy.upstream import SAFE_METHODS, UpstreamClient, UpstreamExchange, UpstreamRequest
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.error_catalog import UNAUTHORIZED
from mockhub.web import cors, responses
from mockhub.web.api import Observer, PublicApi
from mockhub.web.asgi import (
    Receive,
    Scope,
    Send,
    body_source,
    close_connection,
    send_head,
    send_response,
)
from mockhub.web.clock_waiter import WaitCancelled
from mockhub.web.context import RequestContext, error_code_and_status
from mockhub.web.fault_injection import (
    ConnectionAborted,
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
_CONFLICT = 409
_FIRST_ERROR_STATUS = 400
_MAX_SHOWN = 200


class ProxyApi(PublicApi):
    """The public API of a proxy.

    Args:
        spec: The API spec.
        hub: Gets the exchanges, and what they show of accounts and generations.
        public_url: The URL of the proxy.
        upstream: Sends the requests.
        guard: Decides which requests are sent; None for all.
        checks: Check every exchange; the default ones unless others are given.
        strict: Whether a response that breaks the contract becomes a 502.
        rewrite_images: Whether image URLs in responses lead to the proxy.
        limits: The bounds on a request.
        observers: Called with the context of every finished request.

    Attributes:
        findings: What contradicts the documentation.
    """

    allowed_changes = frozenset({"arm_fault", "disarm_fault", "clear_faults", "clear_journal"})

    def __init__(
        self,
        spec: ApiSpec,
        hub: HubBackend,
        public_url: str,
        upstream: UpstreamClient,
        *,
        guard: Guard | None = None,
        checks: ExchangeChecks | None = None,
        strict: bool = False,
        rewrite_images: bool = False,
        limits: Limits | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        super().__init__(spec, HubRegistry(hub), public_url, limits=limits, observers=observers)
        self.hub = hub
        self.upstream = upstream
        self.guard = guard
        self.checks = checks or ExchangeChecks(spec)
        self.findings = Findings()
        self.strict = strict
        self.mirror = Mirror(hub)
        self.known_images = ProxyImages(spec, upstream)
        self.images = self.known_images
        self.rewrite_images = rewrite_images
        self.clock_waiter.wakers |= {upstream.close, self.known_images.close}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = ProxyContext(scope, body_source(scope, receive))
        try:
            response = await self.handle(context)
            await self.respond(context, response, send)
            context.is_delivered = not context.client_disconnected and context.is_intact
        except ConnectionAborted:
            pass
        except ClientDisconnected:
            context.client_disconnected = True
        except WaitCancelled:
            close_connection(scope, reset=False)
        finally:
            if context.upstream is not None:
                context.upstream.close()
            context.source.unwatch()
            self.checks.balance.end(context)
            if self.guard is not None:
                self.guard.settle(context)
            self._redact_response(context)
            self.record(context)
            operation = context.operation.id if context.operation else "none"
            self.findings.add(context.problems, operation, context.number)

    async def handle(self, context: RequestContext) -> Response:
        """Return the response of the upstream, or an error; see `PublicApi.handle`.

        The body of a response that is not checked is not read yet: `respond` passes it on.
        """
        context.hub = self.hub
        try:
            self._find_operation(context)
            if context.operation is not None:
                faults = match_request_faults(context, context.operation.id)
                require_transport_faults(faults)
                if faults and (response := await apply_before(context, faults, self.clock_waiter)):
                    return cors.with_cors_headers(response)
            if not isinstance(context, ProxyContext):
                message = "the proxy stores no API keys: send the request with your client"
                raise ApiError(_CONFLICT, "proxyHasNoKey", message)
            return await self._forward(context)
        except OtherResponse as other:
            return cors.with_cors_headers(other.response)
        except ApiError as error:
            return self.error_response(context, error)
        except ValidationError as error:
            return self.error_response(context, self.spec.errors.invalid_request(str(error)))
        except (ConnectionAborted, ClientDisconnected, WaitCancelled):
            raise
        except Exception as error:
            internal = responses.internal_error(f"{type(error).__name__}: {error}")
            return self.error_response(context, internal)

    async def respond(self, context: RequestContext, response: Response, send: Send) -> None:
        fault = None
        is_streamed = isinstance(context, ProxyContext) and context.is_streamed
        if is_streamed and context.pending_faults:
            try:
                body = await cast(ProxyContext, context).read_all(_MAX_FAULTY_BYTES)
                response, is_streamed = replace(response, body=body), False
            except UpstreamError as error:
                response, is_streamed = self.error_response(context, error), False
        if context.pending_faults:
            original = response
            response, fault = await apply_after(context, response, self.clock_waiter)
            if response is not original:
                response = cors.with_cors_headers(response)
        context.response = response
        if fault is not None:
            await send_with_fault(fault, context, response, send, self.clock_waiter)
        elif is_streamed:
            await self._stream(cast(ProxyContext, context), response, send)
        else:
            await send_response(response, context.scope, send)

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

    # -- forwarding ------------------------------------------------------------------------------

    def _find_operation(self, context: RequestContext) -> None:
        """Set the operation, if the spec has it; other requests are forwarded too."""
        method = "GET" if context.method == "HEAD" else context.method
        if found := self.spec.router.match(context.path) or self.images.match(context.path):
            methods, context.path_param = found
            context.operation = methods.get(method)

    async def _forward(self, context: ProxyContext) -> Response:
        request = context.upstream_request = await self._build_request(context)
        context.source.watch(lambda: self._on_disconnect(context, request))
        if context.client_disconnected:  # before anything was sent
            raise ClientDisconnected
        self.checks.balance.start(context)
        try:
            upstream = context.upstream = await self._send(context, request)
            context.upstream_status, headers = upstream.status, end_to_end(upstream.headers)
            if not context.is_checked or context.method == "HEAD":
                context.is_streamed = True
                return Response(upstream.status, b"", headers)
            return await self._read_checked(context, upstream, headers)
        except UpstreamError:
            if context.client_disconnected:
                raise ClientDisconnected from None
            raise

    async def _send(self, context: ProxyContext, request: UpstreamRequest) -> UpstreamExchange:
        if image_url := self.known_images.upstream_url(context.path):
            return await self.known_images.open(image_url, request)
        return await self.upstream.send(request)

    async def _build_request(self, context: ProxyContext) -> UpstreamRequest:
        """Return the request; of its body, as much has been read as may be held back."""
        scope, target = context.scope, self.upstream.target
        body = context.request_body = RequestBody(context, self.spec, self.limits)
        headers = request_headers(
            scope["headers"],
            target.host_header,
            chunked=body.is_chunked,
            identity=context.is_checked,
        )
        raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        upstream_target = target.upstream_target(raw_path, scope["query_string"])
        request = UpstreamRequest(context.method, upstream_target, headers)
        if not body.exists:
            await self._admit(context)
            return request
        parts = body.parts(lambda: self._admit(context))
        first = await anext(parts, b"")
        request.body = _chain(first, parts)
        return request

    async def _admit(self, context: ProxyContext) -> None:
        """Decide whether a request, whose whole body is known, may be sent; see `Guard.admit`."""
        if context.parsed_request is not None and context.operation is not None:
            prompt = context.parsed_request.prompt
            faults = match_prompt_faults(context, context.operation.id, prompt)
            if faults and (response := await apply_before(context, faults, self.clock_waiter)):
                raise OtherResponse(response)
        if self.guard is not None:
            await self.guard.admit(context)

    def _redact_response(self, context: ProxyContext) -> None:
        """Keep API keys out of the journal that the upstream has put into its response (AUTH-7)."""
        response, redact = context.response, context.hub.redactor.redact_bytes
        if response is None:
            return
        headers = tuple((name, redact(value)) for name, value in response.headers)
        body = response.body
        if len(body) <= MAX_STORED_BODY:
            body = redact(body)
        if context.stored_response is not None:
            context.stored_response = context.stored_response.redacted(context.hub.redactor)
        if headers != response.headers or body is not response.body:
            context.response = replace(response, headers=headers, body=body)

    def _on_disconnect(self, context: ProxyContext, request: UpstreamRequest) -> None:
        """Cancel a request that is safe or incomplete; the response to another one is awaited.

        The upstream may have charged it, which the journal and the guard have to know.
        """
        context.client_disconnected = True
        if request.exchange and (request.method in SAFE_METHODS or not request.sent):
            request.exchange.abort()
        elif self.guard is not None:
            self.guard.mark_lost(context)

    # -- the response ----------------------------------------------------------------------------

    async def _read_checked(
        self, context: ProxyContext, upstream: UpstreamExchange, headers: responses.Headers
    ) -> Response:
        """Read a response of an operation of the API, whose URLs have to lead to the proxy."""
        by_name, status = dict(headers), upstream.status
        if status in _REDIRECTS:
            location = by_name.get(b"location", b"").decode("latin-1")[:_MAX_SHOWN]
            raise UpstreamError(
                "upstreamRedirect",
                f"{self.upstream.target.origin} redirects to {location!r}, where no API key is "
                "sent; if this is the address of the service, give it as --target",
            )
        timeout = self.upstream.timeouts.of(context.method)
        try:
            async with asyncio.timeout(timeout):
                raw = await upstream.read_all(MAX_CHECKED_BYTES)
        except TimeoutError:
            raise timed_out(f"the upstream's response did not end in {timeout:g} s") from None
        try:
            decoded = decode_body(raw, by_name.get(b"content-encoding", b""), MAX_CHECKED_BYTES)
        except OverflowError:
            raise too_large(MAX_CHECKED_BYTES) from None
        body, context.local_body = None, raw if decoded is None else decoded
        with suppress(orjson.JSONDecodeError):
            context.content = orjson.loads(context.local_body)
            context.seen = observe(context.content)
            context.code, context.state = error_code_and_status(context.content)
        context.upstream_code = context.code
        self._check(context)
        if context.content is not None:
            self._observe(context, status)
            body = self._with_local_urls(context.content, context.local_body)
        if self.strict and context.spec_violation is not None:
            message = f"the upstream's response breaks the contract: {context.spec_violation}"
            raise UpstreamError("upstreamViolation", message)
        dropped = (b"content-length",) if body is None else (b"content-length", b"content-encoding")
        fields = [field for field in headers if field[0] not in dropped]
        body = raw if body is None else body
        if body or b"content-length" in by_name:
            fields.append((b"content-length", b"%d" % len(body)))
        context.local_body = body
        return Response(status, body, tuple(fields))

    def _check(self, context: ProxyContext) -> None:
        """Check an exchange; the journal and the log show the first violation."""
        context.problems = self.checks.check(context)
        for problem in context.problems:
            if problem.severity == "violation":
                violation = f"{', '.join(problem.clauses)}: {problem.message}"
                context.spec_violation = context.hub.redactor.redact(
                    violation, quoted=context.client_text()
                )
                return

    def _observe(self, context: ProxyContext, status: int) -> None:
        """Follow what a response says in the mirror."""
        operation = context.operation
        if operation is None or not operation.requires_auth or status == UNAUTHORIZED:
            return
        if isinstance(context.credentials, NoApiKey) or status not in operation.responses:
            return
        account = context.account = self.mirror.account(context.credentials)
        if status >= _FIRST_ERROR_STATUS:
            return
        seen = context.seen
        context.generation = seen.id
        self.mirror.observe(account, seen, context.parsed_request)
        if seen.id is not None and seen.images:
            self.known_images.add(seen.id, seen.images)

    def _with_local_urls(self, content: object, body: bytes) -> bytes | None:
        """Return the body with URLs that lead to the proxy, or None if there are none to change."""
        if not isinstance(content, dict):
            return None
        urls: dict[str, str] = {}
        poll_url, id = content.get("poll_url"), content.get("id")
        if isinstance(poll_url, str):
            urls[poll_url] = self.upstream.target.local_url(poll_url, self.public_url) or poll_url
        if self.rewrite_images and isinstance(id, str):
            images = self.known_images.of(id)
            urls |= {image.url: self.public_url + image.path for image in images}
        for url, local in urls.items():
            written = orjson.dumps(url)
            if written not in body:
                body = orjson.dumps(content)  # it has escapes
            body = body.replace(written, orjson.dumps(local))
            content = orjson.loads(body)
        return body if urls else None

    async def _stream(self, context: ProxyContext, response: Response, send: Send) -> None:
        """Pass a body on as it arrives; the journal gets its length and digest."""
        await send_head(response, send)
        digest, size, start = sha256(), 0, b""
        try:
            async for part in _parts(context):
                digest.update(part)
                size += len(part)
                if len(start) <= MAX_STORED_BODY:
                    start += part
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except UpstreamError as error:
            context.code = error.code
            close_connection(context.scope, reset=True)
            raise ConnectionAborted from None
        finally:
            content = start if size <= MAX_STORED_BODY else None
            context.stored_response = StoredBody(size, content, digest.hexdigest())


async def _parts(context: ProxyContext) -> AsyncIterator[bytes]:
    """Yield the body of the upstream's response; raises UpstreamError."""
    assert context.upstream is not None
    while part := await context.upstream.read():
        yield part


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for part in rest:
        yield part
