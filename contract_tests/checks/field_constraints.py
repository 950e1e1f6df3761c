"""Fields of a request: model, prompt, size, quality and n (REQ-1, 3, 4, 5, 11, 13)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import assert_field, expect, require_response
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_near_misses_rejected, expect_rejection
from mockhub.verify.fixtures import FAILURE_FIXTURES, SEVERAL_FIXTURES, SYNC_FIXTURES
from mockhub.verify.generation import REJECTED
from mockhub.verify.generation_assertions import assert_accepted, assert_image_count
from mockhub.verify.outcomes import Failed, Inconclusive, failures_about
from mockhub.verify.rejections import rejection

_MIN_PRICE = oracle.min_price()

_INHERITED = ("constructor", "toString", "__proto__")  # found in each object of JavaScript
# They resemble a valid value. White space around a value, and the case of a size, are open points.
_NEAR_MODELS = (
    *("gpt-image-2.5", "gpt-image-2x", "gpt-image-22", "a-gpt-image-2", "openai/gpt-image-2"),
    *("gpt_image_2", "gptimage2", "gpt-image-", "gpt-image-2,gpt-image-2"),
    *_INHERITED,
)
_NEAR_SIZES = (
    *("1024x1024px", "a1024x1024", "1024x1024x1", "1024*1024", "1024×1024", "1024:1024"),
    *("1024,1024", "1024-1024", "1024x-1024", "1024.5x1024", "1024", "automatic", "auto,1024x1024"),
    *("0x0", "0x1024", "0x400x0x400", "1e3x1e3", "１０２４x１０２４"),
    *_INHERITED,
)
_NEAR_QUALITIES = (
    *("highest", "very high", "high!", "high,low", "h", "hi", "lowest", "med", "auto-high"),
    *("normal", "best", "automatic", "0", "high/medium"),
    *_INHERITED,
)
_NEAR_COUNTS = ("2abc", "2.5", "1,2", "two", "NaN", "Infinity", "-2", "2-3", "true", "1e5")


@check("REQ-1", "REQ-10", cost=6 * _MIN_PRICE, pays_nothing=True)
def request_requires_listed_model(context: CheckContext) -> None:
    """Reject a missing model, or one that is not listed, with 400 invalid_request."""
    unknown = ({"model": name} for name in ("mockhub-no-such-model", ..., "GPT-Image-2", ""))
    listed = context.model_list().text
    others = ("gpt-image-1", "dall-e-3", "gpt-image-2-x", "gpt-image")
    unlisted = ({"model": name} for name in others if f'"{name}"' not in listed)
    expect_rejection(context, *unknown, *unlisted)
    near_misses = [name for name in _NEAR_MODELS if f'"{name}"' not in listed]
    expect_near_misses_rejected(context, "model", near_misses)


@check("REQ-3", "REQ-10", cost=2 * _MIN_PRICE, pays_nothing=True)
def request_rejects_malformed_size(context: CheckContext) -> None:
    """Reject a size that is neither auto nor WIDTHxHEIGHT with 400 invalid_request."""
    expect_rejection(context, {"size": "banana"}, {"size": "1024x"}, {"size": "-1024x1024"})
    expect_near_misses_rejected(context, "size", _NEAR_SIZES)


@check("REQ-4", "REQ-10", cost=2 * _MIN_PRICE, pays_nothing=True)
def request_rejects_unknown_quality(context: CheckContext) -> None:
    """Reject a quality other than auto, low, medium and high with 400 invalid_request."""
    unknown = ("ultra", "hd", "1K", "standard", "4K", "HIGH")
    expect_rejection(context, *({"quality": quality} for quality in unknown))
    expect_near_misses_rejected(context, "quality", _NEAR_QUALITIES)


@check("REQ-5", "REQ-10", cost=8 * _MIN_PRICE, pays_nothing=True)
def request_rejects_n_out_of_range(context: CheckContext) -> None:
    """Reject an n that is not an integer from 1 to 4 with 400 invalid_request."""
    expect_rejection(context, {"n": 0}, {"n": 5}, {"n": -1})
    expect_rejection(context, {"n": 2.5}, {"n": 0.5}, {"n": 4.5}, also_form=False)
    expect_near_misses_rejected(context, "n", _NEAR_COUNTS)


@check("REQ-5", requires=("low",), cost=_MIN_PRICE, pays_nothing=True)
def request_rejects_overflowing_n(context: CheckContext) -> None:
    """Reject an n that overflows to 1 in 8, 16 or 32 bits."""
    credits = context.credits("low")  # the most that a wrong acceptance can cost
    if credits < _MIN_PRICE:
        raise Inconclusive(f"keys.low has {credits} credits, not enough for an image")
    for bits in (8, 16, 32):
        n = 2**bits + 1
        exchange = context.client.post(context.request_body(n=n), key="low", cost=credits)
        if require_response(exchange).status not in (400, 402):
            context.record_cost([exchange])
            raise Failed(
                f"HTTP {exchange.status} to n {n}", exchange, expected="400 invalid_request"
            )


@check("REQ-3", fixtures=("example", "auto"))
def request_accepts_documented_sizes(context: CheckContext) -> None:
    """Accept size auto and size 1024x1024."""
    for name in ("example", "auto"):
        assert_accepted(context, name)


@check("REQ-4", fixtures=(*SYNC_FIXTURES, *SEVERAL_FIXTURES))
def request_accepts_each_quality(context: CheckContext) -> None:
    """Accept quality auto, low, medium and high."""
    for name in (*SYNC_FIXTURES, *SEVERAL_FIXTURES):
        assert_accepted(context, name)


@check("REQ-5", fixtures=("example", "many_references", *SEVERAL_FIXTURES))
def request_accepts_each_n(context: CheckContext) -> None:
    """Accept each n from 1 to 4 and return as many images, in JSON and in a form."""
    for name in ("example", "many_references", *SEVERAL_FIXTURES):
        assert_accepted(context, name)
        assert_image_count(context.completed(name))


@check("REQ-2", "REQ-10", requires=("provider_failure",), fixtures=(*FAILURE_FIXTURES, "form_task"))
def request_accepts_combinations(context: CheckContext) -> None:
    """Accept each media type with and without async, and with each n, size, quality and file."""
    generations = [*context.generate_failures(), context.generation("form_task")]
    # Whether a form can be a task depends on no other field.
    is_open = context.documented and not context.has_form_tasks
    accepted = [one for one in context.history if not one.size_rejection]
    offered = {(one.size, one.fixture.is_form) for one in accepted}
    for generation in generations:
        if is_open and generation.fixture.is_form_task:
            continue
        fixture = generation.fixture
        is_offered = not context.documented or (fixture.size, fixture.is_form) in offered
        exchange = generation.first_exchange if is_offered else generation.exchange
        if exchange.status in REJECTED:
            expected = "500 generationFailed, or 202 for a task"
            judged = [one for one in context.history if not (is_open and one.fixture.is_form_task)]
            raise rejection(exchange, expected, judged)


@check("REQ-5", requires=("partial",), fixtures=("partial",))
def request_accepts_maximum_n(context: CheckContext) -> None:
    """Accept n=4 in JSON."""
    if require_response(context.generation("partial").exchange).status == 400:
        assert_accepted(context, "partial")


# It follows generations of several images, whose n a server must not remember.
@check("REQ-11", "REQ-12", "GEN-12", fixtures=("bare",))
def request_accepts_minimal_fields(context: CheckContext) -> None:
    """Generate one image at the price of size auto from a model and a long Unicode prompt."""
    assert_accepted(context, "bare")
    generation = context.completed("bare")
    expect(generation.exchange, 200)
    assert_field(generation.body, "usage.credits", _MIN_PRICE, generation.exchange)


@check("REQ-11", cost=4 * _MIN_PRICE, pays_nothing=True)
def request_requires_prompt(context: CheckContext) -> None:
    """Reject a prompt that is not a text of 1 to 32,000 characters with 400 invalid_request."""
    expect_rejection(context, {"prompt": ...}, {"prompt": ""}, {"prompt": "x" * 32_001})
    expect_rejection(context, {"prompt": None}, {"prompt": 7}, {"prompt": ["a"]}, also_form=False)


@check("REQ-13", cost=4 * _MIN_PRICE, pays_nothing=True)
def request_rejects_unsupported_sizes(context: CheckContext) -> None:
    """Reject sides not divisible by 16, ratios beyond 3:1 or 1:3, and more than 3840x2160."""
    sizes = ("1000x1000", "4096x1024", "3840x3840", "3856x2160", "1024x320", "0x0", "01024x1024")
    expect_rejection(context, *({"size": size} for size in sizes), also_form=False)
    expect_rejection(context, {"size": "1024X1024"}, {"size": "1024x1024\n"}, {"size": "1000x1000"})


@check("REQ-1", "REQ-3", "REQ-4", "REQ-10", level="inferred", cost=_MIN_PRICE, pays_nothing=True)
def request_compares_values_exactly(context: CheckContext) -> None:
    """Reject white space and quotes around a value, an empty one, and other names of a size."""
    for field, value, clause in (
        ("model", oracle.MODEL, "REQ-1"),
        ("size", "1024x1024", "REQ-3"),
        ("quality", "high", "REQ-4"),
    ):
        with failures_about(clause):
            texts = (f" {value}", f"{value} ", f"{value}\n", f'"{value}"')
            expect_near_misses_rejected(context, field, texts)
            expect_near_misses_rejected(context, field, ("",), also_form=False)
    with failures_about("REQ-3"):
        expect_near_misses_rejected(context, "size", ("1K", "1:1", "square", "AUTO"))
