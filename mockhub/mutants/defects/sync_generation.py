"""Mutants of synchronous generations (GEN-1, LIM-1)."""

from __future__ import annotations

import asyncio

from mockhub.domain.accounts import Account
from mockhub.mutants.hooks import (
    mutate_generation,
    mutate_result,
    on_request_body,
    replace_status,
    update,
)
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.mutants.responses import custom_error, generation_of
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response, json_response

_PATIENCE = 4  # seconds that a gateway waits

mutant_table("GEN-1", on_request_body)(
    sync_is_202=(
        "A synchronous request returns 202 with a queued task.",
        lambda request: request.values.update({"async": True}),
    ),
    async_by_default=(
        "A request without async is asynchronous.",
        lambda request: request.values.setdefault("async", True),
    ),
)
mutant_table("GEN-1", replace_status(OperationId.CREATE_GENERATION, status=200))(
    sync_is_201=("A synchronous request returns 201 Created.", 201),
)
mutant_table("GEN-1", mutate_result)(
    sync_does_not_wait=(
        "A synchronous request returns 200 at once, with status processing and no images.",
        update(status="processing", images=[]),
    ),
    sync_status_is_completed=("A finished generation is `completed`.", update(status="completed")),
)
mutant_table("GEN-1", mutate_generation)(
    status_in_upper_case=(
        "The status is written in capitals.",
        lambda content, generation: content.update(status=content["status"].upper()),
    ),
)


@mutant("GEN-1", "A request with async=false is asynchronous.")
@on_request_body
def async_false_is_async(request: ParsedRequest) -> None:
    if "async" in request.values:
        request.values["async"] = True


@mutant("LIM-1", "A gateway times out after some seconds, before the documented limit.")
def sync_gateway_timeout(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        try:
            return await asyncio.wait_for(call_next(context, account), _PATIENCE)
        except TimeoutError:
            return custom_error(504, "gatewayTimeout", "upstream timed out")


@mutant("LIM-1", "A synchronous generation that takes some seconds returns 202, to be polled.")
def slow_sync_becomes_async(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        try:
            return await asyncio.wait_for(call_next(context, account), _PATIENCE)
        except TimeoutError:
            return json_response(202, server.log_json(generation_of(context)))
