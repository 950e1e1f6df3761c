"""Conforming servers that speak otherwise: headers, encodings, spellings, patience."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import orjson
from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.mutants.middleware import AsgiApp, Middleware
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import variant
from mockhub.mutants.responses import with_body
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.asgi import Message, Receive, Scope, Send
from mockhub.web.context import RequestContext

_ALL_OPERATIONS = (
    OperationId.LIST_MODELS,
    OperationId.GET_CREDITS,
    OperationId.CREATE_GENERATION,
    OperationId.GET_GENERATION,
)


def buffer_response(change: Callable[[Scope, Message, bytes, Send], Any]) -> Middleware:
    """A layer that gathers an answer and lets *change* send it."""

    async def middleware(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def buffer(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                await change(scope, start, body, send)

        await app(scope, receive, buffer)

    return middleware


@variant("Answers are compressed where the client takes gzip.")
def gzipped(server: PatchedServer) -> None:
    async def send_gzipped(scope: Scope, start: Message, body: bytes, send: Send) -> None:
        headers = dict(start["headers"])
        if body and b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
            body = gzip.compress(body)
            headers[b"content-encoding"] = b"gzip"
            headers[b"vary"] = b"Accept-Encoding"
            headers[b"content-length"] = b"%d" % len(body)
        await send({**start, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": body})

    server.add_middleware(buffer_response(send_gzipped))


@variant("Answers come in chunks, and do not say how long they are.")
def chunked(server: PatchedServer) -> None:
    async def send_chunked(scope: Scope, start: Message, body: bytes, send: Send) -> None:
        headers = [header for header in start["headers"] if header[0] != b"content-length"]
        await send({**start, "headers": headers})
        for at in range(0, len(body), 40):
            piece = body[at : at + 40]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    server.add_middleware(buffer_response(send_chunked))


def add_headers(server: PatchedServer, *headers: tuple[bytes, bytes]) -> None:
    """Send more headers with every answer."""
    server.on_response()(
        lambda response, context: replace(response, headers=(*response.headers, *headers))
    )


@variant("Each answer ends its connection.")
def connections_closed(server: PatchedServer) -> None:
    add_headers(server, (b"connection", b"close"))


@variant("Answers have headers of a proxy, of a framework, of a session and of a cache.")
def extra_headers(server: PatchedServer) -> None:
    add_headers(
        server,
        (b"server", b"cloudflare"),
        (b"x-request-id", b"req_8c1f"),
        (b"x-ratelimit-remaining", b"99"),
        (b"strict-transport-security", b"max-age=63072000"),
        (b"set-cookie", b"session=1; Path=/; HttpOnly"),
        (b"cache-control", b"no-store"),
        (b"vary", b"Origin"),
        (b"retry-after", b"1"),
    )


@variant("Header names are written with capitals, but for the one that our connection looks for.")
def capitalized_header_names(server: PatchedServer) -> None:
    length = b"content-length"
    server.on_response()(
        lambda response, context: replace(
            response,
            headers=tuple(
                (name if name == length else name.title(), value)
                for name, value in response.headers
            ),
        )
    )


@variant("Refused keys are answered without WWW-Authenticate.")
def no_www_authenticate(server: PatchedServer) -> None:
    server.on_response(status=401)(
        lambda response, context: replace(
            response,
            headers=tuple(one for one in response.headers if one[0] != b"www-authenticate"),
        )
    )


@variant("The content type of answers names their charset.")
def charset_in_content_type(server: PatchedServer) -> None:
    server.on_response()(
        lambda response, context: (
            with_body(response, response.body, "application/json; charset=utf-8")
            if response.body
            else response
        )
    )


def reserialize(server: PatchedServer, serialize: Callable[[Any], bytes]) -> None:
    """Write the JSON of answers otherwise."""
    server.on_response()(
        lambda response, context: (
            with_body(response, serialize(orjson.loads(response.body)))
            if response.body
            else response
        )
    )


@variant("JSON is indented, in the order of the alphabet, and in ASCII.")
def indented_json(server: PatchedServer) -> None:
    reserialize(
        server, lambda content: json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"
    )


@variant("The fields of JSON objects stand in the opposite order.")
def reversed_field_order(server: PatchedServer) -> None:
    def reverse_fields(content: Any) -> Any:
        if isinstance(content, dict):
            return {name: reverse_fields(value) for name, value in reversed(content.items())}
        return [reverse_fields(one) for one in content] if isinstance(content, list) else content

    reserialize(server, lambda content: orjson.dumps(reverse_fields(content)))


@variant("Credits are written as decimals: 112.0.")
def decimal_credits(server: PatchedServer) -> None:
    def decimal(content: Any) -> Any:
        if isinstance(content, dict):
            return {
                name: float(value)
                if name.startswith("credits") and isinstance(value, int)
                else decimal(value)
                for name, value in content.items()
            }
        return [decimal(one) for one in content] if isinstance(content, list) else content

    reserialize(server, lambda content: orjson.dumps(decimal(content)))


@variant("Every object has fields that the documentation does not name.")
def extra_fields(server: PatchedServer) -> None:
    def extend(content: Any) -> Any:
        if isinstance(content, dict):
            extended = {name: extend(value) for name, value in content.items()}
            return {"request_id": "req_8c1f", "_links": {"self": None}, **extended, "version": 3}
        return [extend(one) for one in content] if isinstance(content, list) else content

    server.replace_json(
        OperationId.GET_CREDITS, OperationId.CREATE_GENERATION, OperationId.GET_GENERATION
    )(lambda content, context: extend(content))
    server.replace_json(OperationId.LIST_MODELS)(
        lambda content, context: {**content, "has_more": False, "total": len(content["data"])}
    )


@variant("Errors are told in another language, and point at what is wrong.")
def translated_error_messages(server: PatchedServer) -> None:
    server.mutate_json()(
        lambda content, context: (
            content["error"].update(
                message="अनुरोध पूरा नहीं हो सका।",
                type="api_error",
                param=None,
                docs="https://example.com",
            )
            if isinstance(content.get("error"), dict)
            else None
        )
    )


@variant("Every answer takes a moment.")
def slow_responses(server: PatchedServer) -> None:
    @server.add_middleware
    async def wait(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.03)
        await app(scope, receive, send)


@variant("Generations wait for one another, each for some time.")
def sequential_generations(server: PatchedServer) -> None:
    lock = asyncio.Lock()

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        async with lock:
            await asyncio.sleep(0.05)
            return await call_next(context, account)


@variant("HEAD is offered nowhere.")
def no_head(server: PatchedServer) -> None:
    @server.add_middleware
    async def reject(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        headers = [(b"allow", b"GET"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 405, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def rewrite_timestamps(server: PatchedServer, rewrite: Callable[[str], str]) -> None:
    """Write every time otherwise."""

    def change(content: Any) -> Any:
        if isinstance(content, dict):
            return {
                name: rewrite(value)
                if name in ("created_at", "next_expiration") and isinstance(value, str)
                else change(value)
                for name, value in content.items()
            }
        return [change(one) for one in content] if isinstance(content, list) else content

    reserialize(server, lambda content: orjson.dumps(change(content)))


@variant("Times have no milliseconds.")
def timestamps_in_whole_seconds(server: PatchedServer) -> None:
    rewrite_timestamps(server, lambda text: text[:-5] + "Z")


@variant("Times end in +00:00.")
def timestamps_with_zero_offset(server: PatchedServer) -> None:
    rewrite_timestamps(server, lambda text: text[:-1] + "+00:00")


@variant("Times have six digits behind the second, and end in +00:00.")
def timestamps_in_microseconds(server: PatchedServer) -> None:
    rewrite_timestamps(server, lambda text: text[:-1] + "123+00:00")
