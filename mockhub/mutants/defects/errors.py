"""Mutants of errors and of rate limits (ERR-1, ERR-2, ERR-5, ERR-7, LIM-2)."""

from __future__ import annotations

import asyncio
from collections import Counter

from mockhub.domain.accounts import Account
from mockhub.mutants.hooks import (
    at_every,
    change_error,
    on_response,
    replace_content_type,
    replace_errors,
)
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import rate_limited
from mockhub.spec.error_catalog import REQUIRED_CODES
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

_MOST_GENERATIONS = 5

# -- JSON ----------------------------------------------------------------------------------------

mutant_table("ERR-1", replace_errors(*REQUIRED_CODES))(
    errors_are_strings=(
        "An error is a string without a code.",
        lambda error: {"error": error["message"]},
    ),
    errors_not_wrapped=("Errors are not wrapped in `error`.", lambda error: error),
    errors_in_detail=("An error is in `detail`.", lambda error: {"detail": error["message"]}),
    errors_are_lists=("Errors are a list.", lambda error: {"errors": [error]}),
    errors_without_code=(
        "Errors have no code.",
        lambda error: {"error": {"message": error["message"]}},
    ),
    errors_without_message=(
        "Errors have no message.",
        lambda error: {"error": {"code": error["code"]}},
    ),
    code_named_type=(
        "The code of an error is in the field `type`.",
        lambda error: {"error": {"message": error["message"], "type": error["code"]}},
    ),
    messages_are_lists=(
        "The message of an error is a list.",
        lambda error: {"error": {**error, "message": [error["message"]]}},
    ),
)
mutant_table("ERR-7", replace_errors(*REQUIRED_CODES), conforms_if_documented=True)(
    messages_empty=(
        "The message of an error is empty.",
        lambda error: {"error": {**error, "message": ""}},
    ),
)
mutant_table("ERR-1", replace_errors("invalid_request"))(
    messages_are_objects=(
        "The message of an invalid request is an object.",
        lambda error: {"error": {**error, "message": {"body": error["message"]}}},
    ),
)
mutant_table("ERR-1", replace_errors("invalidApiKey"))(
    invalid_key_error_is_string=(
        "The error for an invalid key is a string.",
        lambda error: {"error": error["message"]},
    ),
)
mutant_table("ERR-1", replace_errors("insufficientCredits"))(
    insufficient_credits_error_is_string=(
        "The error of a 402 is a string.",
        lambda error: {"error": error["message"]},
    ),
)
mutant_table("ERR-1", replace_errors("notFound"))(
    not_found_in_detail=(
        "The error of a 404 is in `detail`.",
        lambda error: {"detail": "Not Found"},
    ),
)
mutant_table("ERR-1", replace_errors("generationFailed"))(
    failure_in_detail=(
        "The error of a failed generation is in `detail`.",
        lambda error: {"detail": error["message"]},
    ),
)

# -- codes ---------------------------------------------------------------------------------------

mutant_table("ERR-2", replace_errors(*REQUIRED_CODES))(
    codes_in_upper_case=(
        "Codes are in upper case.",
        lambda error: {"error": {**error, "code": error["code"].upper()}},
    ),
)
mutant_table("ERR-2", change_error("invalid_request"))(
    codes_in_camel_case=("invalid_request is in camel case.", (400, "invalidRequest")),
    invalid_is_bad_request=("The code invalid_request is `bad_request`.", (400, "bad_request")),
    invalid_is_validation_error=(
        "The code invalid_request is `validation_error`.",
        (400, "validation_error"),
    ),
)
mutant_table("ERR-5", change_error("notFound"))(
    not_found_with_other_code=(
        "The code notFound is `generationNotFound`.",
        (404, "generationNotFound"),
    ),
    not_found_is_410=("What does not exist returns 410.", (410, "notFound")),
)

# -- content types -------------------------------------------------------------------------------

mutant_table("ERR-7", replace_content_type(code="invalid_request"))(
    errors_as_text=("Errors of invalid requests are text/plain.", "text/plain"),
)
mutant_table("ERR-7", replace_content_type(code="invalidApiKey"))(
    invalid_key_error_as_html=("Errors of invalid keys are text/html.", "text/html; charset=utf-8"),
)
mutant_table("ERR-7", replace_content_type(code="missingApiKey"))(
    missing_key_error_as_text=("Errors of missing keys are text/plain.", "text/plain"),
)
mutant_table("ERR-7", replace_content_type(OperationId.GET_CREDITS))(
    balance_as_text=("The balance is text/plain.", "text/plain"),
)
mutant_table("ERR-7", replace_content_type(OperationId.LIST_MODELS))(
    models_as_html=("The model list is text/html.", "text/html"),
)
mutant_table("ERR-7", replace_content_type(OperationId.CREATE_GENERATION, status=200))(
    generations_as_octet_stream=(
        "Generations are application/octet-stream.",
        "application/octet-stream",
    ),
)
mutant_table("ERR-7", replace_content_type(OperationId.GET_GENERATION, code="notFound"))(
    not_found_as_problem_json=("A 404 is application/problem+json.", "application/problem+json"),
)

# -- rate limits ---------------------------------------------------------------------------------

on_authenticated_response = on_response(
    OperationId.CREATE_GENERATION, OperationId.GET_GENERATION, OperationId.GET_CREDITS
)
mutant_table("LIM-2", at_every(10, on_authenticated_response))(
    every_tenth_request_is_429=(
        "Every tenth authenticated request returns 429.",
        lambda response, context: rate_limited(),
    ),
)


@mutant("LIM-2", "From the sixth generation of an account on, the response is 429.")
def too_many_generations_are_429(server: PatchedServer) -> None:
    generations: Counter[str] = Counter()

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        if generations[account.id] >= _MOST_GENERATIONS:
            return rate_limited()
        response = await call_next(context, account)
        generations[account.id] += 1
        return response


@mutant("LIM-2", "A request that is concurrent with another of the same account returns 429.")
def concurrent_requests_are_429(server: PatchedServer) -> None:
    in_flight: set[str] = set()

    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        if account.id in in_flight:
            return rate_limited()
        in_flight.add(account.id)
        try:
            await asyncio.sleep(0.05)
            return await call_next(context, account)
        finally:
            in_flight.discard(account.id)
