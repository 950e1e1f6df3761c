"""Request bodies: JSON, forms, malformed bodies and other content types (REQ-2, 10, 14, 16)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from mockhub.verify import multipart, oracle
from mockhub.verify.assertions import expect, require_response
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import describe_fields, expect_invalid_requests
from mockhub.verify.generation_assertions import assert_accepted
from mockhub.verify.outcomes import Failed

_MIN_PRICE = oracle.min_price()
_JSON = "application/json"


@check("REQ-10", cost=3 * _MIN_PRICE)
def request_rejects_malformed_json(context: CheckContext) -> None:
    """Reject a body that is not a JSON object with a client error."""
    body = json.dumps(context.request_body())
    for text in (body[:-1], f"[{body}]", '"a prompt"'):
        exchange = context.client.post(
            raw=(_JSON, text.encode()), cost=_MIN_PRICE, unspecified=context.documented
        )
        if not 400 <= require_response(exchange).status < 500:
            raise Failed(
                f"HTTP {exchange.status} to a body that is not a JSON object",
                exchange,
                expected="400 invalid_request",
            )


@check("REQ-2", "END-3", fixtures=("example", "example_form", "plain_form"))
def request_accepts_json_and_form(context: CheckContext) -> None:
    """Accept the documented requests: JSON, a form with a file, and a form without one."""
    for name in ("example", "example_form", "plain_form"):
        assert_accepted(context, name)


@check("REQ-14", cost=6 * _MIN_PRICE)
def request_rejects_unreadable_body(context: CheckContext) -> None:
    """Reject other content types, malformed JSON and malformed forms with 400 invalid_request."""
    bodies = list(_unreadable_bodies(context))
    with context.expect_no_charge("an unreadable body"):
        calls = [partial(context.client.post, raw=body, cost=_MIN_PRICE) for body in bodies]
        responses = context.run_batch(calls, cost=_MIN_PRICE)
        cases = [f"a body of {media_type or 'no content type'}" for media_type, _ in bodies]
        expect_invalid_requests(zip(cases, responses, strict=True))


def _unreadable_bodies(context: CheckContext) -> Iterator[tuple[str, bytes]]:
    """Iterate over pairs of a content type and a body that must not be accepted."""
    valid = json.dumps(context.request_body()).encode()
    for malformed in (b"", valid[:-1], valid + b" {}", valid + b" tail", b'{"n": NaN}'):
        yield _JSON, malformed
    for not_object in (b"[" + valid + b"]", b"[1]", b"null"):
        yield _JSON, not_object
    for media_type in ("", "text/plain"):
        yield media_type, valid
    yield "application/xml", b"<a/>"
    yield "application/x-www-form-urlencoded", b"model=gpt-image-2&prompt=a"
    form = multipart.encode_form(context.form_fields())
    yield "multipart/form-data", form
    for malformed in (form[: len(form) // 2], b"nonsense"):
        yield f"multipart/form-data; boundary={multipart.BOUNDARY}", malformed


@check("REQ-14", fixtures=("unknown_field",))
def request_accepts_charset(context: CheckContext) -> None:
    """Accept JSON with a content type that has charset=utf-8."""
    _assert_variant_accepted(context, "unknown_field", "JSON with a charset")


@check("REQ-16", fixtures=("form_async",))
def request_accepts_files_before_fields(context: CheckContext) -> None:
    """Accept a form whose text fields follow its file."""
    _assert_variant_accepted(context, "form_async", "a form with its file first")


def _assert_variant_accepted(context: CheckContext, name: str, description: str) -> None:
    """Require a generation to be accepted in the variant of its fixture, not only without it."""
    generation = context.generation(name)
    if generation.first_rejection and generation.accepted:
        raise Failed(
            f"HTTP {generation.first_rejection.status} to {description}, which works otherwise",
            generation.first_rejection,
            expected="200, or 202 for a task",
        )
    assert_accepted(context, name)


@check("REQ-16", fixtures=("form_async",))
def request_accepts_async_in_form(context: CheckContext) -> None:
    """Queue a task for a form with async=true."""
    expect(assert_accepted(context, "form_async").exchange, 202)


@check("REQ-16", cost=4 * _MIN_PRICE)
def request_rejects_malformed_form_values(context: CheckContext) -> None:
    """Reject a form field whose text is not a value of its type with 400 invalid_request."""
    with context.expect_no_charge("a form with a malformed value"):
        changes = ({"n": "two"}, {"n": "1.5"}, {"n": ""}, {"async": "yes"}, {"async": "1"})
        expect_invalid_requests(
            (
                f"a form with {describe_fields(change)}",
                context.client.post(form=context.form_fields() | change, cost=4 * _MIN_PRICE),
            )
            for change in changes
        )
