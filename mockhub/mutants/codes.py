"""Defects of errors: their shape, their codes, their statuses and their types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mockhub.mutants.house import CREDITS, GET, MODELS, POST, House
from mockhub.mutants.registry import Level, mutant
from mockhub.mutants.replies import with_body
from mockhub.spec.errors import REQUIRED
from mockhub.web import wire
from mockhub.web.visit import Visit


def every_error(
    name: str,
    clause: str,
    says: str,
    change: Callable[[dict[str, Any]], object],
    *,
    level: Level | None = None,
    tolerable: bool = False,
    codes: Iterable[str] = REQUIRED,
) -> None:
    """Register a mutant that changes the content of errors, given their message and code."""

    def put(house: House) -> None:
        for code in codes:

            @house.on_content(code=code)
            def rewrite(content: Any, visit: Visit) -> object:
                return change(content["error"])

    mutant(clause, level=level, tolerable=tolerable, name=name, says=says)(put)


every_error(
    "errors-are-sentences",
    "ERR-1",
    "An error is a sentence, without a code.",
    lambda error: {"error": error["message"]},
)
every_error("errors-are-bare", "ERR-1", "Message and code stand bare.", lambda error: {**error})
every_error(
    "errors-are-details",
    "ERR-1",
    "An error is {detail: ...}.",
    lambda error: {"detail": error["message"]},
)
every_error(
    "errors-are-lists", "ERR-1", "Errors come as a list.", lambda error: {"errors": [error]}
)
every_error(
    "errors-without-code",
    "ERR-1",
    "Errors have no code.",
    lambda error: {"error": {"message": error["message"]}},
)
every_error(
    "errors-without-message",
    "ERR-1",
    "Errors have no message.",
    lambda error: {"error": {"code": error["code"]}},
)
every_error(
    "codes-called-type",
    "ERR-1",
    "An error's code is called `type`, as upstream.",
    lambda error: {"error": {"message": error["message"], "type": error["code"]}},
)
every_error(
    "codes-in-snake-case",
    "ERR-3",
    "Codes are written in snake case: missing_api_key.",
    lambda error: {"error": {**error, "code": _snake(error["code"])}},
)
every_error(
    "codes-in-camel-case",
    "ERR-2",
    "invalid_request is written in camel case.",
    lambda error: {"error": {**error, "code": "invalidRequest"}},
    codes=("invalid_request",),
)
every_error(
    "codes-in-capitals",
    "ERR-2",
    "Codes are written in capitals.",
    lambda error: {"error": {**error, "code": error["code"].upper()}},
)
every_error(
    "messages-empty",
    "ERR-7",
    "Messages are empty.",
    lambda error: {"error": {**error, "message": ""}},
    tolerable=True,
)
every_error(
    "messages-are-lists",
    "ERR-1",
    "A message is a list of sentences.",
    lambda error: {"error": {**error, "message": [error["message"]]}},
)
every_error(
    "messages-are-objects",
    "ERR-1",
    "The message of an invalid request is an object of fields.",
    lambda error: {"error": {**error, "message": {"body": error["message"]}}},
    codes=("invalid_request",),
)
every_error(
    "refused-keys-in-sentences",
    "ERR-1",
    "A refused key is answered by a bare sentence.",
    lambda error: {"error": error["message"]},
    codes=("invalidApiKey",),
)
every_error(
    "not-found-in-detail",
    "ERR-1",
    "What is not found is answered {detail: ...}.",
    lambda error: {"detail": "Not Found"},
    codes=("notFound",),
)
every_error(
    "failure-in-detail",
    "ERR-1",
    "A generation that failed is answered {detail: ...}.",
    lambda error: {"detail": error["message"]},
    codes=("generationFailed",),
)
every_error(
    "poverty-in-a-sentence",
    "ERR-1",
    "A 402 is answered by a bare sentence.",
    lambda error: {"error": error["message"]},
    codes=("insufficientCredits",),
)


def _snake(code: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in code)


def coded(name: str, clause: str, says: str, code: str, status: int = 0, named: str = "") -> None:
    """Register a mutant that answers an error under another status or code."""
    mutant(clause, name=name, says=says)(
        lambda house: house.refuse(code, status=status, named=named)
    )


coded(
    "invalid-is-bad-request",
    "ERR-2",
    "An invalid request's code is bad_request.",
    "invalid_request",
    named="bad_request",
)
coded(
    "invalid-is-validation-error",
    "ERR-2",
    "An invalid request's code is validation_error.",
    "invalid_request",
    named="validation_error",
)
coded("poor-is-400", "ERR-4", "Who cannot pay is answered 400.", "insufficientCredits", 400)
coded("poor-is-403", "LED-4", "Who cannot pay is answered 403.", "insufficientCredits", 403)
coded(
    "poor-is-429",
    "LED-4",
    "Who cannot pay is answered 429, as upstream.",
    "insufficientCredits",
    429,
    "insufficient_quota",
)
coded(
    "poor-is-coded-otherwise",
    "ERR-4",
    "A 402 has the code insufficient_credits.",
    "insufficientCredits",
    named="insufficient_credits",
)
coded(
    "poor-is-500",
    "LED-4",
    "Who cannot pay is answered 500 generationFailed.",
    "insufficientCredits",
    500,
    "generationFailed",
)
coded(
    "not-found-is-coded-otherwise",
    "ERR-5",
    "A 404 has the code generationNotFound.",
    "notFound",
    named="generationNotFound",
)
coded("not-found-is-410", "ERR-5", "What there is not is answered 410.", "notFound", 410)
coded("failure-is-502", "ERR-6", "A generation that failed answers 502.", "generationFailed", 502)
coded("failure-is-503", "ERR-6", "A generation that failed answers 503.", "generationFailed", 503)
coded("failure-is-400", "ERR-6", "A generation that failed answers 400.", "generationFailed", 400)
coded("failure-is-422", "ERR-6", "A generation that failed answers 422.", "generationFailed", 422)
coded(
    "failure-is-internal",
    "ERR-6",
    "A generation that failed has the code internalError.",
    "generationFailed",
    named="internalError",
)
coded(
    "failure-is-the-providers",
    "ERR-6",
    "A generation that failed has the code providerError.",
    "generationFailed",
    named="providerError",
)


@mutant("ERR-6")
def failure_is_html(house: House) -> None:
    """A generation that failed answers 500 with a page of HTML."""

    @house.on_answer(POST, code="generationFailed")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        return with_body(answer, b"<h1>Internal Server Error</h1>", "text/html")


def typed(name: str, clause: str, says: str, kind: str, *operations: str, **where: Any) -> None:
    """Register a mutant that sends answers under another content type."""

    def put(house: House) -> None:
        @house.on_answer(*operations, **where)
        def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
            return with_body(answer, answer.body, kind)

    mutant(clause, name=name, says=says)(put)


typed(
    "errors-as-text",
    "ERR-7",
    "Invalid requests are answered as text/plain.",
    "text/plain",
    code="invalid_request",
)
typed(
    "refused-keys-as-html",
    "ERR-7",
    "Refused keys are answered as text/html.",
    "text/html; charset=utf-8",
    code="invalidApiKey",
)
typed(
    "missing-keys-as-text",
    "ERR-7",
    "Missing keys are answered as text/plain.",
    "text/plain",
    code="missingApiKey",
)
typed("balance-as-text", "ERR-7", "The balance is sent as text/plain.", "text/plain", CREDITS)
typed("models-as-html", "ERR-7", "The model list is sent as text/html.", "text/html", MODELS)
typed(
    "generations-as-bytes",
    "ERR-7",
    "Generations are sent as application/octet-stream.",
    "application/octet-stream",
    POST,
    status=200,
)
typed(
    "logs-as-problems",
    "ERR-7",
    "404s are sent as application/problem+json.",
    "application/problem+json",
    GET,
    code="notFound",
)
