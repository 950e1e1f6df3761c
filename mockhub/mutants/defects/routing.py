"""Mutants of paths and methods (END-1 to END-6)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import update
from mockhub.mutants.hook import Hook, at_every, hook_factory
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import (
    ResponseChange,
    crash,
    send_body,
    send_custom_error,
    send_json,
    send_status,
)
from mockhub.mutants.types import RequestContext, RequestHeaders, Response, Scope
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import OperationId


@hooks.on_request.adapted
def remove_endpoint(endpoint: str, headers: RequestHeaders, scope: Scope) -> None:
    """Return 404 for a method and the paths that begin with a text."""
    if f"{scope['method']} {scope['path']}".startswith(endpoint):
        scope["path"] = "/nowhere"


mutant_table("END-1", remove_endpoint)(
    models_endpoint_missing=Row("GET /models is missing.", "GET /api/v1/models")
)
mutant_table("END-2", remove_endpoint)(
    credits_endpoint_missing=Row("GET /credits is missing.", "GET /api/v1/credits")
)
mutant_table("END-3", remove_endpoint)(
    generation_endpoint_missing=Row("POST /images/generations is missing.", "POST /api/v1/images")
)
mutant_table("END-4", remove_endpoint)(
    retrieval_endpoint_missing=Row("GET /generations/{id} is missing.", "GET /api/v1/generations")
)


@mutant("END-1", "The model list needs a key.")
@responses.on_response(OperationId.LIST_MODELS, status=200)
def models_require_key(response: Response, context: RequestContext) -> Response:
    known = context.key_digest in context.hub.keys
    return response if known else responses.error_response(context, "missingApiKey")


mutant_table("END-1", responses.mutate_json(OperationId.LIST_MODELS, status=200))(
    model_list_empty=Row("The model list is empty.", update(data=[]))
)
mutant_table(
    "END-3", at_every(3, responses.on_response(OperationId.CREATE_GENERATION, status=200))
)(every_third_generation_crashes=Row("Every third generation returns 500 and is charged.", crash))


@hook_factory
def on_unrouted(server: PatchedServer, change: ResponseChange, status: int) -> None:
    """Replace the response to a path or method without an operation."""

    @responses.on_response(status=status).on(server)
    def replace_response(response: Response, context: RequestContext) -> Response:
        return change(response, context) if context.operation is None else response


@mutant("END-6", "A 405 has no Allow header.", conforms_if_documented=True)
@on_unrouted(405)
def other_methods_without_allow(response: Response, context: RequestContext) -> Response:
    headers = tuple(header for header in response.headers if header[0] != b"allow")
    return replace(response, headers=headers)


mutant_table("END-5", on_unrouted(404), conforms_if_documented=True)(
    unknown_path_in_html=Row(
        "An unknown path returns HTML.", send_body(b"<title>404</title>", "text/html")
    ),
    unknown_path_in_detail=Row(
        "An unknown path returns {detail: Not Found}.", send_json({"detail": "Not Found"})
    ),
    unknown_path_with_other_code=Row(
        "An unknown path returns the code routeNotFound.", send_custom_error(404, "routeNotFound")
    ),
    unknown_path_is_200=Row("An unknown path returns 200 and {}.", send_json({}, status=200)),
    unknown_path_crashes=Row("An unknown path returns 500.", send_status(500)),
)
mutant_table("END-6", on_unrouted(405), conforms_if_documented=True)(
    other_methods_crash=Row("A method that a path does not have returns 500.", send_status(500)),
    other_methods_in_html=Row("A 405 is HTML.", send_body(b"<h1>405</h1>", "text/html")),
)


@mutant("END-6", "A 405 to a method of a generation's path is HTML.", conforms_if_documented=True)
@on_unrouted(405)
def generation_methods_in_html(response: Response, context: RequestContext) -> Response:
    if not context.path.startswith("/api/v1/generations/"):
        return response
    return send_body(b"<h1>405</h1>", "text/html")(response, context)


@mutant("END-6", "PUT, PATCH and DELETE return what GET returns.")
@hooks.on_request
def all_methods_read(headers: RequestHeaders, scope: Scope) -> None:
    if scope["method"] in ("PUT", "PATCH", "DELETE"):
        scope["method"] = "GET"


@mutant("END-6", "PUT generates an image and charges it, like POST.")
@hooks.on_request
def put_generates(headers: RequestHeaders, scope: Scope) -> None:
    if scope["method"] == "PUT":
        scope["method"] = "POST"


@Hook
def remove_generation(server: PatchedServer, matches: Callable[[RequestContext], bool]) -> None:
    """Let some requests of a generation remove it, and return 204."""
    deleted: set[str] = set()

    @wrap(server.api, "handle")
    async def handle(original: Original, context: RequestContext) -> Response:
        id = context.path.rpartition("/")[2]
        response: Response = await original(context)
        if matches(context) and id in server.hub.generations:
            deleted.add(id)
            return replace(response, status=204, body=b"", headers=())
        return responses.error_response(context, "notFound") if id in deleted else response


mutant_table("END-6", remove_generation)(
    delete_removes_generation=Row(
        "DELETE removes a generation and returns 204.", lambda context: context.method == "DELETE"
    ),
    method_in_header_removes_generation=Row(
        "DELETE in X-HTTP-Method-Override removes a generation.",
        lambda context: context.headers.get(b"x-http-method-override") == b"DELETE",
    ),
)
