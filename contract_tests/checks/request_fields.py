"""What a request may say, in JSON and in a form alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from mockhub.verify import multipart, oracle
from mockhub.verify.assertions import assert_equal, expect_error, require_field, require_response
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import DOCUMENTED_SIZES, FIXTURES
from mockhub.verify.outcomes import Failed, Inconclusive

from .models import fetch_model_list

_MIN_PRICE = oracle.min_price()
_JSON = "application/json"


def expect_rejection(
    context: CheckContext, *changes: Mapping[str, Any], also_form: bool = True
) -> None:
    """Hold requests with *changes* to 400 invalid_request, in JSON and in a form, for nothing."""
    with context.expect_no_charge("a request that is refused"):
        calls, cases, max_cost = [], [], max(map(_max_cost, changes))
        for change in changes:
            cost, post = _max_cost(change), context.client.post
            calls.append(partial(post, context.request_body(**change), cost=cost))
            cases.append((change, "JSON"))
            if also_form:
                calls.append(partial(post, form=context.form_fields(**change), cost=cost))
                cases.append((change, "a form"))
        for exchange, (change, encoding) in zip(
            context.run_batch(calls, cost=max_cost), cases, strict=True
        ):
            _expect_invalid_request(exchange, change, encoding)


def _max_cost(change: Mapping[str, Any]) -> int:
    n = change.get("n", 1)
    return oracle.max_price() * (
        max(int(n) + 1, 1) if isinstance(n, float) else max(_as_count(n), 1)
    )


def _as_count(n: Any) -> int:
    return n if isinstance(n, int) else 4


def _expect_invalid_request(exchange: Exchange, change: Mapping[str, Any], encoding: str) -> None:
    try:
        expect_error(exchange, 400, "invalid_request")
    except Failed as failure:
        changed_fields = ", ".join(
            f"{name} {'left out' if value is ... else json.dumps(value)[:60]}"
            for name, value in change.items()
        )
        raise Failed(
            f"{encoding} with {changed_fields}: {failure.message}",
            *failure.exchanges,
            expected=failure.expected,
        ) from None


@check("REQ-1", "REQ-10", cost=6 * _MIN_PRICE)
def request_requires_listed_model(context: CheckContext) -> None:
    """A model that is not listed is 400 invalid_request, and so is none."""
    expect_rejection(
        context, {"model": "mockhub-no-such-model"}, {"model": ...}, {"model": "GPT-Image-2"}
    )
    listed = fetch_model_list(context).text
    others = ("gpt-image-1", "dall-e-3", "gpt-image-2-x", "gpt-image")
    unlisted = [{"model": name} for name in others if f'"{name}"' not in listed]
    expect_rejection(context, {"model": ""}, *unlisted, also_form=False)
    expect_rejection(context, {"model": "mockhub-no-such-model", "async": True}, also_form=False)


@check("REQ-3", "REQ-10", cost=2 * _MIN_PRICE)
def request_rejects_malformed_size(context: CheckContext) -> None:
    """A size that is neither auto nor WIDTHxHEIGHT is 400 invalid_request."""
    expect_rejection(context, {"size": "banana"})
    expect_rejection(context, {"size": "1024x"}, {"size": "-1024x1024"}, also_form=False)


@check("REQ-4", "REQ-10", cost=2 * _MIN_PRICE)
def request_rejects_unknown_quality(context: CheckContext) -> None:
    """A quality beside auto, low, medium and high is 400 invalid_request."""
    expect_rejection(context, {"quality": "ultra"}, {"quality": "hd"}, {"quality": "1K"})
    expect_rejection(
        context, {"quality": "standard"}, {"quality": "4K"}, {"quality": "HIGH"}, also_form=False
    )


@check("REQ-5", "REQ-10", cost=8 * _MIN_PRICE)
def request_rejects_n_out_of_range(context: CheckContext) -> None:
    """n below 1, above 4, or no whole number is 400 invalid_request, for tasks and forms too."""
    expect_rejection(context, {"n": 0}, {"n": 5})
    expect_rejection(context, {"n": -1}, {"n": 2.5}, also_form=False)
    expect_rejection(context, {"n": 5, "async": True}, {"n": 0, "async": True}, also_form=False)


@check("REQ-5", requires=("low",), cost=_MIN_PRICE)
def request_rejects_overflowing_n(context: CheckContext) -> None:
    """An n that is 1 in eight, sixteen or thirty-two bits is refused all the same."""
    credits = context.credits("low")  # all that a mistake can cost
    if credits < _MIN_PRICE:
        raise Inconclusive(f"keys.low has {credits} credits, which pay for no image")
    for bits in (8, 16, 32):
        n = 2**bits + 1
        exchange = require_response(
            context.client.post(context.request_body(n=n), key="low", cost=credits)
        )
        if exchange.status not in (400, 402):
            context.record_cost([exchange])
            raise Failed(f"n {n}: HTTP {exchange.status}", exchange, expected="400 invalid_request")


@check("REQ-6", "REQ-10", cost=2 * _MIN_PRICE)
def request_rejects_references_in_json(context: CheckContext) -> None:
    """A reference_image in a JSON body is 400 invalid_request."""
    url = "data:image/png;base64,iVBORw0KGgo="
    expect_rejection(context, {"reference_image": url}, {"reference_image": [url]}, also_form=False)


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


@check("REQ-3", fixtures=("example", "auto"))
def request_accepts_documented_sizes(context: CheckContext) -> None:
    """size auto and 1024x1024 are taken."""
    for name in ("example", "auto"):
        assert_accepted(context, name)


@check("REQ-4", fixtures=("example", "auto", "plain_form", "many_references"))
def request_accepts_each_quality(context: CheckContext) -> None:
    """quality auto, low, medium and high are taken."""
    for name in ("example", "auto", "plain_form", "many_references"):
        assert_accepted(context, name)


@check("REQ-5", fixtures=("example", "example_form", "plain_form", "three", "many_references"))
def request_accepts_each_n(context: CheckContext) -> None:
    """n from 1 to 4 is taken, and counts the images in a form too."""
    for name in ("example", "example_form", "plain_form", "three"):
        assert_accepted(context, name)
    for name in ("plain_form", "three", "many_references"):
        generation = context.accepted(name)
        images = require_field(generation.final_body, "images", list, generation.final_exchange)
        assert_equal(generation.n, len(images), "the number of images", generation.final_exchange)


@check("REQ-5", requires=("partial",), fixtures=("partial",))
def request_accepts_maximum_n(context: CheckContext) -> None:
    """n of 4 is taken in JSON."""
    generation = context.generation("partial")
    if require_response(generation.exchange).status == 400:
        assert_accepted(context, "partial")


def assert_accepted(context: CheckContext, name: str) -> None:
    generation = context.generation(name)
    exchange = require_response(generation.exchange)
    if exchange.status == 402 and (generation.balance_before or 0) < FIXTURES[name].max_cost:
        raise Inconclusive("the account cannot pay for it", exchange)
    if exchange.status == 401:
        raise Inconclusive("the key keys.valid is refused; is it right?", exchange)
    must_be_offered = generation.size in DOCUMENTED_SIZES or not context.documented
    if not generation.accepted and (must_be_offered or exchange.status != 400):
        raise Failed(
            f"a valid request is answered {exchange.status}",
            exchange,
            expected="200, or 202 for a task",
        )


# What the page leaves open.


# It comes right after generations of several images, which a server must not remember.
@check("REQ-11", "REQ-12", "GEN-12", fixtures=("bare",))
def request_accepts_minimal_fields(context: CheckContext) -> None:
    """A model and a long prompt in any script are enough: one image, and it costs as auto does."""
    assert_accepted(context, "bare")
    generation = context.completed("bare")
    assert_equal(200, generation.exchange.status, "the status without async", generation.exchange)
    assert_equal(_MIN_PRICE, generation.reported_cost, "usage.credits", generation.exchange)


@check("REQ-11", cost=4 * _MIN_PRICE)
def request_requires_prompt(context: CheckContext) -> None:
    """prompt is required and a text of 1 to 32,000 characters."""
    expect_rejection(context, {"prompt": ...}, {"prompt": ""}, {"prompt": "x" * 32_001})
    expect_rejection(context, {"prompt": None}, {"prompt": 7}, {"prompt": ["a"]}, also_form=False)


@check("REQ-12", cost=4 * _MIN_PRICE)
def request_rejects_wrong_types(context: CheckContext) -> None:
    """A field of another JSON type is 400 invalid_request, null included."""
    wrong_types: Iterable[dict[str, Any]] = (
        {"n": "2"}, {"n": None}, {"n": 1.5}, {"n": True}, {"n": []},
        {"async": "true"}, {"async": 1}, {"async": None},
        {"size": 1024}, {"size": None}, {"quality": None}, {"quality": 5}, {"model": None},
    )  # fmt: skip
    expect_rejection(context, *wrong_types, also_form=False)


@check("REQ-13", cost=4 * _MIN_PRICE)
def request_rejects_unsupported_sizes(context: CheckContext) -> None:
    """Sides divisible by 16, a ratio from 1:3 to 3:1, at most 3840x2160."""
    sizes = ("1000x1000", "4096x1024", "3840x3840", "3856x2160", "1024x320", "0x0", "01024x1024")
    expect_rejection(context, *({"size": size} for size in sizes), also_form=False)
    expect_rejection(context, {"size": "1024X1024"}, {"size": "1024x1024\n"}, {"size": "1000x1000"})


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


@check("REQ-15", fixtures=("unknown_field",))
def request_ignores_unknown_fields(context: CheckContext) -> None:
    """Fields that the page does not know are ignored."""
    assert_accepted(context, "unknown_field")


@check("REQ-14", fixtures=("unknown_field",))
def request_accepts_charset(context: CheckContext) -> None:
    """JSON whose content type names UTF-8 as its charset is taken."""
    assert_variant_accepted(context, "unknown_field", "JSON with a charset")


@check("REQ-16", fixtures=("form_async",))
def request_accepts_files_before_fields(context: CheckContext) -> None:
    """In a form the texts that stand behind a file count like any other."""
    assert_variant_accepted(context, "form_async", "a form with its file first")


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
            _expect_invalid_request(
                context.client.post(form=form, cost=4 * _MIN_PRICE), change, "a form"
            )
