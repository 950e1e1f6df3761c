"""Defects of ownership: who reads what, and what a stranger can tell."""

from __future__ import annotations

import re
from typing import Any

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web import responses, serializers
from mockhub.web.context import RequestContext


def foreign_generation(server: PatchedServer, context: RequestContext) -> Generation | None:
    """The generation that is asked for, if it is another user's."""
    generation = server.hub.generations.get(context.path_param or "")
    return (
        generation
        if generation and context.account and generation.account != context.account.id
        else None
    )


def allow_foreign_reads(server: PatchedServer, matches: Any) -> None:
    """Show generations to everybody where *wanted* says so."""

    @wrap(server.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        generation = server.hub.generations.get(id)
        if generation and matches(generation):
            return original(server.hub.accounts[generation.account], id)
        return original(account, id)


@mutant("RET-2", "Whoever has a key reads everybody's generations.")
def all_shown_to_others(server: PatchedServer) -> None:
    allow_foreign_reads(server, lambda generation: True)


@mutant("RET-2", "While a generation runs, whoever has a key can poll it.")
def running_shown_to_others(server: PatchedServer) -> None:
    allow_foreign_reads(server, lambda generation: not generation.ended)


@mutant("RET-2", "Once a generation has ended, whoever has a key reads it.")
def finished_shown_to_others(server: PatchedServer) -> None:
    allow_foreign_reads(server, lambda generation: generation.ended)


@mutant("RET-2", "Asynchronous generations can be read by whoever has a key.")
def async_shown_to_others(server: PatchedServer) -> None:
    allow_foreign_reads(server, lambda generation: generation.request.run_async)


@mutant("RET-2", "Synchronous generations can be read by whoever has a key.")
def sync_shown_to_others(server: PatchedServer) -> None:
    allow_foreign_reads(server, lambda generation: not generation.request.run_async)


@mutant("RET-2", "Generations that failed can be read by whoever has a key.")
def failed_shown_to_others(server: PatchedServer) -> None:
    allow_foreign_reads(server, lambda generation: generation.status == "failed")


def respond_to_foreign_read(server: PatchedServer, status: int, code: str) -> None:
    """Answer a stranger otherwise than who asks for nothing that there is."""

    @server.on_response(OperationId.GET_GENERATION, code="notFound")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        if not foreign_generation(server, context):
            return response
        return responses.json_response(status, {"error": {"message": "Not yours", "code": code}})


@mutant("RET-2", "Another user's generation answers 403, which tells that it exists.")
def foreign_read_is_403(server: PatchedServer) -> None:
    respond_to_foreign_read(server, 403, "forbidden")


@mutant("RET-2", "Another user's generation answers 401 invalidApiKey.")
def foreign_read_is_401(server: PatchedServer) -> None:
    respond_to_foreign_read(server, 401, "invalidApiKey")


@mutant("RET-2", "Another user's generation answers 404 with a code of its own.")
def foreign_read_with_other_code(server: PatchedServer) -> None:
    respond_to_foreign_read(server, 404, "notYours")


@mutant("RET-2", "Another user's generation is shown without its images.")
def foreign_read_without_images(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, code="notFound")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        generation = foreign_generation(server, context)
        if generation is None:
            return response
        links = server.api.links(server.hub.name)
        content = serializers.generation_log(
            generation, server.hub, links, now=server.hub.clock.now()
        )
        return responses.json_response(200, {**content, "images": []})


@mutant("RET-2", "Who asks for another user's generation is answered 404 and charged a credit.")
def foreign_read_charged(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, code="notFound")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        if foreign_generation(server, context) and context.account:
            server.adjust_balance(context.account, -1)
        return response


@mutant(
    "RET-2", "Who asks for another user's running generation is answered 404 and makes it fail."
)
def foreign_read_fails_generation(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, code="notFound")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        generation = foreign_generation(server, context)
        if generation and not generation.ended:
            server.hub.complete(generation.id, failed=True)
        return response


@mutant(
    "RET-2", "A generation that its owner has read is kept, and then shown to whoever asks for it."
)
def shared_after_owner_reads(server: PatchedServer) -> None:
    shared: set[str] = set()

    @wrap(server.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        if id in shared:
            account = server.hub.accounts[server.hub.generations[id].account]
        found = original(account, id)
        if found.ended:
            shared.add(id)
        return found


@mutant("RET-5", "A second key of the same user does not find what the first one made.")
def only_creating_key_reads(server: PatchedServer) -> None:
    creating_keys: dict[str, bytes | None] = {}

    @server.after_success(OperationId.CREATE_GENERATION)
    def note(context: RequestContext, account: Account) -> None:
        creating_keys[context.generation or ""] = context.key_digest

    @server.on_response(OperationId.GET_GENERATION, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        if creating_keys.get(context.path_param or "", context.key_digest) == context.key_digest:
            return response
        return responses.error_response(server.error("notFound"))


@mutant("RET-3", "An unknown generation answers 400.")
def unknown_id_is_400(server: PatchedServer) -> None:
    server.change_error(
        "notFound", OperationId.GET_GENERATION, status=400, new_code="invalid_request"
    )


@mutant("RET-3", "An unknown generation answers 200 and null.")
def unknown_id_is_null(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, code="notFound")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        return responses.json_response(200, None)


@mutant("RET-3", "An unknown generation answers 500.")
def unknown_id_crashes(server: PatchedServer) -> None:
    server.change_error(
        "notFound", OperationId.GET_GENERATION, status=500, new_code="internalError"
    )


@mutant("RET-3", "An unknown generation is taken for one that is still queued.")
def unknown_id_is_queued(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, code="notFound")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        example = server.spec.operations[OperationId.CREATE_GENERATION].examples[202]["queued"]
        return responses.json_response(200, {**example, "id": context.path_param})


@mutant("RET-3", "An id that does not look like one of ours answers 500.")
def malformed_ids_crash(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, code="notFound")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        if (context.path_param or "").startswith("clx"):
            return response
        return responses.json_response(
            500, {"error": {"message": "bad id", "code": "internalError"}}
        )


@mutant("RET-3", "The beginning of an id finds the first generation of the user that begins so.")
def id_prefix_accepted(server: PatchedServer) -> None:
    @wrap(server.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        own_ids = (
            generation.id
            for generation in server.hub.generations.values()
            if generation.account == account.id
        )
        found = next((known for known in own_ids if len(id) > 5 and known.startswith(id)), id)  # noqa: PLR2004
        return original(account, found)


@mutant(
    "RET-3", "An id may have the wildcards of a database: % finds one of the user's generations."
)
def id_wildcards_accepted(server: PatchedServer) -> None:
    @wrap(server.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        pattern = re.compile(re.escape(id).replace("%", ".*").replace("_", "."), re.IGNORECASE)
        own_ids = (
            generation.id
            for generation in server.hub.generations.values()
            if generation.account == account.id
        )
        return original(account, next(filter(pattern.fullmatch, own_ids), id))


@mutant(
    "RET-2",
    "The message of the 404 tells who asks for another user's generation that it is that.",
    level="inferred",
)
def foreign_read_message_reveals_existence(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.GET_GENERATION, code="notFound")
    def rewrite(content: Any, context: RequestContext) -> None:
        if foreign_generation(server, context):
            content["error"]["message"] = "This generation belongs to another account"
