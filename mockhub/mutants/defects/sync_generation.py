"""Mutants of synchronous generations (GEN-1, LIM-1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mockhub.domain.provider import Provider, parse_outcome
from mockhub.mutants import fields, hooks, responses
from mockhub.mutants.changes import constant, edit, set_default, update
from mockhub.mutants.hook import Hook, when
from mockhub.mutants.matching import is_async, is_sync
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import send_custom_error, send_status
from mockhub.mutants.types import Account, Generation, RequestContext, Response
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import OperationId
from mockhub.web.responses import json_response

_VISIBILITY_TIMEOUT = 500  # milliseconds until a queue delivers a job again
_PATIENCE = 4  # seconds that a gateway waits
_ASYNC = {"async": True}
_BY_TIME = "duration=20ms"  # tasks do not end by a number of polls

mutant_table("GEN-1", fields.mutate_values())(
    sync_is_202=Row("A synchronous request returns 202 and a task.", update(**_ASYNC)),
    async_by_default=Row("A request without async is asynchronous.", set_default(**_ASYNC)),
)
mutant_table("GEN-1", fields.replace_field("async"))(
    async_false_is_async=Row("A request with async=false is asynchronous.", constant(True))
)
mutant_table("GEN-1", responses.on_response(OperationId.CREATE_GENERATION, status=200))(
    sync_is_201=Row("A synchronous request returns 201 Created.", send_status(201))
)
mutant_table("GEN-1", responses.mutate_result)(
    sync_does_not_wait=Row(
        "A synchronous response is sent while processing.", update(status="processing", images=[])
    ),
    sync_status_is_completed=Row("The final status is `completed`.", update(status="completed")),
)
mutant_table("GEN-1", responses.mutate_generation)(
    status_in_upper_case=Row("The status is written in capitals.", edit("status", str.upper))
)


@Hook
def on_slow_generation(
    server: PatchedServer, respond: Callable[[PatchedServer, RequestContext], Response]
) -> None:
    """Send another response if a generation takes more than some seconds."""

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        try:
            return await asyncio.wait_for(call.proceed(), _PATIENCE)
        except TimeoutError:
            return respond(server, call.context)


@mutant("LIM-1", "A synchronous generation is charged only when it has ended.")
def sync_charged_at_end(server: PatchedServer) -> None:
    when(is_sync, hooks.replace_charge)(constant(0))(server)

    @hooks.after_generation.on(server)
    def charge(context: RequestContext, account: Account) -> None:
        generation = responses.generation_of(context)
        if is_sync(generation):
            server.adjust_balance(account, -generation.credits)


@mutant("LIM-1", "A task that takes more than half a second is executed again, and charged again.")
def slow_task_charged_twice(server: PatchedServer) -> None:
    server.hub.provider = Provider([parse_outcome(_BY_TIME)])

    @wrap(server.hub, "complete_generation")
    def complete(
        original: Original, generation: Generation, now: int, *, failed: bool
    ) -> Generation:
        completed: Generation = original(generation, now, failed=failed)
        if is_async(generation) and now - generation.created_at > _VISIBILITY_TIMEOUT:
            server.adjust_balance(server.hub.accounts[completed.account], -completed.credits)
        return completed


@mutant("LIM-1", "A slow task is accepted, as queued, only when it has ended.")
def slow_task_accepted_at_end(server: PatchedServer) -> None:
    server.hub.provider = Provider([parse_outcome(_BY_TIME)])

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        response = await call.proceed()
        if is_async(task := responses.generation_of(call.context)):
            await asyncio.sleep(task.outcome.duration / 1000)
        return response


mutant_table("LIM-1", on_slow_generation)(
    sync_gateway_timeout=Row(
        "A gateway times out after some seconds, before the documented limit.",
        send_custom_error(504, "gatewayTimeout"),
    ),
    slow_sync_becomes_async=Row(
        "A synchronous generation that takes some seconds returns 202, to be polled.",
        lambda server, context: json_response(
            202, server.log_json(responses.generation_of(context))
        ),
    ),
)
