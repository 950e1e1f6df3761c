"""Mutants of who can read a generation, and of unknown ids (RET-2, RET-3, RET-5)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import constant
from mockhub.mutants.hook import Hook, every
from mockhub.mutants.matching import (
    all_of,
    has_count,
    has_failed,
    is_async,
    is_paid_by,
    is_running,
    is_sync,
)
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import send_custom_error, send_json
from mockhub.mutants.types import Account, Generation, RequestContext, Response
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import OperationId
from mockhub.web.responses import json_response

_OK = 200

ForeignReadChange = Callable[[Response, RequestContext, Generation], Response]

_SHORTEST_PREFIX = 6
_UUID_HYPHENS = 4
_WORK_SECONDS = 0.02  # of a read, in which another one may arrive

on_not_found = responses.on_response(OperationId.GET_GENERATION, code="notFound")


@Hook
def allow_foreign_reads(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Let every account read some generations of others."""

    @wrap(server.hub, "get_generation")
    def read(original: Original, account: Account, id: str) -> object:
        generation = server.hub.generations.get(id)
        if generation and generation.account != account.id and matches(generation):
            account = server.hub.accounts[generation.account]
        return original(account, id)


@Hook
def on_foreign_read(server: PatchedServer, change: ForeignReadChange) -> None:
    """Replace the 404 for a generation that another account owns."""

    @on_not_found.on(server)
    def replace(response: Response, context: RequestContext) -> Response:
        generation = server.hub.generations.get(context.path_param or "")
        return change(response, context, generation) if generation else response


mutant_table("RET-2", allow_foreign_reads)(
    all_shown_to_others=Row("Every key can read the generations of all.", constant(True)),
    running_shown_to_others=Row(
        "Every key can poll a generation while it runs.", lambda generation: not generation.ended
    ),
    finished_shown_to_others=Row(
        "Every key can read a generation that has ended.", lambda generation: generation.ended
    ),
    async_shown_to_others=Row("Every key can read asynchronous generations.", is_async),
    sync_shown_to_others=Row("Every key can read synchronous generations.", is_sync),
    failed_shown_to_others=Row("Every key can read failed generations.", has_failed),
    generations_of_other_shown=Row(
        "Every key can read the generations of the account `other`.", is_paid_by("other")
    ),
    generations_of_low_shown=Row(
        "Every key can read the generations of the account `low`.", is_paid_by("low")
    ),
    tasks_of_three_shown_to_others=Row(
        "Every key can read a task of three images.", all_of(is_async, has_count(3))
    ),
)


@mutant("RET-2", "Every third read of a generation of another user is allowed.")
def every_third_foreign_read_allowed(server: PatchedServer) -> None:
    third = every(3)
    allow_foreign_reads(lambda generation: third())(server)


@mutant("RET-2", "A generation that its owner has read is cached, and then returned to every key.")
def shared_after_owner_reads(server: PatchedServer) -> None:
    shared: set[str] = set()

    @wrap(server.hub, "get_generation")
    def read(original: Original, account: Account, id: str) -> Generation:
        if id in shared:
            account = server.hub.accounts[server.hub.generations[id].account]
        generation: Generation = original(account, id)
        if generation.ended:
            shared.add(id)
        return generation


@mutant("RET-2", "A body that another user has sent before returns the generation of that user.")
def generations_shared_by_body(server: PatchedServer) -> None:
    first: dict[str, tuple[str, Response]] = {}

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        response, request = await call.proceed(), call.context.parsed_request
        if response.status != _OK or not request or request.n > 1:
            return response
        payer, earlier = first.setdefault(request.prompt, (call.account.id, response))
        return response if payer == call.account.id else earlier


@mutant("RET-2", "A read that arrives during another one of the generation gets its response.")
def concurrent_reads_coalesced(server: PatchedServer) -> None:
    in_progress: dict[str, asyncio.Task[Response]] = {}

    @hooks.wrap_handler(OperationId.GET_GENERATION).on(server)
    async def read(call: hooks.Call) -> Response:
        async def proceed() -> Response:
            await asyncio.sleep(_WORK_SECONDS)
            return await call.proceed()

        id = call.context.path_param or ""
        if id not in in_progress:
            in_progress[id] = asyncio.create_task(proceed())
            in_progress[id].add_done_callback(lambda task: in_progress.pop(id))
        return await in_progress[id]


mutant_table("RET-2", on_foreign_read)(
    foreign_read_is_403=Row(
        "A generation of another user returns 403.", send_custom_error(403, "forbidden")
    ),
    foreign_read_is_401=Row(
        "A generation of another user returns 401.", send_custom_error(401, "invalidApiKey")
    ),
    foreign_read_with_other_code=Row(
        "Another user's generation has a code of its own.", send_custom_error(404, "notYours")
    ),
    foreign_read_message_reveals_existence=Row(
        "The message of the 404 says that the generation belongs to another account.",
        send_custom_error(404, "notFound", "This generation belongs to another account"),
        level="inferred",
    ),
)


@mutant("RET-2", "A generation of another user is returned without its images.")
def foreign_read_without_images(server: PatchedServer) -> None:
    @on_foreign_read.on(server)
    def show(response: Response, context: RequestContext, generation: Generation) -> Response:
        return json_response(200, {**server.log_json(generation), "images": []})


@mutant("RET-2", "A read of a generation of another user returns 404 and costs a credit.")
def foreign_read_charged(server: PatchedServer) -> None:
    @on_foreign_read.on(server)
    def charge(response: Response, context: RequestContext, generation: Generation) -> Response:
        assert context.account
        server.adjust_balance(context.account, -1)
        return response


@mutant("RET-2", "A read of a running generation of another user returns 404 and makes it fail.")
@on_foreign_read
def foreign_read_fails_generation(
    response: Response, context: RequestContext, generation: Generation
) -> Response:
    context.hub.complete(generation.id, failed=True)
    return response


@Hook
def hide_from_other_keys(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    creating_keys: dict[str, bytes | None] = {}

    @hooks.after_generation.on(server)
    def store(context: RequestContext, account: Account) -> None:
        creating_keys[context.generation or ""] = context.key_digest

    @responses.on_read.on(server)
    def hide(response: Response, context: RequestContext) -> Response:
        if creating_keys.get(context.path_param or "", context.key_digest) == context.key_digest:
            return response
        if response.status != _OK or not matches(responses.generation_of(context)):
            return response
        return responses.error_response(context, "notFound")


mutant_table("RET-5", hide_from_other_keys)(
    only_creating_key_reads=Row(
        "A second key of a user cannot read what the first one has created.", constant(True)
    ),
    only_creating_key_reads_tasks=Row(
        "A second key of a user cannot read the tasks of the first one.", is_async
    ),
    only_creating_key_reads_running_tasks=Row(
        "A second key of a user cannot read the tasks of the first one until they end.", is_running
    ),
)


@mutant("RET-5", "The first key of a user cannot read what a second one has created.")
def only_second_key_reads(server: PatchedServer) -> None:
    first_keys: dict[str, bytes | None] = {}
    foreign: set[str | None] = set()

    @hooks.after_generation.on(server)
    def store(context: RequestContext, account: Account) -> None:
        if first_keys.setdefault(account.id, context.key_digest) != context.key_digest:
            foreign.add(context.generation)

    @responses.on_read.on(server)
    def hide(response: Response, context: RequestContext) -> Response:
        is_first = context.key_digest in first_keys.values()
        hidden = is_first and context.path_param in foreign
        return responses.error_response(context, "notFound") if hidden else response


@mutant("RET-5", "What a second key has read of a task is cached for it.")
def reads_of_other_keys_cached(server: PatchedServer) -> None:
    creating_keys: dict[str, bytes | None] = {}
    cache: dict[tuple[str, bytes | None], Response] = {}

    @hooks.after_generation.on(server)
    def store(context: RequestContext, account: Account) -> None:
        creating_keys[context.generation or ""] = context.key_digest

    @responses.on_read.on(server)
    def cached(response: Response, context: RequestContext) -> Response:
        id = context.path_param or ""
        if creating_keys.get(id, context.key_digest) == context.key_digest:
            return response
        return cache.setdefault((id, context.key_digest), response)


mutant_table("RET-3", responses.change_error("notFound", OperationId.GET_GENERATION))(
    unknown_id_is_400=Row("An unknown id returns 400.", (400, "invalid_request")),
    unknown_id_crashes=Row("An unknown id returns 500.", (500, "internalError")),
)
mutant_table("RET-3", on_not_found)(
    unknown_id_is_null=Row("An unknown id returns 200 with null.", send_json(None, status=200))
)


@mutant("RET-3", "An id that does not look like a generated one returns 500.")
@on_not_found
def malformed_ids_crash(response: Response, context: RequestContext) -> Response:
    well_formed = (context.path_param or "").startswith("clx")
    return response if well_formed else responses.custom_error(500, "internalError", "bad id")


def unknown_id_as_queued(response: Response, context: RequestContext) -> Response:
    operation = context.hub.spec.operations[OperationId.CREATE_GENERATION]
    return json_response(200, {**operation.examples[202]["async"], "id": context.path_param})


mutant_table("RET-3", on_not_found)(
    unknown_id_is_queued=Row("An unknown id returns a queued generation.", unknown_id_as_queued)
)


@mutant("RET-3", "While a task of the user runs, an unknown id returns it.")
@on_not_found.with_server
def unknown_id_is_running_task(
    server: PatchedServer, response: Response, context: RequestContext
) -> Response:
    assert context.account
    running = server.running_generations(context.account)
    return json_response(200, server.log_json(running[-1])) if running else response


@mutant("RET-3", "An unknown UUID returns a queued generation.")
@on_not_found
def unknown_uuid_is_queued(response: Response, context: RequestContext) -> Response:
    is_uuid = (context.path_param or "").count("-") == _UUID_HYPHENS
    return unknown_id_as_queued(response, context) if is_uuid else response


@Hook
def resolve_id(server: PatchedServer, resolve: Callable[[str, Sequence[str]], str]) -> None:
    """Read another id, chosen among the requested id and those of the account."""

    @wrap(server.hub, "get_generation")
    def read(original: Original, account: Account, id: str) -> object:
        return original(account, resolve(id, server.generation_ids(account)))


@mutant("RET-3", "The beginning of an id returns the first generation whose id begins with it.")
@resolve_id
def id_prefix_accepted(id: str, known_ids: Sequence[str]) -> str:
    matches = (known for known in known_ids if known.startswith(id))
    return next(matches, id) if len(id) >= _SHORTEST_PREFIX else id


@mutant("RET-3", "Database wildcards in an id are interpreted: % returns a generation of the user.")
@resolve_id
def id_wildcards_accepted(id: str, known_ids: Sequence[str]) -> str:
    pattern = re.compile(re.escape(id).replace("%", ".*").replace("_", "."), re.IGNORECASE)
    return next(filter(pattern.fullmatch, known_ids), id)


mutant_table("RET-3", resolve_id)(
    blanks_around_id_ignored=Row(
        "Blanks and control characters around an id are ignored.",
        lambda id, known_ids: id.strip(" \t\n\0"),
        level="inferred",
    ),
    id_case_ignored=Row(
        "An id is compared without regard to case.",
        lambda id, known_ids: next((one for one in known_ids if one.lower() == id.lower()), id),
        level="inferred",
    ),
)


@mutant("RET-3", "An id with characters that are not ASCII returns 500.", level="inferred")
@on_not_found
def unusual_ids_crash(response: Response, context: RequestContext) -> Response:
    is_plain = (context.path_param or "").isascii()
    return response if is_plain else responses.custom_error(500, "internalError", "bad id")


mutant_table("RET-2", responses.on_response(OperationId.GET_CREDITS, OperationId.GET_GENERATION))(
    private_responses_cached_for_all=Row(
        "Balances and generations may be stored by shared caches.",
        lambda response, context: replace(
            response, headers=(*response.headers, (b"cache-control", b"public, max-age=60"))
        ),
        level="inferred",
    )
)
