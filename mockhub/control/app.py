"""The control plane: the API under `/_mockhub` with which tests and people manage the server.

A request is authorized, routed, read and validated, and the response is validated, as in the
public API. Handlers run on the event loop of the server, so that they never race with a request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from mockhub._text import suggest
from mockhub.control.context import (
    ControlRequest,
    PlainResponse,
    StreamResponse,
    conflict,
    not_found,
)
from mockhub.control.openapi import load_openapi
from mockhub.control.operations import allowed_changes, load_operations
from mockhub.control.security import AccessPolicy
from mockhub.exceptions import ApiError, MockhubError
from mockhub.spec.operations import JSON, Operation
from mockhub.spec.request_validation import coerce_form_fields, reject_fractions, validate
from mockhub.spec.schema_errors import schema_errors
from mockhub.web import request_body, responses
from mockhub.web.api import PublicApi
from mockhub.web.app import CONTROL_PREFIX, App, is_under
from mockhub.web.asgi import (
    BodySource,
    Receive,
    Scope,
    Send,
    body_source,
    headers_of,
    send_response,
)
from mockhub.web.metrics import RequestMetrics
from mockhub.web.request_body import ClientDisconnected, ParsedBody

if TYPE_CHECKING:
    from mockhub.dashboard.page import Dashboard

CONTROL_HEADER = (b"x-mockhub-control", b"1")  # of every response, by which clients know it

_Response = responses.Response | StreamResponse

_SUCCESS_LIMIT = 300
_BAD_REQUEST, _METHOD_NOT_ALLOWED = 400, 405


def mount_control_plane(app: App, *, token: str | None, host: str = "127.0.0.1") -> None:
    """Serve the control plane on *app*.

    Args:
        app: The application.
        token: The Bearer token that every request needs, if any.
        host: The host that the server listens on, which requests may name.
    """
    request_metrics = RequestMetrics()
    app.api.observers.append(request_metrics.observe)
    access_policy = AccessPolicy(token, (host, urlsplit(app.api.public_url).hostname))
    app.control_plane = ControlPlane(app.api, request_metrics, access_policy)


@dataclass(eq=False)
class ControlPlane:
    """The control plane of one application; a plain ASGI callable."""

    api: PublicApi
    request_metrics: RequestMetrics
    access_policy: AccessPolicy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = body_source(scope, receive)
        try:
            response = await self._handle(scope, source)
        except ClientDisconnected:
            return
        if isinstance(response, StreamResponse):
            await response.send(scope, source, send)
        else:
            marked = responses.Response(
                response.status, response.body, (*response.headers, CONTROL_HEADER)
            )
            await send_response(marked, scope, send)

    async def _handle(self, scope: Scope, source: BodySource) -> _Response:
        try:
            if page := self._find_page(scope):
                return page
            return await self._dispatch(scope, source)
        except ApiError as error:
            return self._error_response(error, scope["path"])
        except MockhubError as error:
            api_error = ApiError(_BAD_REQUEST, "invalidRequest", str(error))
            return self._error_response(api_error, scope["path"])
        except ClientDisconnected:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            return self._error_response(responses.internal_error(problem), scope["path"])

    def _error_response(self, error: ApiError, path: str) -> responses.Response:
        """Make an error response; its message may quote the request, but never a key (AUTH-7)."""
        redactor = self.api.hub_registry.default.redactor
        error.message = redactor.redact(error.message, quoted=path.encode())
        return responses.error_response(error)

    def _find_page(self, scope: Scope) -> responses.Response | None:
        """Return a file of the page, which needs no token because it holds no data."""
        if scope["method"] not in ("GET", "HEAD"):
            return None
        page = self._dashboard.response(scope["path"])
        if page and is_under(CONTROL_PREFIX, scope["path"]):
            self.access_policy.check_origin(headers_of(scope))
        return page

    @cached_property
    def _dashboard(self) -> Dashboard:
        from mockhub.dashboard.page import Dashboard

        api = self.api
        return Dashboard(api.spec.document.path, api.public_url, target=api.target)

    async def _dispatch(self, scope: Scope, source: BodySource) -> _Response:
        routes, handlers = load_openapi()
        headers, path = headers_of(scope), scope["path"]
        match = routes.match(path)
        operation = _find_operation(match[0], scope["method"]) if match else None
        if operation is None or operation.requires_auth:
            self.access_policy.check(headers)
        if operation is None:
            raise _routing_error(match[0] if match else {}, path, scope["method"])
        allowed = self.api.allowed_changes
        if operation.method != "GET" and allowed is not None and operation.id not in allowed:
            known = ", ".join(allowed_changes(self.api))
            raise conflict(f"{operation.id} is not possible in a proxy; expected one of {known}")
        request = ControlRequest(
            self.api,
            self.request_metrics,
            path_params=_path_params(operation, path),
            query_params=_query_params(operation, scope["query_string"]),
            body=await self._read_body(operation, headers, source),
        )
        content = handlers[operation.id](request)
        if isinstance(content, Awaitable):
            content = await content
        if isinstance(content, StreamResponse):
            return content
        return _validated_response(operation, content)

    async def _read_body(
        self, operation: Operation, headers: Mapping[bytes, bytes], source: BodySource
    ) -> Mapping[str, Any]:
        if not operation.bodies:
            return {}
        parsed = ParsedBody()
        if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
            await request_body.read_body(parsed, source, headers, operation, self.api.limits)
        values = validate(parsed.values, operation.bodies[JSON])
        reject_fractions(parsed.values, operation.bodies[JSON])
        return values


def _find_operation(methods: Mapping[str, Operation], method: str) -> Operation | None:
    return methods.get("GET" if method == "HEAD" else method)


def _routing_error(methods: Mapping[str, Operation], path: str, method: str) -> ApiError:
    if methods:
        allowed = ", ".join(sorted(methods))
        message = f"{method} is not allowed at {path[:200]}; expected {allowed}"
        return ApiError(
            _METHOD_NOT_ALLOWED, "methodNotAllowed", message, headers={"Allow": allowed}
        )
    known = [operation.path for operation in load_operations()]
    return not_found(f"there is nothing at {path[:200]!r}{suggest(path, known)}")


def _path_params(operation: Operation, path: str) -> Mapping[str, Any]:
    match = operation.path_pattern.fullmatch(path)
    assert match
    return validate(match.groupdict(), operation.parameters["path"])


def _query_params(operation: Operation, query: bytes) -> Mapping[str, Any]:
    schema = operation.parameters["query"]
    texts = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return validate(coerce_form_fields(texts, schema), schema)


def _validated_response(operation: Operation, content: object) -> responses.Response:
    if isinstance(content, responses.Response):
        return content
    status = next(status for status in operation.responses if status < _SUCCESS_LIMIT)
    if isinstance(content, PlainResponse):
        body, media_type = content.text.encode(), content.media_type
        length = (b"content-length", b"%d" % len(body))
        return responses.Response(status, body, ((b"content-type", media_type.encode()), length))
    for error in schema_errors(operation.responses[status], content):
        raise responses.internal_error(
            f"the response does not match control.yaml: {operation.id}: {error.message}"
        )
    return responses.json_response(status, content)
