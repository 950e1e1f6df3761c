"""Defects of errors: their shape, their codes, their statuses and their types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Level, mutant
from mockhub.mutants.responses import with_body
from mockhub.spec.error_catalog import REQUIRED_CODES
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.context import RequestContext


def mutate_errors(
    name: str,
    clause: str,
    description: str,
    change: Callable[[dict[str, Any]], object],
    *,
    level: Level | None = None,
    conforms_if_documented: bool = False,
    codes: Iterable[str] = REQUIRED_CODES,
) -> None:
    """Register a mutant that changes the content of errors, given their message and code."""

    def apply(server: PatchedServer) -> None:
        for code in codes:

            @server.replace_json(code=code)
            def rewrite(content: Any, context: RequestContext) -> object:
                return change(content["error"])

    mutant(
        clause,
        level=level,
        conforms_if_documented=conforms_if_documented,
        name=name,
        description=description,
    )(apply)


mutate_errors(
    "errors-are-strings",
    "ERR-1",
    "An error is a sentence, without a code.",
    lambda error: {"error": error["message"]},
)
mutate_errors(
    "errors-not-wrapped", "ERR-1", "Message and code stand bare.", lambda error: {**error}
)
mutate_errors(
    "errors-in-detail",
    "ERR-1",
    "An error is {detail: ...}.",
    lambda error: {"detail": error["message"]},
)
mutate_errors(
    "errors-are-lists", "ERR-1", "Errors come as a list.", lambda error: {"errors": [error]}
)
mutate_errors(
    "errors-without-code",
    "ERR-1",
    "Errors have no code.",
    lambda error: {"error": {"message": error["message"]}},
)
mutate_errors(
    "errors-without-message",
    "ERR-1",
    "Errors have no message.",
    lambda error: {"error": {"code": error["code"]}},
)
mutate_errors(
    "code-named-type",
    "ERR-1",
    "An error's code is called `type`, as upstream.",
    lambda error: {"error": {"message": error["message"], "type": error["code"]}},
)
mutate_errors(
    "codes-in-snake-case",
    "ERR-3",
    "Codes are written in snake case: missing_api_key.",
    lambda error: {"error": {**error, "code": _snake(error["code"])}},
)
mutate_errors(
    "codes-in-camel-case",
    "ERR-2",
    "invalid_request is written in camel case.",
    lambda error: {"error": {**error, "code": "invalidRequest"}},
    codes=("invalid_request",),
)
mutate_errors(
    "codes-in-upper-case",
    "ERR-2",
    "Codes are written in capitals.",
    lambda error: {"error": {**error, "code": error["code"].upper()}},
)
mutate_errors(
    "messages-empty",
    "ERR-7",
    "Messages are empty.",
    lambda error: {"error": {**error, "message": ""}},
    conforms_if_documented=True,
)
mutate_errors(
    "messages-are-lists",
    "ERR-1",
    "A message is a list of sentences.",
    lambda error: {"error": {**error, "message": [error["message"]]}},
)
mutate_errors(
    "messages-are-objects",
    "ERR-1",
    "The message of an invalid request is an object of fields.",
    lambda error: {"error": {**error, "message": {"body": error["message"]}}},
    codes=("invalid_request",),
)
mutate_errors(
    "invalid-key-error-is-string",
    "ERR-1",
    "A refused key is answered by a bare sentence.",
    lambda error: {"error": error["message"]},
    codes=("invalidApiKey",),
)
mutate_errors(
    "not-found-in-detail",
    "ERR-1",
    "What is not found is answered {detail: ...}.",
    lambda error: {"detail": "Not Found"},
    codes=("notFound",),
)
mutate_errors(
    "failure-in-detail",
    "ERR-1",
    "A generation that failed is answered {detail: ...}.",
    lambda error: {"detail": error["message"]},
    codes=("generationFailed",),
)
mutate_errors(
    "insufficient-credits-error-is-string",
    "ERR-1",
    "A 402 is answered by a bare sentence.",
    lambda error: {"error": error["message"]},
    codes=("insufficientCredits",),
)


def _snake(code: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in code)


def change_error_code(
    name: str, clause: str, description: str, code: str, status: int = 0, new_code: str = ""
) -> None:
    """Register a mutant that answers an error under another status or code."""
    mutant(clause, name=name, description=description)(
        lambda server: server.change_error(code, status=status, new_code=new_code)
    )


change_error_code(
    "invalid-is-bad-request",
    "ERR-2",
    "An invalid request's code is bad_request.",
    "invalid_request",
    new_code="bad_request",
)
change_error_code(
    "invalid-is-validation-error",
    "ERR-2",
    "An invalid request's code is validation_error.",
    "invalid_request",
    new_code="validation_error",
)
change_error_code(
    "insufficient-credits-is-400",
    "ERR-4",
    "Who cannot pay is answered 400.",
    "insufficientCredits",
    400,
)
change_error_code(
    "insufficient-credits-is-403",
    "LED-4",
    "Who cannot pay is answered 403.",
    "insufficientCredits",
    403,
)
change_error_code(
    "insufficient-credits-is-429",
    "LED-4",
    "Who cannot pay is answered 429, as upstream.",
    "insufficientCredits",
    429,
    "insufficient_quota",
)
change_error_code(
    "insufficient-credits-with-other-code",
    "ERR-4",
    "A 402 has the code insufficient_credits.",
    "insufficientCredits",
    new_code="insufficient_credits",
)
change_error_code(
    "insufficient-credits-is-500",
    "LED-4",
    "Who cannot pay is answered 500 generationFailed.",
    "insufficientCredits",
    500,
    "generationFailed",
)
change_error_code(
    "not-found-with-other-code",
    "ERR-5",
    "A 404 has the code generationNotFound.",
    "notFound",
    new_code="generationNotFound",
)
change_error_code(
    "not-found-is-410", "ERR-5", "What there is not is answered 410.", "notFound", 410
)
change_error_code(
    "failure-is-502", "ERR-6", "A generation that failed answers 502.", "generationFailed", 502
)
change_error_code(
    "failure-is-503", "ERR-6", "A generation that failed answers 503.", "generationFailed", 503
)
change_error_code(
    "failure-is-400", "ERR-6", "A generation that failed answers 400.", "generationFailed", 400
)
change_error_code(
    "failure-is-422", "ERR-6", "A generation that failed answers 422.", "generationFailed", 422
)
change_error_code(
    "failure-coded-internal-error",
    "ERR-6",
    "A generation that failed has the code internalError.",
    "generationFailed",
    new_code="internalError",
)
change_error_code(
    "failure-coded-provider-error",
    "ERR-6",
    "A generation that failed has the code providerError.",
    "generationFailed",
    new_code="providerError",
)


@mutant("ERR-6", "A generation that failed answers 500 with a page of HTML.")
def failure_is_html(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="generationFailed")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        return with_body(response, b"<h1>Internal Server Error</h1>", "text/html")


def change_content_type(
    name: str, clause: str, description: str, content_type: str, *operations: str, **filters: Any
) -> None:
    """Register a mutant that sends answers under another content type."""

    def apply(server: PatchedServer) -> None:
        @server.on_response(*operations, **filters)
        def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
            return with_body(response, response.body, content_type)

    mutant(clause, name=name, description=description)(apply)


change_content_type(
    "errors-as-text",
    "ERR-7",
    "Invalid requests are answered as text/plain.",
    "text/plain",
    code="invalid_request",
)
change_content_type(
    "invalid-key-error-as-html",
    "ERR-7",
    "Refused keys are answered as text/html.",
    "text/html; charset=utf-8",
    code="invalidApiKey",
)
change_content_type(
    "missing-key-error-as-text",
    "ERR-7",
    "Missing keys are answered as text/plain.",
    "text/plain",
    code="missingApiKey",
)
change_content_type(
    "balance-as-text",
    "ERR-7",
    "The balance is sent as text/plain.",
    "text/plain",
    OperationId.GET_CREDITS,
)
change_content_type(
    "models-as-html",
    "ERR-7",
    "The model list is sent as text/html.",
    "text/html",
    OperationId.LIST_MODELS,
)
change_content_type(
    "generations-as-octet-stream",
    "ERR-7",
    "Generations are sent as application/octet-stream.",
    "application/octet-stream",
    OperationId.CREATE_GENERATION,
    status=200,
)
change_content_type(
    "not-found-as-problem-json",
    "ERR-7",
    "404s are sent as application/problem+json.",
    "application/problem+json",
    OperationId.GET_GENERATION,
    code="notFound",
)
