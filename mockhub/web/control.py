"""The control plane: what a test or a person may ask of the server itself, under `/_mockhub`.

As the public API, from bytes to bytes: who asks - route - read, validate - do - validate - answer.
Everything happens on the loop that serves requests, so that the two never meet.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.routing import Mount

from mockhub.spec.coerce import Invalid, read_texts, validate
from mockhub.spec.document import nearest
from mockhub.spec.errors import ApiError, MockhubError
from mockhub.spec.operations import JSON, Operation, Routes
from mockhub.web import bodies, wire
from mockhub.web.app import CONTROL, App
from mockhub.web.asgi import Incoming, Receive, Scope, Send, headers_of
from mockhub.web.bodies import ClientGone, Reading
from mockhub.web.desk.call import Call, Handler, Text, missing
from mockhub.web.desk.description import read_description
from mockhub.web.metrics import Tally
from mockhub.web.transport import incoming, send_answer

_LOCAL = ("localhost", "127.0.0.1", "::1")
_SUCCESS = 300
_BAD, _NO_TOKEN, _FOREIGN, _NO_METHOD, _OURS = 400, 401, 403, 405, 500


def attach(app: App, *, token: str | None, host: str = "127.0.0.1") -> None:
    """Serve the control plane on *app*.

    Args:
        app: the server's application.
        token: asked of everybody, as a Bearer token, if there is one.
        host: what the server listens on; requests may name it.
    """
    tally = Tally()
    app.pipeline.observers.append(tally.count)
    public = urlsplit(app.pipeline.public_url).hostname or ""
    control = Control(app, tally, token=token, hosts=frozenset({*_LOCAL, host.lower(), public}))
    app.router.routes.append(Mount(CONTROL, app=control))
    app.router.default = control
    app.router.redirect_slashes = False


class Control:
    """The control plane of one application; a plain ASGI callable."""

    def __init__(self, app: App, tally: Tally, *, token: str | None, hosts: frozenset[str]) -> None:
        self._pipeline = app.pipeline
        self._tally = tally
        self._token = token.encode() if token else None
        self._hosts = hosts
        self._described: tuple[Routes, Mapping[str, Handler]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        await send_answer(answer, scope, send)

    async def _answer(self, scope: Scope, receive: Receive) -> wire.Answer:
        try:
            return await self._pass(scope, receive)
        except ApiError as error:
            return wire.refusal(error)
        except (Invalid, MockhubError) as error:
            return wire.refusal(ApiError(_BAD, "invalidRequest", str(error)))
        except ClientGone:
            raise
        except Exception as error:
            message = f"mockhub is at fault, please report it: {type(error).__name__}: {error}"
            return wire.refusal(ApiError(_OURS, "mockhubError", message))

    async def _pass(self, scope: Scope, receive: Receive) -> wire.Answer:
        routes, handlers = self._describe()
        headers, path = headers_of(scope), scope["path"]
        found = routes.find(path)
        operation = _offered(found[0], scope["method"]) if found else None
        if operation is None or operation.secured:
            self._admit(headers)
        if operation is None:
            raise _unrouted(routes, found[0] if found else {}, path, scope["method"])
        call = Call(
            self._pipeline,
            self._tally,
            arguments=_arguments(operation, path),
            query=_query(operation, scope["query_string"]),
            body=await self._body(operation, headers, incoming(scope, receive)),
        )
        return _checked(operation, handlers[operation.id](call))

    def _describe(self) -> tuple[Routes, Mapping[str, Handler]]:
        if self._described is None:
            self._described = read_description()
        return self._described

    def _admit(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse pages of other sites, which a browser would carry here, and who has no token."""
        host = headers.get(b"host", b"").decode("latin-1")
        if _hostname(host) not in self._hosts:
            raise ApiError(_FOREIGN, "foreignHost", self._foreign(f"Host: {host[:100]!r}"))
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin.partition("://")[2] != host:
            raise ApiError(_FOREIGN, "foreignHost", self._foreign(f"Origin: {origin[:100]!r}"))
        if self._token is None:
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
            raise ApiError(
                _NO_TOKEN,
                "invalidToken",
                "Authorization: expected Bearer and the token that the server was started with",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _foreign(self, what: str) -> str:
        known = ", ".join(sorted(filter(None, self._hosts)))
        return f"{what} is not this server; expected one of {known} (or start it with --public-url)"

    async def _body(
        self, operation: Operation, headers: Mapping[bytes, bytes], body: Incoming
    ) -> Mapping[str, Any]:
        if not operation.bodies:
            return {}
        reading = Reading()
        if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
            await bodies.read(reading, body, headers, operation, self._pipeline.limits)
        return validate(reading.values, operation.bodies[JSON])


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _offered(methods: Mapping[str, Operation], method: str) -> Operation | None:
    return methods.get("GET" if method == "HEAD" else method)


def _unrouted(routes: Routes, methods: Mapping[str, Operation], path: str, method: str) -> ApiError:
    if methods:
        allowed = ", ".join(sorted(methods))
        message = f"{method} is not offered at {path[:200]}; expected {allowed}"
        return ApiError(_NO_METHOD, "methodNotAllowed", message, headers={"Allow": allowed})
    offered = (*routes.fixed.values(), *(methods for _, methods in routes.patterns))
    known = [operation.path for methods in offered for operation in methods.values()]
    return missing(f"there is nothing at {path[:200]!r}{nearest(path, known)}")


def _arguments(operation: Operation, path: str) -> Mapping[str, Any]:
    match = operation.pattern.fullmatch(path)
    assert match
    return validate(match.groupdict(), operation.parameters["path"])


def _query(operation: Operation, query: bytes) -> Mapping[str, Any]:
    schema = operation.parameters["query"]
    texts = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return validate(read_texts(texts, schema), schema)


def _checked(operation: Operation, content: object) -> wire.Answer:
    """The answer under the operation's one status of success, held to its schema."""
    status = next(status for status in operation.answers if status < _SUCCESS)
    if isinstance(content, Text):
        body, media_type = content.text.encode(), content.media_type
        length = (b"content-length", b"%d" % len(body))
        return wire.Answer(status, body, ((b"content-type", media_type.encode()), length))
    for error in operation.answers[status].iter_errors(content):
        message = f"mockhub broke its own description: {operation.id}: {error.message[:1000]}"
        raise ApiError(_OURS, "mockhubError", message)
    return wire.answer(status, content)
