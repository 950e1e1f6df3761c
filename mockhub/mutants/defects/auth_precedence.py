"""Defects of what is judged before the key, and of keys where none is needed."""

from __future__ import annotations

from typing import Any

from mockhub.exceptions import ValidationError
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response


@mutant(
    "AUTH-10", "A bad body is refused before the key is looked at.", conforms_if_documented=True
)
def body_before_key(server: PatchedServer) -> None:
    path = server.spec.operations[OperationId.CREATE_GENERATION].path

    @wrap(server.api, "handle")
    async def validate_first(original: Original, context: RequestContext) -> Response:
        if context.method == "POST" and context.path == path:
            context.hub = server.hub
            try:
                context.parsed_request = await server.api.parse_request(context)
            except ValidationError as error:
                return responses.error_response(server.error("invalid_request", str(error)))
        response: Response = await original(context)
        return response

    @wrap(server.api, "parse_request")
    async def read_once(original: Original, context: RequestContext) -> GenerationRequest:
        return context.parsed_request or await original(context)


@mutant(
    "AUTH-10",
    "A body of another content type is refused before the key is looked at.",
    conforms_if_documented=True,
)
def content_type_before_key(server: PatchedServer) -> None:
    @wrap(server.api, "authenticate")
    def authenticate(original: Any, context: RequestContext) -> Any:
        content_type = context.headers.get(b"content-type", b"")
        if context.method == "POST" and not content_type.startswith(
            (b"application/json", b"multipart/")
        ):
            raise server.error("invalid_request")
        return original(context)


@mutant("AUTH-3", "An unknown generation is not found, with or without a key.", level="inferred")
def unknown_id_before_key(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, code="missingApiKey")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        if context.path_param in server.hub.generations:
            return response
        return responses.error_response(server.error("notFound"))


@mutant(
    "AUTH-11",
    "The model list needs no key, and refuses one that is unknown, revoked or expired.",
    conforms_if_documented=True,
)
def models_validate_keys(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.LIST_MODELS)
    async def list_models(call_next: Any, context: RequestContext, account: Any) -> Any:
        if context.authorization is not None:
            server.hub.authenticate(context.credentials)
        return await call_next(context, account)


@mutant(
    "AUTH-11",
    "The model list refuses an Authorization header of another scheme with 400.",
    conforms_if_documented=True,
)
def models_reject_other_schemes(server: PatchedServer) -> None:
    @server.on_response(OperationId.LIST_MODELS, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        if context.authorization is None or context.key_digest:
            return response
        return responses.error_response(server.error("invalid_request"))
