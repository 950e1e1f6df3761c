"""Defects of paths: those that there are not, and those that should be there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mockhub.mutants.hooks import at_every, on_response
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import server_error, with_body, with_json
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.asgi import Scope
from mockhub.web.context import RequestContext


def on_unrouted(
    server: PatchedServer, status: int
) -> Callable[[Callable[[responses.Response], responses.Response]], None]:
    """Let a function change the answer to what finds no operation."""

    def decorator(change: Callable[[responses.Response], responses.Response]) -> None:
        @server.on_response(status=status)
        def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
            return change(response) if context.operation is None else response

    return decorator


@mutant("END-5", "An unknown path is answered by a page of HTML.", conforms_if_documented=True)
def unknown_path_in_html(server: PatchedServer) -> None:
    page = b"<!DOCTYPE html><title>404</title>"
    on_unrouted(server, 404)(lambda response: with_body(response, page, "text/html"))


@mutant("END-5", "An unknown path is answered {detail: Not Found}.", conforms_if_documented=True)
def unknown_path_in_detail(server: PatchedServer) -> None:
    on_unrouted(server, 404)(lambda response: with_json(response, {"detail": "Not Found"}))


@mutant("END-5", "An unknown path's code is routeNotFound.", conforms_if_documented=True)
def unknown_path_with_other_code(server: PatchedServer) -> None:
    error = {"error": {"message": "No such route", "code": "routeNotFound"}}
    on_unrouted(server, 404)(lambda response: with_json(response, error))


@mutant(
    "END-5",
    "An unknown path is answered 200 and nothing, as by a page that routes itself.",
    conforms_if_documented=True,
)
def unknown_path_is_200(server: PatchedServer) -> None:
    on_unrouted(server, 404)(lambda response: replace(with_json(response, {}), status=200))


@mutant("END-5", "An unknown path is answered 500.", conforms_if_documented=True)
def unknown_path_crashes(server: PatchedServer) -> None:
    on_unrouted(server, 404)(lambda response: replace(response, status=500))


@mutant("END-6", "A method that a path does not have is answered 500.", conforms_if_documented=True)
def other_methods_crash(server: PatchedServer) -> None:
    on_unrouted(server, 405)(lambda response: replace(response, status=500))


@mutant("END-6", "A 405 does not tell which methods there are.", conforms_if_documented=True)
def other_methods_without_allow(server: PatchedServer) -> None:
    on_unrouted(server, 405)(
        lambda response: replace(
            response, headers=tuple(header for header in response.headers if header[0] != b"allow")
        )
    )


@mutant("END-6", "A 405 is a page of HTML.", conforms_if_documented=True)
def other_methods_in_html(server: PatchedServer) -> None:
    on_unrouted(server, 405)(lambda response: with_body(response, b"<h1>405</h1>", "text/html"))


@mutant("END-6", "PUT, PATCH and DELETE read what GET reads.")
def all_methods_read(server: PatchedServer) -> None:
    @server.on_request
    def rewrite(headers: dict[bytes, bytes], scope: Scope) -> None:
        if scope["method"] in ("PUT", "PATCH", "DELETE"):
            scope["method"] = "GET"


@mutant("END-6", "PUT generates as POST does, and is charged.")
def put_generates(server: PatchedServer) -> None:
    @server.on_request
    def rewrite(headers: dict[bytes, bytes], scope: Scope) -> None:
        if scope["method"] == "PUT":
            scope["method"] = "POST"


@mutant("END-6", "DELETE makes a generation unreadable, and answers 204.")
def delete_removes_generation(server: PatchedServer) -> None:
    deleted: set[str] = set()

    @wrap(server.api, "handle")
    async def handle(original: Any, context: RequestContext) -> responses.Response:
        id = context.path.rpartition("/")[2]
        response: responses.Response = await original(context)
        if context.method == "DELETE" and id in server.hub.generations:
            deleted.add(id)
            return replace(response, status=204, body=b"", headers=())
        return responses.error_response(server.error("notFound")) if id in deleted else response


def remove_endpoint(
    name: str, clause: str, description: str, path: str, method: str = "GET"
) -> None:
    """Register a mutant whose endpoint is not where the documentation says."""

    def apply(server: PatchedServer) -> None:
        @server.on_request
        def reroute(headers: dict[bytes, bytes], scope: Scope) -> None:
            if scope["method"] == method and scope["path"].startswith(path):
                scope["path"] = "/nowhere"

    mutant(clause, name=name, description=description)(apply)


remove_endpoint("models-endpoint-missing", "END-1", "There is no model list.", "/api/v1/models")
remove_endpoint("credits-endpoint-missing", "END-2", "There is no /credits.", "/api/v1/credits")
remove_endpoint(
    "generation-endpoint-missing", "END-3", "There is no way to generate.", "/api/v1/images", "POST"
)
remove_endpoint(
    "retrieval-endpoint-missing",
    "END-4",
    "There is no way to read a generation.",
    "/api/v1/generations",
)


on_generated = on_response(OperationId.CREATE_GENERATION, status=200)
mutant_table("END-3", at_every(3, on_generated))(
    every_third_generation_crashes=(
        "Every third generation returns 500 and is charged.",
        lambda response, context: server_error(),
    ),
)
