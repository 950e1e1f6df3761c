"""Mutants of who can read a generation, and of unknown ids (RET-2, RET-3, RET-5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.mutants.hooks import change_error, every, hook, on_response
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import custom_error, error_response
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response, json_response

_SHORTEST_PREFIX = 6

on_not_found = on_response(OperationId.GET_GENERATION, code="notFound")


@hook
def allow_foreign_reads(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Let every account read some generations of others."""

    @wrap(server.hub, "get_generation")
    def read(original: Callable[..., Generation], account: Account, id: str) -> Generation:
        generation = server.hub.generations.get(id)
        if generation and generation.account != account.id and matches(generation):
            account = server.hub.accounts[generation.account]
        return original(account, id)


@hook
def on_foreign_read(
    server: PatchedServer, change: Callable[[Response, RequestContext, Generation], Response]
) -> None:
    """Replace the 404 for a generation that another account owns."""

    @server.on_response(OperationId.GET_GENERATION, code="notFound")
    def replace(response: Response, context: RequestContext) -> Response:
        generation = server.hub.generations.get(context.path_param or "")
        return change(response, context, generation) if generation else response


mutant_table("RET-2", allow_foreign_reads)(
    all_shown_to_others=("Every key can read the generations of all.", lambda generation: True),
    running_shown_to_others=(
        "Every key can poll a generation while it runs.",
        lambda generation: not generation.ended,
    ),
    finished_shown_to_others=(
        "Every key can read a generation that has ended.",
        lambda generation: generation.ended,
    ),
    async_shown_to_others=(
        "Every key can read asynchronous generations.",
        lambda generation: generation.request.run_async,
    ),
    sync_shown_to_others=(
        "Every key can read synchronous generations.",
        lambda generation: not generation.request.run_async,
    ),
    failed_shown_to_others=(
        "Every key can read failed generations.",
        lambda generation: generation.status == "failed",
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
    def read(original: Callable[..., Generation], account: Account, id: str) -> Generation:
        if id in shared:
            account = server.hub.accounts[server.hub.generations[id].account]
        found = original(account, id)
        if found.ended:
            shared.add(id)
        return found


mutant_table("RET-2", on_foreign_read)(
    foreign_read_is_403=(
        "A generation of another user returns 403, which reveals that it exists.",
        lambda response, context, generation: custom_error(403, "forbidden", "Not yours"),
    ),
    foreign_read_is_401=(
        "A generation of another user returns 401 invalidApiKey.",
        lambda response, context, generation: custom_error(401, "invalidApiKey", "Not yours"),
    ),
    foreign_read_with_other_code=(
        "A generation of another user returns 404 with a code of its own.",
        lambda response, context, generation: custom_error(404, "notYours", "Not yours"),
    ),
)
mutant_table("RET-2", on_foreign_read, level="inferred")(
    foreign_read_message_reveals_existence=(
        "The message of the 404 says that the generation belongs to another account.",
        lambda response, context, generation: custom_error(
            404, "notFound", "This generation belongs to another account"
        ),
    ),
)


@mutant("RET-2", "A generation of another user is returned without its images.")
def foreign_read_without_images(server: PatchedServer) -> None:
    on_foreign_read(
        lambda response, context, generation: json_response(
            200, {**server.log_json(generation), "images": []}
        )
    )(server)


@mutant("RET-2", "A read of a generation of another user returns 404 and costs a credit.")
def foreign_read_charged(server: PatchedServer) -> None:
    @on_foreign_read
    def charge(response: Response, context: RequestContext, generation: Generation) -> Response:
        assert context.account
        server.adjust_balance(context.account, -1)
        return response

    charge(server)


@mutant("RET-2", "A read of a running generation of another user returns 404 and makes it fail.")
@on_foreign_read
def foreign_read_fails_generation(
    response: Response, context: RequestContext, generation: Generation
) -> Response:
    if not generation.ended:
        context.hub.complete(generation.id, failed=True)
    return response


@mutant("RET-5", "A second key of a user cannot read what the first one has created.")
def only_creating_key_reads(server: PatchedServer) -> None:
    creating_keys: dict[str, bytes | None] = {}

    @server.after_success(OperationId.CREATE_GENERATION)
    def store(context: RequestContext, account: Account) -> None:
        creating_keys[context.generation or ""] = context.key_digest

    @server.on_response(OperationId.GET_GENERATION, status=200)
    def hide(response: Response, context: RequestContext) -> Response:
        if creating_keys.get(context.path_param or "", context.key_digest) == context.key_digest:
            return response
        return error_response(context, "notFound")


# -- unknown ids ---------------------------------------------------------------------------------

mutant_table("RET-3", change_error("notFound", OperationId.GET_GENERATION))(
    unknown_id_is_400=("An unknown id returns 400.", (400, "invalid_request")),
    unknown_id_crashes=("An unknown id returns 500.", (500, "internalError")),
)
mutant_table("RET-3", on_not_found)(
    unknown_id_is_null=(
        "An unknown id returns 200 with null.",
        lambda response, context: json_response(200, None),
    ),
    malformed_ids_crash=(
        "An id that does not look like a generated one returns 500.",
        lambda response, context: (
            response
            if (context.path_param or "").startswith("clx")
            else custom_error(500, "internalError", "bad id")
        ),
    ),
)


@mutant("RET-3", "An unknown id returns a queued generation.")
@on_not_found
def unknown_id_is_queued(response: Response, context: RequestContext) -> Response:
    operation = context.hub.spec.operations[OperationId.CREATE_GENERATION]
    return json_response(200, {**operation.examples[202]["queued"], "id": context.path_param})


@hook
def resolve_id(server: PatchedServer, resolve: Callable[[str, Sequence[str]], str]) -> None:
    """Read another id, chosen among the requested id and those of the account."""

    @wrap(server.hub, "get_generation")
    def read(original: Callable[..., Generation], account: Account, id: str) -> Generation:
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
