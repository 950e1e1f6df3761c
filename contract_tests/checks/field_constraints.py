"""Fields of a request: model, prompt, size, quality and n (REQ-1, 3, 4, 5, 11, 13)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import assert_equal, require_field, require_response
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_rejection
from mockhub.verify.generation_assertions import assert_accepted
from mockhub.verify.outcomes import Failed, Inconclusive

_MIN_PRICE = oracle.min_price()


@check("REQ-1", "REQ-10", cost=6 * _MIN_PRICE)
def request_requires_listed_model(context: CheckContext) -> None:
    """A model that is not listed is 400 invalid_request, and so is none."""
    expect_rejection(
        context, {"model": "mockhub-no-such-model"}, {"model": ...}, {"model": "GPT-Image-2"}
    )
    listed = context.model_list().text
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


@check("REQ-13", cost=4 * _MIN_PRICE)
def request_rejects_unsupported_sizes(context: CheckContext) -> None:
    """Sides divisible by 16, a ratio from 1:3 to 3:1, at most 3840x2160."""
    sizes = ("1000x1000", "4096x1024", "3840x3840", "3856x2160", "1024x320", "0x0", "01024x1024")
    expect_rejection(context, *({"size": size} for size in sizes), also_form=False)
    expect_rejection(context, {"size": "1024X1024"}, {"size": "1024x1024\n"}, {"size": "1000x1000"})
