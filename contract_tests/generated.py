"""Send valid and invalid bodies that schemathesis generates from the spec, as JSON and as forms.

They are sent with the key of an account that cannot pay, if there is one: a valid body gets 402, an
invalid one 400, and nothing is spent. schemathesis only generates. Sending and checking are done
here, so that nothing is sent twice or outside of the budget.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from mockhub.spec.operations import JSON, OperationId
from mockhub.spec.schema_errors import schema_errors
from mockhub.verify import oracle
from mockhub.verify.assertions import (
    FailedCases,
    expect,
    expect_error,
    require_field,
    require_response,
)
from mockhub.verify.client import GENERATIONS
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import describe_fields
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import FIXTURES, QUALITIES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.multipart import to_form_text
from mockhub.verify.outcomes import Failed, OverBudget, Skipped
from mockhub.verify.polling import poll_until_final

from .validity import KNOWN_FIELDS, Validity, classify, is_integer, violated_clause

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_INVALID_FACTOR, _VALID_FACTOR = 5, 4  # bodies to generate, for each example
_MAX_PAID, _MAX_IMAGES = 2, 2  # valid bodies to send, and images of each

# What schemathesis generates is mostly simple: these combine the fields, and change one of them.
_VALID = st.fixed_dictionaries(
    {
        "model": st.just(oracle.MODEL),
        "prompt": st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40),
        "size": st.sampled_from(("auto", "1024x1024")),
        "n": st.integers(1, 4),
        "quality": st.sampled_from(QUALITIES),
    },
    optional={"async": st.booleans()},
)
_WORDS = st.text("abehilmost1248KxX_-. ", min_size=1, max_size=8)
_CHANGES = st.one_of(
    st.fixed_dictionaries({"n": st.integers(-5, 5)}),
    st.fixed_dictionaries({"quality": _WORDS | st.sampled_from(QUALITIES).map(str.upper)}),
    st.fixed_dictionaries({"model": _WORDS | _WORDS.map(lambda text: oracle.MODEL + text)}),
    st.fixed_dictionaries({"size": _WORDS | _WORDS.map(lambda text: f"1024x1024{text}")}),
    st.fixed_dictionaries({"reference_image": _WORDS}),
)
_NEARLY_VALID = st.builds(lambda body, change: {**body, **change}, _VALID, _CHANGES)


def run(context: CheckContext) -> None:
    """Require that valid bodies are accepted and invalid ones rejected."""
    import schemathesis
    from schemathesis import GenerationMode

    # Without an explicit configuration it would read schemathesis.toml of the working directory.
    config = schemathesis.Config.from_dict({})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of schemathesis do not concern the user
        schema = schemathesis.openapi.from_dict(_simplified_spec(), config=config)
        operation = schema[GENERATIONS]["POST"]
        sender = _BodySender(context)
        for mode, own, count, requests in (
            (GenerationMode.NEGATIVE, _NEARLY_VALID, _INVALID_FACTOR, sender.invalid_requests),
            (GenerationMode.POSITIVE, _VALID, _VALID_FACTOR, sender.valid_requests),
        ):
            generated = operation.as_strategy(generation_mode=mode).map(lambda case: case.body)
            bodies = _generate_bodies(generated | own | own, count * context.examples, context.seed)
            sender.send([request for body in bodies for request in requests(body)])
    if not sender.checked_count:
        raise Skipped("no generated body could be sent")


def _simplified_spec() -> JsonObject:
    """Return the spec with JSON only, without security, and with enums so that more is valid."""
    document = copy.deepcopy(dict(oracle.api_spec().document.root))
    document.pop("security", None)
    schemas = document["components"]["schemas"]
    schemas["ModelId"] = {"type": "string", "enum": list(oracle.api_spec().catalog.models)}
    schemas["Size"] = {"type": "string", "enum": ["auto", "1024x1024"]}
    schemas["GenerationRequest"].pop("not", None)
    schemas["GenerationRequest"]["additionalProperties"] = False
    schemas["GenerationRequest"]["required"] = ["model", "prompt", "size"]
    post = document["paths"][GENERATIONS]["post"]
    content = post["requestBody"]["content"]
    post["requestBody"]["content"] = {JSON: {"schema": content[JSON]["schema"]}}
    return document


def _generate_bodies(strategy: SearchStrategy[object], count: int, seed_value: int) -> list[object]:
    """Return generated bodies, each once."""
    bodies: dict[str, object] = {}

    @seed(seed_value)
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
    def collect(body: object) -> None:
        bodies.setdefault(json.dumps(body, sort_keys=True, default=repr), body)

    collect()
    return list(bodies.values())


class _GeneratedRequest(NamedTuple):
    """A request to send, unless the budget does not cover it, and what its response must be."""

    send: Callable[[], Exchange | None]
    check: Callable[[Exchange], object]


class _BodySender:
    def __init__(self, context: CheckContext) -> None:
        self.context = context
        self.checked_count = 0
        self.paid_count = 0
        credits = context.credits_or_none("broke") if "broke" in context.profile.keys else None
        self.is_free = credits is not None and credits < oracle.min_price()
        self.credits = credits or 0
        self.key = "broke" if self.is_free else "valid"
        self._invalid_key = "valid" if self._checks_balance_first() else self.key

    def _checks_balance_first(self) -> bool:
        """Return whether an invalid body of `broke` gets a 402, which is an open point."""
        if not (self.is_free and self.context.documented):
            return False
        body = self.context.request_body(n=0)
        return self.context.client.post(body, key="broke", cost=self.credits).status == 402

    def send(self, requests: Sequence[_GeneratedRequest]) -> None:
        """Send requests until the time is over, and check their responses."""
        self.context.begin_generated()  # generating takes seconds on a busy machine
        exchanges = self.context.run_batch([one.send for one in requests])
        with self.context.client.budget.reservation(self.credits if self.is_free else 0, "broke"):
            for request, exchange in zip(requests, exchanges, strict=True):
                if exchange is not None:
                    self.checked_count += 1
                    request.check(exchange)
                if self.context.timed_out:
                    break

    def invalid_requests(self, body: object) -> Iterator[_GeneratedRequest]:
        """Iterate over the requests with *body* if it is certainly invalid; 400 is required."""
        if classify(body, documented=self.context.documented) != Validity.INVALID:
            return
        is_object = isinstance(body, dict)
        assert_invalid = partial(_assert_invalid, body)
        check = assert_invalid if is_object or not self.context.documented else _assert_rejected
        yield self._request(body, check, key=self._invalid_key, unspecified=not is_object)
        if form := _to_form(body):
            yield self._request(body, assert_invalid, form, key=self._invalid_key)

    def valid_requests(self, body: object) -> Iterator[_GeneratedRequest]:
        """Iterate over the requests with *body* if it is certainly valid; 402 is required.

        Without an account that cannot pay, a few small ones are paid for. Whether a task is
        rejected at its submission is an open point.
        """
        if (
            not isinstance(body, dict)
            or classify(body, documented=self.context.documented) != Validity.VALID
        ):
            return
        is_task = bool(body.get("async"))
        if not self.is_free:
            if self.paid_count < _MAX_PAID and body.get("n", 1) <= _MAX_IMAGES:
                self.paid_count += 1
                yield self._request(body, partial(self._check_paid, body))
        elif not (is_task and self.context.documented):
            yield self._request(body, _assert_unpaid)
            form = _to_form(body)
            if form and not is_task:
                yield self._request(body, _assert_unpaid, form)

    def _request(
        self,
        body: object,
        check: Callable[[Exchange], object],
        form: dict[str, str] | None = None,
        *,
        key: str = "",
        unspecified: bool = False,
    ) -> _GeneratedRequest:
        key = key or self.key
        cost = 0 if key == "broke" else _max_cost(body)  # all that `broke` has is reserved
        post = partial(self.context.client.post, key=key, cost=cost, unspecified=unspecified)
        raw = None if form else (JSON, json.dumps(body, ensure_ascii=True).encode())

        def send() -> Exchange | None:
            with suppress(OverBudget):
                return post(form=form, raw=raw)
            return None

        return _GeneratedRequest(send, check)

    def _check_paid(self, body: JsonObject, exchange: Exchange) -> None:
        """Require a generation, and follow the link to it."""
        status = 202 if body.get("async") else 200
        response_body = expect(exchange, status)
        self.context.record_cost([exchange])
        self._check_response(OperationId.CREATE_GENERATION, status, exchange)
        generation_id = require_field(response_body, "id", str, exchange, allow_empty=False)
        if status == 202:
            self._wait_until_final(body, generation_id, exchange)
        read_exchange = self.context.client.get(f"generations/{generation_id}")
        self._check_response(OperationId.GET_GENERATION, 200, read_exchange)

    def _wait_until_final(self, body: JsonObject, generation_id: str, exchange: Exchange) -> None:
        """Poll a task, so that its charge does not disturb what follows."""
        task = ObservedGeneration(
            generation_id, FIXTURES["example_async"], body.get("n", 1), body["size"], exchange
        )
        reservation = self.context.client.budget.reserve_task(_max_cost(body), exchange.started)
        poll_until_final(self.context.client, task)
        self.context.client.budget.release(reservation)

    def _check_response(self, operation: str, status: int, exchange: Exchange) -> None:
        body = expect(exchange, status)
        if self.context.documented:
            return
        for error in schema_errors(oracle.response_validator(operation, status), body):
            message = f"does not match the response schema: {error.message[:200]}"
            raise Failed(message, exchange)


def _assert_invalid(body: object, exchange: Exchange) -> None:
    description = describe_fields(body) if isinstance(body, dict) else json.dumps(body)[:60]
    with FailedCases() as cases, cases.case(description, violated_clause(body)):
        expect_error(exchange, 400, "invalid_request")


def _assert_unpaid(exchange: Exchange) -> None:
    expect_error(exchange, 402, "insufficientCredits")


def _assert_rejected(exchange: Exchange) -> None:
    """Require an error: the documentation does not say which a body gets that is not an object."""
    if not 400 <= require_response(exchange).status < 500:
        message = "a body that is not an object is accepted"
        raise Failed(message, exchange, expected="HTTP 400")


def _to_form(body: object) -> dict[str, str] | None:
    """Return the fields of a form with the same meaning, or None if there is none."""
    if not isinstance(body, dict) or not body.keys() <= KNOWN_FIELDS:
        return None
    for name, value in body.items():
        expected_type = {"n": int, "async": bool}.get(name, str)
        if type(value) is not expected_type or value == "":
            return None
    return {name: to_form_text(value) for name, value in body.items()}


def _max_cost(body: object) -> int:
    n = body.get("n", 1) if isinstance(body, dict) else 1
    return oracle.max_price() * (min(max(n, 1), 5) if is_integer(n) else 1)
