"""Responses: hooks that change them, and functions that make others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import orjson
from msgspec.structs import replace

from mockhub.mutants.hook import Hook, hook_factory
from mockhub.mutants.hooks import Call, wrap_handler
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.types import Generation, Json, RequestContext, RequestHeaders, Response, Scope
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import OperationId
from mockhub.web import responses as web_responses
from mockhub.web.responses import json_response

ResponseChange = Callable[[Response, RequestContext], Response]
JsonChange = Callable[[Json, RequestContext], object]
GenerationChange = Callable[[Json, Generation], object]
SendResponse = Callable[..., Response]

FIELDS = ("object", "id", "status", "model", "aspect_ratio", "quality", "images", "usage")


@hook_factory
def on_response(
    server: PatchedServer,
    change: ResponseChange,
    *operations: str,
    status: int | None = None,
    code: str | None = None,
) -> None:
    """Replace responses of some operations, with a status or with an error code.

    Without *operations*, of all but the download of images.
    """

    @wrap(server.api, "handle")
    async def handle(original: Original, context: RequestContext) -> Response:
        response: Response = await original(context)
        operation_id = context.operation.id if context.operation else ""
        matches = (
            operation_id in (operations or {operation_id} - {OperationId.GET_IMAGE})
            and status in (None, response.status)
            and code in (None, error_code(response))
        )
        return change(response, context) if matches else response


on_read = on_response(OperationId.GET_GENERATION, status=200)


@hook_factory
def replace_json(
    server: PatchedServer,
    change: JsonChange,
    *operations: str,
    status: int | None = None,
    code: str | None = None,
) -> None:
    """Replace the JSON of responses by what the function returns."""

    @on_response(*operations, status=status, code=code).on(server)
    def replace_body(response: Response, context: RequestContext) -> Response:
        with suppress(orjson.JSONDecodeError):
            return with_json(response, change(orjson.loads(response.body), context))
        return response


@hook_factory
def mutate_json(
    server: PatchedServer,
    change: JsonChange,
    *operations: str,
    status: int | None = None,
    code: str | None = None,
) -> None:
    """Change the JSON of responses in place; the result of the function is ignored."""

    @replace_json(*operations, status=status, code=code).on(server)
    def mutate(content: Json, context: RequestContext) -> Json:
        change(content, context)
        return content


@hook_factory
def _mutate_generation(
    server: PatchedServer, change: GenerationChange, *operations: str, status: int | None = None
) -> None:
    @mutate_json(*operations, status=status).on(server)
    def mutate(content: Json, context: RequestContext) -> None:
        if "error" not in content or "id" in content:
            change(content, generation_of(context))


# These change the JSON of a generation in place: in all responses, in the response to a synchronous
# or to an asynchronous request, and when it is read.
mutate_generation = _mutate_generation(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION)
mutate_result = _mutate_generation(OperationId.CREATE_GENERATION, status=200)
mutate_accepted = _mutate_generation(OperationId.CREATE_GENERATION, status=202)
mutate_log = _mutate_generation(OperationId.GET_GENERATION, status=200)


@Hook
def mutate_log_at_read(
    server: PatchedServer, change: Callable[[Json, Generation, int], object]
) -> None:
    """Change the log of a generation, given how often it has been read, this read included."""
    reads: Counter[str] = Counter()

    @mutate_log.on(server)
    def mutate(content: Json, generation: Generation) -> None:
        reads[generation.id] += 1
        change(content, generation, reads[generation.id])


@mutate_generation.adapted
def mutate_images(
    change: Callable[[Json, int], object], content: Json, generation: Generation
) -> None:
    """Change each image of every generation, given its index."""
    for index, image in enumerate(content.get("images") or ()):
        change(image, index)


@mutate_json(OperationId.GET_CREDITS, OperationId.CREATE_GENERATION, status=200).adapted
def mutate_balances(
    change: Callable[[Json], object], content: Json, context: RequestContext
) -> None:
    """Change the balance object of /credits and of generations."""
    change(content.get("balance", content))


@Hook
def on_image_response(
    server: PatchedServer, change: Callable[[Response, Scope, RequestHeaders], Response]
) -> None:
    """Replace the response to a request of an image, given its scope and headers."""

    @wrap_handler(OperationId.GET_IMAGE).on(server)
    async def get_image(call: Call) -> Response:
        response, context = await call.proceed(), call.context
        return change(response, context.scope, context.headers)


# -- errors --------------------------------------------------------------------------------------


@hook_factory
def change_error(
    server: PatchedServer, replacement: int | str | tuple[int, str], code: str, *operations: str
) -> None:
    """Return an error with another status, with another code, or with both."""

    @on_response(*operations, code=code).on(server)
    def replace_error(response: Response, context: RequestContext) -> Response:
        content, status = orjson.loads(response.body), response.status
        match replacement:
            case int():
                status = replacement
            case str():
                content["error"]["code"] = replacement
            case _:
                status, content["error"]["code"] = replacement
        return replace(with_json(response, content), status=status)


@hook_factory
def mutate_errors(server: PatchedServer, change: Callable[[Json], object], *codes: str) -> None:
    for code in codes:
        mutate_json(code=code)(lambda content, context: change(content["error"]))(server)


@hook_factory
def replace_errors(server: PatchedServer, change: Callable[[Json], object], *codes: str) -> None:
    """Replace the JSON of errors, given their message and code."""
    for code in codes:
        replace_json(code=code)(lambda content, context: change(content["error"]))(server)


# -- other responses -----------------------------------------------------------------------------


def with_json(response: Response, content: object) -> Response:
    return with_body(response, orjson.dumps(content))


def with_body(response: Response, body: bytes, content_type: str | None = None) -> Response:
    changed = {b"content-length": b"%d" % len(body)}
    if content_type is not None:
        changed[b"content-type"] = content_type.encode()
    headers = tuple((name, changed.get(name, value)) for name, value in response.headers)
    return Response(response.status, body, headers)


def error_response(context: RequestContext, code: str) -> Response:
    return web_responses.error_response(context.hub.spec.errors.error(code))


def custom_error(status: int, code: str, message: str) -> Response:
    return json_response(status, {"error": {"message": message, "code": code}})


def rate_limited(*args: object) -> Response:
    """Return a 429, which the documentation does not have (LIM-2)."""
    content = {"error": {"message": "Too many requests", "code": "rateLimited"}}
    return json_response(429, content, {"Retry-After": "0"})


def generation_of(context: RequestContext) -> Generation:
    return context.hub.generations[context.generation or ""]


def error_code(response: Response) -> str | None:
    if not response.body.startswith(b'{"error"'):
        return None
    error: object = orjson.loads(response.body).get("error")
    return error.get("code") if isinstance(error, dict) else None


# -- functions for the rows of tables ------------------------------------------------------------


def send_status(status: int) -> SendResponse:
    return lambda response, *rest: replace(response, status=status)


def send_body(body: bytes, content_type: str | None = None) -> SendResponse:
    return lambda response, *rest: with_body(response, body, content_type)


def send_json(content: object, status: int | None = None) -> SendResponse:
    return lambda response, *rest: replace(
        with_json(response, content), status=status or response.status
    )


def send_content_type(content_type: str) -> SendResponse:
    return lambda response, *rest: with_body(response, response.body, content_type)


def send_error(code: str) -> SendResponse:
    return lambda response, context: error_response(context, code)


def send_custom_error(status: int, code: str, message: str = "Not possible") -> SendResponse:
    error = custom_error(status, code, message)
    return lambda *args: error


def crash(*args: object) -> Response:
    """Return the page of a web server whose application raised an exception."""
    body = b"Internal Server Error"
    headers = ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)))
    return Response(500, body, headers)
