"""Conforming variants with other headers, encodings, JSON formatting and response times."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable

import orjson
from msgspec.structs import replace

from mockhub.mutants import hooks, responses
from mockhub.mutants.hook import Hook
from mockhub.mutants.middleware import AsgiApp
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, variant, variant_table
from mockhub.mutants.types import Json, RequestContext, Response, Scope
from mockhub.spec.operations import OperationId
from mockhub.web.asgi import Message, Receive, Send
from mockhub.web.responses import Headers

_CHUNK_BYTES = 40
_BALANCES_AND_GENERATIONS = (
    OperationId.GET_CREDITS,
    OperationId.CREATE_GENERATION,
    OperationId.GET_GENERATION,
)


@Hook
def replace_sending(
    server: PatchedServer, send_all: Callable[[Scope, Message, bytes, Send], Awaitable[None]]
) -> None:
    """Collect each response and let a function send it."""

    @hooks.add_middleware.on(server)
    async def collect(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def buffer(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                await send_all(scope, start, body, send)

        await app(scope, receive, buffer)


@variant("Responses are compressed if the client accepts gzip.")
@replace_sending
async def gzipped(scope: Scope, start: Message, body: bytes, send: Send) -> None:
    headers = dict(start["headers"])
    if body and b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
        body = gzip.compress(body)
        headers[b"content-encoding"] = b"gzip"
        headers[b"vary"] = b"Accept-Encoding"
        headers[b"content-length"] = b"%d" % len(body)
    await send({**start, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": body})


@variant("Responses are sent in chunks, without a Content-Length.")
@replace_sending
async def chunked(scope: Scope, start: Message, body: bytes, send: Send) -> None:
    headers = [header for header in start["headers"] if header[0] != b"content-length"]
    await send({**start, "headers": headers})
    for at in range(0, len(body), _CHUNK_BYTES):
        chunk = body[at : at + _CHUNK_BYTES]
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@responses.on_response().adapted
def replace_headers(
    change: Callable[[Headers], Headers], response: Response, context: RequestContext
) -> Response:
    return replace(response, headers=change(response.headers))


variant_table(replace_headers)(
    connections_closed=Row(
        "The connection is closed after each response.",
        lambda headers: (*headers, (b"connection", b"close")),
    ),
    extra_headers=Row(
        "Responses have headers of a proxy, a framework, a session and a cache.",
        lambda headers: (
            *headers,
            (b"server", b"cloudflare"),
            (b"x-request-id", b"req_8c1f"),
            (b"x-ratelimit-remaining", b"99"),
            (b"strict-transport-security", b"max-age=63072000"),
            (b"set-cookie", b"session=1; Path=/; HttpOnly"),
            (b"cache-control", b"no-store"),
            (b"vary", b"Origin"),
            (b"retry-after", b"1"),
        ),
    ),
    # The server looks for content-length in lower case.
    capitalized_header_names=Row(
        "Header names are capitalized, except content-length.",
        lambda headers: tuple(
            (name if name == b"content-length" else name.title(), value) for name, value in headers
        ),
    ),
    no_www_authenticate=Row(
        "Responses to invalid keys have no WWW-Authenticate.",
        lambda headers: tuple(header for header in headers if header[0] != b"www-authenticate"),
    ),
)


@variant("The content type of responses has capitals.")
@responses.on_response()
def capitals_in_content_type(response: Response, context: RequestContext) -> Response:
    content_type = "Application/JSON;Charset=UTF-8"
    return responses.with_body(response, response.body, content_type) if response.body else response


@variant("The content type of responses has a charset.")
@responses.on_response()
def charset_in_content_type(response: Response, context: RequestContext) -> Response:
    content_type = "application/json; charset=utf-8"
    return responses.with_body(response, response.body, content_type) if response.body else response


@responses.on_response().adapted
def reserialize(
    serialize: Callable[[object], bytes], response: Response, context: RequestContext
) -> Response:
    if not response.body:
        return response
    return responses.with_body(response, serialize(orjson.loads(response.body)))


def map_objects(content: object, change: Callable[[Json], Json]) -> object:
    """Replace every JSON object in *content*, inner objects first."""
    if isinstance(content, dict):
        return change({name: map_objects(value, change) for name, value in content.items()})
    return [map_objects(item, change) for item in content] if isinstance(content, list) else content


@Hook
def replace_objects(server: PatchedServer, change: Callable[[Json], Json]) -> None:
    reserialize(lambda content: orjson.dumps(map_objects(content, change)))(server)


@Hook
def replace_timestamps(server: PatchedServer, change: Callable[[str], str]) -> None:
    def replace_in(content: Json) -> Json:
        for name in ("created_at", "next_expiration"):
            if isinstance(content.get(name), str):
                content[name] = change(content[name])
        return content

    replace_objects(replace_in)(server)


def _with_decimals(content: Json) -> Json:
    return {
        name: float(value) if name.startswith("credits") and isinstance(value, int) else value
        for name, value in content.items()
    }


variant_table(reserialize)(
    indented_json=Row(
        "JSON is indented, in ASCII, with sorted fields.",
        lambda content: json.dumps(content, indent=2, sort_keys=True).encode() + b"\n",
    )
)
variant_table(replace_objects)(
    reversed_field_order=Row(
        "The fields of JSON objects are in reverse order.",
        lambda content: dict(reversed(content.items())),
    ),
    decimal_credits=Row("Credits are written as decimals: 112.0.", _with_decimals),
)
variant_table(replace_timestamps)(
    timestamps_in_whole_seconds=Row(
        "Timestamps have no milliseconds.", lambda text: text[:-5] + "Z"
    ),
    timestamps_with_zero_offset=Row(
        "Timestamps end with +00:00.", lambda text: text[:-1] + "+00:00"
    ),
    timestamps_in_microseconds=Row(
        "Timestamps have microseconds and end with +00:00.", lambda text: text[:-1] + "123+00:00"
    ),
)


@variant("Every object has fields that are not documented.")
def extra_fields(server: PatchedServer) -> None:
    def extend(content: Json) -> Json:
        return {"request_id": "req_8c1f", "_links": {"self": None}, **content, "version": 3}

    @responses.replace_json(*_BALANCES_AND_GENERATIONS).on(server)
    def extend_all(content: Json, context: RequestContext) -> object:
        return map_objects(content, extend)

    @responses.mutate_json(OperationId.LIST_MODELS).on(server)
    def extend_list(content: Json, context: RequestContext) -> None:
        content.update(has_more=False, total=len(content["data"]))


@variant("Error messages are in another language; errors have more fields, and the request's id.")
@responses.mutate_json()
def translated_error_messages(content: Json, context: RequestContext) -> None:
    if isinstance(content.get("error"), dict):
        content["error"].update(
            message="अनुरोध पूरा नहीं हो सका।",
            type="api_error",
            param=None,
            docs="https://example.com",
            request_id=context.started_at,
        )


@variant("Every response takes 30 ms.")
def slow_responses(server: PatchedServer) -> None:
    @hooks.add_middleware.on(server)
    async def wait(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.03)
        await app(scope, receive, send)


@variant("Generations are executed one after the other, each in 50 ms.")
def sequential_generations(server: PatchedServer) -> None:
    lock = asyncio.Lock()

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        async with lock:
            await asyncio.sleep(0.05)
            return await call.proceed()


@variant("No path has HEAD.")
def no_head(server: PatchedServer) -> None:
    @hooks.add_middleware.on(server)
    async def reject(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        headers = [(b"allow", b"GET"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 405, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
