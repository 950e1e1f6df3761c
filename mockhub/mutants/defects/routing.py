"""Mutants of paths and methods (END-1 to END-6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec.structs import replace

from mockhub.mutants.hooks import at_every, hook, on_request, on_response, replace_json
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Hook, mutant, mutant_table
from mockhub.mutants.responses import error_response, server_error, with_body, with_json
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web.asgi import Scope
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

Handle = Callable[[RequestContext], Awaitable[Response]]

# -- documented operations -----------------------------------------------------------------------


class Endpoint(NamedTuple):
    """A method and the beginning of its paths."""

    method: str
    path: str


@hook
def remove_endpoint(server: PatchedServer, endpoint: Endpoint) -> None:
    """Return 404 for an operation."""

    @server.on_request
    def reroute(headers: dict[bytes, bytes], scope: Scope) -> None:
        if scope["method"] == endpoint.method and scope["path"].startswith(endpoint.path):
            scope["path"] = "/nowhere"


mutant_table("END-1", remove_endpoint)(
    models_endpoint_missing=("GET /models does not exist.", Endpoint("GET", "/api/v1/models")),
)
mutant_table("END-2", remove_endpoint)(
    credits_endpoint_missing=("GET /credits does not exist.", Endpoint("GET", "/api/v1/credits")),
)
mutant_table("END-3", remove_endpoint)(
    generation_endpoint_missing=(
        "POST /images/generations does not exist.",
        Endpoint("POST", "/api/v1/images"),
    ),
)
mutant_table("END-4", remove_endpoint)(
    retrieval_endpoint_missing=(
        "GET /generations/{id} does not exist.",
        Endpoint("GET", "/api/v1/generations"),
    ),
)


@mutant("END-1", "The model list needs a key.")
@on_response(OperationId.LIST_MODELS, status=200)
def models_require_key(response: Response, context: RequestContext) -> Response:
    known = context.key_digest in context.hub.keys
    return response if known else error_response(context, "missingApiKey")


mutant_table("END-1", replace_json(OperationId.LIST_MODELS, status=200))(
    model_list_empty=("The model list is empty.", lambda content, context: {**content, "data": []}),
)
mutant_table("END-3", at_every(3, on_response(OperationId.CREATE_GENERATION, status=200)))(
    every_third_generation_crashes=(
        "Every third generation returns 500 and is charged.",
        lambda response, context: server_error(),
    ),
)

# -- other paths and methods ---------------------------------------------------------------------


def on_unrouted(status: int) -> Hook[Callable[[Response], Response]]:
    """Replace the response to a path or method without an operation."""

    @hook
    def apply(server: PatchedServer, change: Callable[[Response], Response]) -> None:
        server.on_response(status=status)(
            lambda response, context: change(response) if context.operation is None else response
        )

    return apply


mutant_table("END-5", on_unrouted(404), conforms_if_documented=True)(
    unknown_path_in_html=(
        "An unknown path returns HTML.",
        lambda response: with_body(response, b"<!DOCTYPE html><title>404</title>", "text/html"),
    ),
    unknown_path_in_detail=(
        "An unknown path returns {detail: Not Found}.",
        lambda response: with_json(response, {"detail": "Not Found"}),
    ),
    unknown_path_with_other_code=(
        "An unknown path returns the code routeNotFound.",
        lambda response: with_json(
            response, {"error": {"message": "No such route", "code": "routeNotFound"}}
        ),
    ),
    unknown_path_is_200=(
        "An unknown path returns 200, like the start page of a single-page application.",
        lambda response: replace(with_json(response, {}), status=200),
    ),
    unknown_path_crashes=(
        "An unknown path returns 500.",
        lambda response: replace(response, status=500),
    ),
)
mutant_table("END-6", on_unrouted(405), conforms_if_documented=True)(
    other_methods_crash=(
        "A method that a path does not have returns 500.",
        lambda response: replace(response, status=500),
    ),
    other_methods_without_allow=(
        "A 405 has no Allow header.",
        lambda response: replace(
            response, headers=tuple(header for header in response.headers if header[0] != b"allow")
        ),
    ),
    other_methods_in_html=(
        "A 405 is HTML.",
        lambda response: with_body(response, b"<h1>405</h1>", "text/html"),
    ),
)


@mutant("END-6", "PUT, PATCH and DELETE return what GET returns.")
@on_request
def all_methods_read(headers: dict[bytes, bytes], scope: Scope) -> None:
    if scope["method"] in ("PUT", "PATCH", "DELETE"):
        scope["method"] = "GET"


@mutant("END-6", "PUT generates an image and charges it, like POST.")
@on_request
def put_generates(headers: dict[bytes, bytes], scope: Scope) -> None:
    if scope["method"] == "PUT":
        scope["method"] = "POST"


@mutant("END-6", "DELETE removes a generation and returns 204.")
def delete_removes_generation(server: PatchedServer) -> None:
    deleted: set[str] = set()

    @wrap(server.api, "handle")
    async def handle(original: Handle, context: RequestContext) -> Response:
        id = context.path.rpartition("/")[2]
        response = await original(context)
        if context.method == "DELETE" and id in server.hub.generations:
            deleted.add(id)
            return replace(response, status=204, body=b"", headers=())
        return error_response(context, "notFound") if id in deleted else response
