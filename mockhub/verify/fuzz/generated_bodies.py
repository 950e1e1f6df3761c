"""Breadth: bodies that schemathesis makes from the law, good ones and bad ones.

It generates; sending, paying and judging stay here: nothing is sent twice or past the meter.
"""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from mockhub.exceptions import ValidationError
from mockhub.spec.operations import JSON, OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import expect, expect_error, require_field, require_response
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Failed, Skipped
from mockhub.verify.polling import poll_until_final

VALID, INVALID, UNSPECIFIED = "valid", "invalid", "unspecified"

_INVALID_COUNT, _VALID_COUNT = 24, 6  # bodies that are generated
_MAX_PAID = 2  # good ones that are sent
_MAX_IMAGES = 2  # images of each
_SIZE_PATTERN = re.compile(r"auto|[1-9][0-9]{0,3}x[1-9][0-9]{0,3}")
_SAFE_PROMPT_LENGTH = 1000  # characters that any implementation takes
_KNOWN_FIELDS = {"model", "prompt", "size", "quality", "n", "async"}


def run(context: CheckContext) -> None:
    """Send generated bodies; what is certainly good is taken, what is certainly bad refused."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of other people's packages, and none of the run's business
        operation, modes = _load_operation()
        sender = _BodySender(context)
        _generate_bodies(
            operation.as_strategy(generation_mode=modes.NEGATIVE),
            _INVALID_COUNT,
            context,
            sender.send_invalid,
        )
        _generate_bodies(
            operation.as_strategy(generation_mode=modes.POSITIVE),
            _VALID_COUNT,
            context,
            sender.send_valid,
        )
    if not sender.checked_count:
        raise Skipped("no generated body could be sent")


def _load_operation() -> tuple[Any, Any]:
    import schemathesis
    from schemathesis import GenerationMode

    # An explicit configuration: without one it would read that of the folder it runs in.
    config = schemathesis.Config.from_dict({})
    schema = schemathesis.openapi.from_dict(_simplified_schema(), config=config)
    return schema["/api/v1/images/generations"]["POST"], GenerationMode


def _simplified_schema() -> dict[str, Any]:
    """The law with JSON alone, without keys, and with words that are listed: to hit more often."""
    document: dict[str, Any] = copy.deepcopy(dict(oracle.api_spec().document.root))
    document.pop("security", None)
    schemas = document["components"]["schemas"]
    schemas["ModelId"] = {"type": "string", "enum": list(oracle.api_spec().catalog.models)}
    schemas["Size"] = {"type": "string", "enum": ["auto", "1024x1024"]}
    schemas["GenerationRequest"].pop("not", None)
    schemas["GenerationRequest"]["additionalProperties"] = False
    schemas["GenerationRequest"]["required"] = ["model", "prompt", "size"]
    post = document["paths"]["/api/v1/images/generations"]["post"]
    content = post["requestBody"]["content"]
    post["requestBody"]["content"] = {JSON: {"schema": content[JSON]["schema"]}}
    return document


def _generate_bodies(
    strategy: Any, count: int, context: CheckContext, send: Callable[[Any], None]
) -> None:
    @seed(context.seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        print_blob=False,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def examples(case: Any) -> None:
        send(case.body)

    examples()


class _BodySender:
    """Sends bodies and judges the answers."""

    def __init__(self, context: CheckContext) -> None:
        self.context = context
        self.checked_count = 0
        self.paid_count = 0

    def send_invalid(self, body: Any) -> None:
        """Send a body that may be bad."""
        validity = classify(body, documented=self.context.documented)
        if validity != INVALID or self.context.timed_out or not self._is_affordable(body):
            return
        exchange = self._send(body, unspecified=not isinstance(body, dict))
        self.checked_count += 1
        if not isinstance(body, dict) and self.context.documented:
            if not 400 <= require_response(exchange).status < 500:
                raise Failed("a body that is no object is taken", exchange, expected="HTTP 400")
            return
        expect_error(exchange, 400, "invalid_request")

    def send_valid(self, body: Any) -> None:
        """Send a body that may be good, and follow the link to its generation."""
        if (
            self.paid_count >= _MAX_PAID
            or classify(body, documented=self.context.documented) != VALID
        ):
            return
        if (
            self.context.timed_out
            or body.get("n", 1) > _MAX_IMAGES
            or not self._is_affordable(body)
        ):
            return
        self.paid_count += 1
        exchange = self._send(body)
        self.checked_count += 1
        status = 202 if body.get("async") else 200
        response_body = expect(exchange, status)
        self.context.record_cost([exchange])
        if not self.context.documented:
            _check_schema(OperationId.CREATE_GENERATION, status, exchange)
        generation_id = require_field(response_body, "id", str, exchange, allow_empty=False)
        if status == 202:  # its charge is not to be met later, when something else is looked at
            task = ObservedGeneration(
                generation_id, FIXTURES["example_async"], body.get("n", 1), body["size"], exchange
            )
            reservation = self.context.client.budget.reserve_unchecked(_max_cost(body))
            poll_until_final(self.context.client, task)
            self.context.client.budget.release(reservation)
        read_exchange = self.context.client.get(f"generations/{generation_id}")
        expect(read_exchange, 200)
        if not self.context.documented:
            _check_schema(OperationId.GET_GENERATION, 200, read_exchange)

    def _is_affordable(self, body: Any) -> bool:
        budget = self.context.client.budget
        if budget.remaining < _max_cost(body):
            budget.settle()
        return budget.remaining >= _max_cost(body)

    def _send(self, body: Any, *, unspecified: bool = False) -> Exchange:
        raw = json.dumps(body, ensure_ascii=True).encode()
        return self.context.client.post(
            raw=(JSON, raw), cost=_max_cost(body), unspecified=unspecified
        )


def _check_schema(operation: str, status: int, exchange: Exchange) -> None:
    for error in oracle.response_validator(operation, status).iter_errors(expect(exchange, status)):
        raise Failed(f"does not match the response schema: {error.message[:200]}", exchange)


def _max_cost(body: Any) -> int:
    n = body.get("n", 1) if isinstance(body, dict) else 1
    is_integer = isinstance(n, int) and not isinstance(n, bool)
    return oracle.max_price() * (min(max(n, 1), 5) if is_integer else 1)


def classify(body: Any, *, documented: bool) -> str:
    """Whether *body* is good, bad, or open at a level."""
    if isinstance(body, bytes) or type(body).__name__ == "NotSet":
        return UNSPECIFIED
    if not isinstance(body, dict):
        return INVALID
    if _is_ambiguous(body):
        return UNSPECIFIED
    if _violates_documentation(body):
        return INVALID
    has_known_fields = body.keys() <= _KNOWN_FIELDS and {"model", "prompt", "size"} <= body.keys()
    if documented:
        prompt = body.get("prompt")
        is_plain_prompt = (
            isinstance(prompt, str) and prompt.strip() and len(prompt) <= _SAFE_PROMPT_LENGTH
        )
        return (
            VALID if has_known_fields and is_plain_prompt and _matches_spec(body) else UNSPECIFIED
        )
    return (
        VALID
        if has_known_fields and _matches_spec(body)
        else (UNSPECIFIED if _matches_spec(body) else INVALID)
    )


def _is_ambiguous(body: dict[str, Any]) -> bool:
    """Whether readers of JSON may differ over it: 4.0, lone surrogates, great numbers, NUL."""
    text = json.dumps(body, ensure_ascii=False)
    n = body.get("n")
    unusual_number = isinstance(n, float) or (isinstance(n, int) and abs(n) > 5)
    return unusual_number or not all(char.isprintable() for char in text)


def _violates_documentation(body: dict[str, Any]) -> bool:
    n, size, quality = body.get("n", 1), body.get("size", "auto"), body.get("quality", "auto")
    listed_models = oracle.api_spec().catalog.models
    return (
        body.get("model") not in listed_models
        if isinstance(body.get("model"), str)
        else "model" not in body
    ) or (
        (isinstance(n, int) and not isinstance(n, bool) and not 1 <= n <= 4)
        or (isinstance(size, str) and bool(size) and not _SIZE_PATTERN.fullmatch(size))
        or (isinstance(quality, str) and quality not in ("", "auto", "low", "medium", "high"))
        or "reference_image" in body
    )


def _matches_spec(body: dict[str, Any]) -> bool:
    rules = oracle.api_spec().operations[OperationId.CREATE_GENERATION].bodies[JSON]
    if not rules.validator.is_valid(body):
        return False
    try:
        oracle.api_spec().catalog.check_request({**rules.defaults, **body}, 0)
    except ValidationError:
        return False
    return True
