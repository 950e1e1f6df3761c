"""Defects of a synchronous generation, which is waited for."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.spec.operations import OperationId
from mockhub.web import responses, serializers
from mockhub.web.context import RequestContext


@mutant("GEN-1", "A synchronous request is answered 202, queued.")
def sync_is_202(server: PatchedServer) -> None:
    server.on_request_body(lambda request: request.values.update({"async": True}))


@mutant("GEN-1", "A synchronous request is answered 201 Created.")
def sync_is_201(server: PatchedServer) -> None:
    server.on_response(OperationId.CREATE_GENERATION, status=200)(
        lambda response, context: replace(response, status=201)
    )


@mutant("GEN-1", "A synchronous request is answered 200 at once, processing, with no images.")
def sync_does_not_wait(server: PatchedServer) -> None:
    server.mutate_json(OperationId.CREATE_GENERATION, status=200)(
        lambda content, context: content.update(status="processing", images=[])
    )


@mutant("GEN-1", "A finished generation's status is `completed`.")
def sync_status_is_completed(server: PatchedServer) -> None:
    server.mutate_json(OperationId.CREATE_GENERATION, status=200)(
        lambda content, context: content.update(status="completed")
    )


@mutant("GEN-1", "Statuses are written in capitals.")
def status_in_upper_case(server: PatchedServer) -> None:
    server.mutate_generation(
        lambda content, context: content.update(status=str(content.get("status")).upper())
    )


@mutant("LIM-1", "A gateway gives up after some seconds, although a generation may take longer.")
def sync_gateway_timeout(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        try:
            return await asyncio.wait_for(call_next(context, account), 4)
        except TimeoutError:
            content = {"error": {"message": "upstream timed out", "code": "gatewayTimeout"}}
            return responses.json_response(504, content)


@mutant("LIM-1", "A synchronous generation that takes some seconds is answered 202, to be polled.")
def slow_sync_becomes_async(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        try:
            return await asyncio.wait_for(call_next(context, account), 4)
        except TimeoutError:
            links, now = server.api.links(server.hub.name), server.hub.clock.now()
            generation = server.hub.generations[context.generation or ""]
            return responses.json_response(
                202, serializers.generation_log(generation, server.hub, links, now=now)
            )
