"""Request bodies: JSON and forms, malformed or of another content type (REQ-2, 10, 14, 16)."""

from __future__ import annotations

import json
from functools import partial

from mockhub.verify import multipart, oracle
from mockhub.verify.assertions import assert_equal, expect_error, require_response
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_invalid_request
from mockhub.verify.generation_assertions import assert_accepted
from mockhub.verify.outcomes import Failed

_MIN_PRICE = oracle.min_price()
_JSON = "application/json"


@check("REQ-10", cost=3 * _MIN_PRICE)
def request_rejects_malformed_json(context: CheckContext) -> None:
    """A body that is not JSON is refused, and no failure of the server."""
    body = json.dumps(context.request_body())
    for raw in (body[:-1], f"[{body}]", '"a prompt"'):
        exchange = require_response(
            context.client.post(
                raw=(_JSON, raw.encode()), cost=_MIN_PRICE, unspecified=context.documented
            )
        )
        if not 400 <= exchange.status < 500:
            raise Failed(
                f"HTTP {exchange.status} to a body that is no JSON object",
                exchange,
                expected="400 invalid_request",
            )


@check("REQ-2", "END-3", fixtures=("example", "example_form", "plain_form"))
def request_accepts_json_and_form(context: CheckContext) -> None:
    """The page's own requests are taken, in JSON and as a form with or without a file."""
    for name in ("example", "example_form", "plain_form"):
        assert_accepted(context, name)


@check("REQ-14", cost=6 * _MIN_PRICE)
def request_rejects_unreadable_body(context: CheckContext) -> None:
    """Another content type, malformed JSON or a malformed form is 400 invalid_request."""
    valid_json = json.dumps(context.request_body()).encode()
    form = multipart.encode_form(context.form_fields())
    media_type = f"multipart/form-data; boundary={multipart.BOUNDARY}"
    bodies = (
        (_JSON, b""), (_JSON, valid_json[:-1]), (_JSON, valid_json + b" {}"), (_JSON, valid_json + b" tail"),  # noqa: E501
        (_JSON, b"[" + valid_json + b"]"), (_JSON, b"[1]"), (_JSON, b"null"), (_JSON, b'{"n": NaN}'),  # noqa: E501
        ("", valid_json), ("text/plain", valid_json), ("application/xml", b"<a/>"),
        ("application/x-www-form-urlencoded", b"model=gpt-image-2&prompt=a"),
        ("multipart/form-data", form), (media_type, form[: len(form) // 2]), (media_type, b"nonsense"),  # noqa: E501
    )  # fmt: skip
    with context.expect_no_charge("an unreadable body"):
        calls = [partial(context.client.post, raw=raw, cost=_MIN_PRICE) for raw in bodies]
        for exchange, raw in zip(context.run_batch(calls, cost=_MIN_PRICE), bodies, strict=True):
            try:
                expect_error(exchange, 400, "invalid_request")
            except Failed as failure:
                raise Failed(
                    f"a body of {raw[0]}: {failure.message}", exchange, expected=failure.expected
                ) from None


@check("REQ-14", fixtures=("unknown_field",))
def request_accepts_charset(context: CheckContext) -> None:
    """JSON whose content type names UTF-8 as its charset is taken."""
    assert_variant_accepted(context, "unknown_field", "JSON with a charset")


@check("REQ-16", fixtures=("form_async",))
def request_accepts_files_before_fields(context: CheckContext) -> None:
    """In a form the texts that stand behind a file count like any other."""
    assert_variant_accepted(context, "form_async", "a form with its file first")


@check("REQ-16", fixtures=("form_async",))
def request_accepts_async_in_form(context: CheckContext) -> None:
    """async=true in a form queues a task."""
    assert_accepted(context, "form_async")
    assert_equal(
        202,
        context.generation("form_async").exchange.status,
        "the status",
        context.generation("form_async").exchange,
    )


@check("REQ-16", cost=4 * _MIN_PRICE)
def request_rejects_malformed_form_values(context: CheckContext) -> None:
    """A text that does not spell its field's type is 400 invalid_request."""
    with context.expect_no_charge("a form with a wrong text"):
        for change in ({"n": "two"}, {"n": "1.5"}, {"n": ""}, {"async": "yes"}, {"async": "1"}):
            form = {**context.form_fields(), **change}
            expect_invalid_request(
                context.client.post(form=form, cost=4 * _MIN_PRICE), change, "a form"
            )


def assert_variant_accepted(context: CheckContext, name: str, description: str) -> None:
    """Hold a generation to having been taken in its recipe's manner, not in the usual one only."""
    generation = context.generation(name)
    if generation.first_rejection and generation.accepted:
        raise Failed(
            f"{description} is answered {generation.first_rejection.status}, and taken otherwise",
            generation.first_rejection,
            expected="200, or 202 for a task",
        )
    assert_accepted(context, name)
