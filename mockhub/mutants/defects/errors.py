"""Mutants of errors and of rate limits (ERR-1, ERR-2, ERR-5, ERR-7, LIM-2)."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter

from msgspec.structs import replace

from mockhub.mutants import hooks
from mockhub.mutants.changes import edit, remove, rename, update
from mockhub.mutants.hook import Change, apply_change, at_every
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import (
    change_error,
    mutate_errors,
    on_response,
    rate_limited,
    replace_errors,
    send_content_type,
    with_body,
)
from mockhub.mutants.types import Json, RequestContext, Response
from mockhub.spec.error_catalog import REQUIRED_CODES
from mockhub.spec.operations import OperationId

_MOST_GENERATIONS = 5
_MOST_TASKS = 3


def as_string(error: Json) -> Json:
    return {"error": error["message"]}


def in_detail(error: Json) -> Json:
    return {"detail": error["message"]}


def send_as(
    content_type: str, *operations: str, status: int | None = None, code: str | None = None
) -> Change:
    """Send responses of some operations, with a status or with an error code, as another type."""
    return on_response(*operations, status=status, code=code)(send_content_type(content_type))


mutant_table("ERR-1", replace_errors(*REQUIRED_CODES))(
    errors_are_strings=Row("An error is a string without a code.", as_string),
    errors_not_wrapped=Row("Errors are not wrapped in `error`.", lambda error: error),
    errors_in_detail=Row("An error is in `detail`.", in_detail),
    errors_are_lists=Row("Errors are a list.", lambda error: {"errors": [error]}),
)
mutant_table("ERR-1", mutate_errors(*REQUIRED_CODES))(
    errors_without_code=Row("Errors have no code.", remove("code")),
    errors_without_message=Row("Errors have no message.", remove("message")),
    code_named_type=Row("The code of an error is in the field `type`.", rename("code", "type")),
    messages_are_lists=Row(
        "The message of an error is a list.", edit("message", lambda message: [message])
    ),
)
mutant_table("ERR-7", mutate_errors(*REQUIRED_CODES), conforms_if_documented=True)(
    messages_empty=Row("The message of an error is empty.", update(message=""))
)


@mutant(
    "ERR-7",
    "A 404 is compressed with gzip, whatever the client accepts.",
    conforms_if_documented=True,
)
@on_response(status=404)
def not_found_always_compressed(response: Response, context: RequestContext) -> Response:
    compressed = with_body(response, gzip.compress(response.body))
    return replace(compressed, headers=(*compressed.headers, (b"content-encoding", b"gzip")))


mutant_table("ERR-1", apply_change)(
    messages_are_objects=Row(
        "The message of a 400 is an object.",
        mutate_errors("invalid_request")(edit("message", lambda message: {"body": message})),
    ),
    invalid_key_error_is_string=Row(
        "The error of an invalid key is a string.", replace_errors("invalidApiKey")(as_string)
    ),
    insufficient_credits_error_is_string=Row(
        "The error of a 402 is a string.", replace_errors("insufficientCredits")(as_string)
    ),
    not_found_in_detail=Row(
        "The error of a 404 is in `detail`.", replace_errors("notFound")(in_detail)
    ),
    failure_in_detail=Row(
        "The error of a failed generation is in `detail`.",
        replace_errors("generationFailed")(in_detail),
    ),
)
mutant_table("ERR-2", mutate_errors(*REQUIRED_CODES))(
    codes_in_upper_case=Row("Codes are in upper case.", edit("code", str.upper))
)
mutant_table("ERR-2", change_error("invalid_request"))(
    codes_in_camel_case=Row("invalid_request is in camel case.", "invalidRequest"),
    invalid_is_bad_request=Row("invalid_request is `bad_request`.", "bad_request"),
    invalid_is_validation_error=Row("invalid_request is `validation_error`.", "validation_error"),
)
mutant_table("ERR-5", change_error("notFound"))(
    not_found_with_other_code=Row("notFound is `generationNotFound`.", "generationNotFound"),
    not_found_is_410=Row("What does not exist returns 410.", 410),
)
mutant_table("ERR-7", apply_change)(
    errors_as_text=Row(
        "Errors of invalid requests are text/plain.", send_as("text/plain", code="invalid_request")
    ),
    invalid_key_error_as_html=Row(
        "Errors of invalid keys are text/html.",
        send_as("text/html; charset=utf-8", code="invalidApiKey"),
    ),
    missing_key_error_as_text=Row(
        "Errors of missing keys are text/plain.", send_as("text/plain", code="missingApiKey")
    ),
    balance_as_text=Row(
        "The balance is text/plain.", send_as("text/plain", OperationId.GET_CREDITS)
    ),
    models_as_html=Row(
        "The model list is text/html.", send_as("text/html", OperationId.LIST_MODELS)
    ),
    generations_as_octet_stream=Row(
        "Generations are application/octet-stream.",
        send_as("application/octet-stream", OperationId.CREATE_GENERATION, status=200),
    ),
    not_found_as_problem_json=Row(
        "A 404 is application/problem+json.",
        send_as("application/problem+json", OperationId.GET_GENERATION, code="notFound"),
    ),
)

on_authenticated_response = on_response(
    OperationId.CREATE_GENERATION, OperationId.GET_GENERATION, OperationId.GET_CREDITS
)
mutant_table("LIM-2", at_every(10, on_authenticated_response))(
    every_tenth_request_is_429=Row("Every tenth authenticated request returns 429.", rate_limited)
)


@mutant("LIM-2", "From the sixth generation of an account on, the response is 429.")
def too_many_generations_are_429(server: PatchedServer) -> None:
    generations: Counter[str] = Counter()

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        if generations[call.account.id] >= _MOST_GENERATIONS:
            return rate_limited()
        response = await call.proceed()
        generations[call.account.id] += 1
        return response


@mutant("LIM-2", "While three tasks of an account run, another one returns 429.")
@hooks.wrap_generate.with_server
async def fourth_task_is_429(server: PatchedServer, call: hooks.Call) -> Response:
    running = server.running_generations(call.account)
    return rate_limited() if len(running) >= _MOST_TASKS else await call.proceed()


@mutant("LIM-2", "A request that is concurrent with another of the same account returns 429.")
def concurrent_requests_are_429(server: PatchedServer) -> None:
    in_flight: set[str] = set()

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        if call.account.id in in_flight:
            return rate_limited()
        in_flight.add(call.account.id)
        try:
            await asyncio.sleep(0.05)
            return await call.proceed()
        finally:
            in_flight.discard(call.account.id)
