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

from mockhub.spec.coerce import Invalid
from mockhub.spec.operations import JSON

from . import oracle
from .exchange import Exchange
from .made import Made
from .polls import follow
from .reading import answered, expect, expect_error, field
from .recipes import RECIPES
from .stage import Stage
from .verdicts import Broken, NotAsked

GOOD, BAD, OPEN = "good", "bad", "open"

_BAD_ONES, _GOOD_ONES = 24, 6  # bodies that are generated
_PAID = 2  # good ones that are sent
_MOST = 2  # images of each
_SIZE = re.compile(r"auto|[1-9][0-9]{0,3}x[1-9][0-9]{0,3}")
_PLAIN = 1000  # characters that any implementation takes
_FIELDS = {"model", "prompt", "size", "quality", "n", "async"}


def run(stage: Stage) -> None:
    """Send generated bodies; what is certainly good is taken, what is certainly bad refused."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of other people's packages, and none of the run's business
        operation, modes = _operation()
        sent = _Sent(stage)
        _each(operation.as_strategy(generation_mode=modes.NEGATIVE), _BAD_ONES, stage, sent.bad)
        _each(operation.as_strategy(generation_mode=modes.POSITIVE), _GOOD_ONES, stage, sent.good)
    if not sent.judged:
        raise NotAsked("no generated body could be sent")


def _operation() -> tuple[Any, Any]:
    import schemathesis
    from schemathesis import GenerationMode

    # An explicit configuration: without one it would read that of the folder it runs in.
    config = schemathesis.Config.from_dict({})
    schema = schemathesis.openapi.from_dict(_narrowed(), config=config)
    return schema["/api/v1/images/generations"]["POST"], GenerationMode


def _narrowed() -> dict[str, Any]:
    """The law with JSON alone, without keys, and with words that are listed: to hit more often."""
    document: dict[str, Any] = copy.deepcopy(dict(oracle.law().document.root))
    document.pop("security", None)
    schemas = document["components"]["schemas"]
    schemas["ModelId"] = {"type": "string", "enum": list(oracle.law().catalog.models)}
    schemas["Size"] = {"type": "string", "enum": ["auto", "1024x1024"]}
    schemas["GenerationRequest"].pop("not", None)
    schemas["GenerationRequest"]["additionalProperties"] = False
    schemas["GenerationRequest"]["required"] = ["model", "prompt", "size"]
    post = document["paths"]["/api/v1/images/generations"]["post"]
    content = post["requestBody"]["content"]
    post["requestBody"]["content"] = {JSON: {"schema": content[JSON]["schema"]}}
    return document


def _each(strategy: Any, count: int, stage: Stage, send: Callable[[Any], None]) -> None:
    @seed(stage.seed)
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


class _Sent:
    """Sends bodies and judges the answers."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.judged = 0
        self.paid = 0

    def bad(self, body: Any) -> None:
        """Send a body that may be bad."""
        kind = classify(body, documented=self.stage.documented)
        if kind != BAD or self.stage.late or not self._affordable(body):
            return
        exchange = self._send(body, open=not isinstance(body, dict))
        self.judged += 1
        if not isinstance(body, dict) and self.stage.documented:
            if not 400 <= answered(exchange).status < 500:
                raise Broken("a body that is no object is taken", exchange, expected="HTTP 400")
            return
        expect_error(exchange, 400, "invalid_request")

    def good(self, body: Any) -> None:
        """Send a body that may be good, and follow the link to its generation."""
        if self.paid >= _PAID or classify(body, documented=self.stage.documented) != GOOD:
            return
        if self.stage.late or body.get("n", 1) > _MOST or not self._affordable(body):
            return
        self.paid += 1
        exchange = self._send(body)
        self.judged += 1
        status = 202 if body.get("async") else 200
        made = expect(exchange, status)
        self.stage.claim([exchange])
        if not self.stage.documented:
            _lawful("create_generation", status, exchange)
        name = field(made, "id", str, exchange, empty=False)
        if status == 202:  # its charge is not to be met later, when something else is looked at
            task = Made(name, RECIPES["page_async"], body.get("n", 1), body["size"], exchange)
            ticket = self.stage.target.meter.hold(_cost(body))
            follow(self.stage.target, task)
            self.stage.target.meter.over(ticket)
        read = self.stage.target.get(f"generations/{name}")
        expect(read, 200)
        if not self.stage.documented:
            _lawful("get_generation", 200, read)

    def _affordable(self, body: Any) -> bool:
        meter = self.stage.target.meter
        if meter.left < _cost(body):
            meter.settle()
        return meter.left >= _cost(body)

    def _send(self, body: Any, *, open: bool = False) -> Exchange:
        raw = json.dumps(body, ensure_ascii=True).encode()
        return self.stage.target.post(raw=(JSON, raw), cost=_cost(body), open=open)


def _lawful(operation: str, status: int, exchange: Exchange) -> None:
    for error in oracle.open_answer(operation, status).iter_errors(expect(exchange, status)):
        raise Broken(f"not as the law says: {error.message[:200]}", exchange)


def _cost(body: Any) -> int:
    n = body.get("n", 1) if isinstance(body, dict) else 1
    whole = isinstance(n, int) and not isinstance(n, bool)
    return oracle.dearest() * (min(max(n, 1), 5) if whole else 1)


def classify(body: Any, *, documented: bool) -> str:
    """Whether *body* is good, bad, or open at a level."""
    if isinstance(body, bytes) or type(body).__name__ == "NotSet":
        return OPEN
    if not isinstance(body, dict):
        return BAD
    if _weird(body):
        return OPEN
    if _documented_bad(body):
        return BAD
    known = body.keys() <= _FIELDS and {"model", "prompt", "size"} <= body.keys()
    if documented:
        prompt = body.get("prompt")
        plain = isinstance(prompt, str) and prompt.strip() and len(prompt) <= _PLAIN
        return GOOD if known and plain and _lawful_body(body) else OPEN
    return GOOD if known and _lawful_body(body) else (OPEN if _lawful_body(body) else BAD)


def _weird(body: dict[str, Any]) -> bool:
    """Whether readers of JSON may differ over it: 4.0, lone surrogates, great numbers, NUL."""
    text = json.dumps(body, ensure_ascii=False)
    n = body.get("n")
    odd_number = isinstance(n, float) or (isinstance(n, int) and abs(n) > 5)
    return odd_number or not all(sign.isprintable() for sign in text)


def _documented_bad(body: dict[str, Any]) -> bool:
    n, size, quality = body.get("n", 1), body.get("size", "auto"), body.get("quality", "auto")
    listed = oracle.law().catalog.models
    return (
        body.get("model") not in listed
        if isinstance(body.get("model"), str)
        else "model" not in body
    ) or (
        (isinstance(n, int) and not isinstance(n, bool) and not 1 <= n <= 4)
        or (isinstance(size, str) and bool(size) and not _SIZE.fullmatch(size))
        or (isinstance(quality, str) and quality not in ("", "auto", "low", "medium", "high"))
        or "reference_image" in body
    )


def _lawful_body(body: dict[str, Any]) -> bool:
    rules = oracle.law().operations["create_generation"].bodies[JSON]
    if not rules.validator.is_valid(body):
        return False
    try:
        oracle.law().catalog.check({**rules.defaults, **body}, 0)
    except Invalid:
        return False
    return True
