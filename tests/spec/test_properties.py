"""Properties of sizes, prices and request bodies."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mockhub._resources import resource_path
from mockhub.exceptions import ValidationError
from mockhub.spec.operations import FORM, JSON
from mockhub.spec.request_validation import coerce_form_fields, parse_json_object, validate
from mockhub.spec.sizes import Size, nearest_ratio, parse_ratio, parse_size
from tests.support.live_server import read_spec

SPEC = read_spec(resource_path("openapi.yaml"))
SIZES = SPEC.catalog.size_rules
(MODEL,) = SPEC.catalog.models.values()
BODIES = SPEC.operations["create_generation"].bodies

SIDES = st.integers(1, 240).map(lambda sixteenths: 16 * sixteenths)
VALID_SIZES = st.builds(Size, SIDES, SIDES).filter(lambda size: SIZES.violation(size) is None)


@given(st.builds(Size, st.integers(1, 9999), st.integers(1, 9999)))
def test_size_round_trips(size: Size) -> None:
    assert parse_size(str(size)) == size


@given(st.text(max_size=12) | st.text(alphabet="0123456789xX １\n", max_size=12))
def test_size_has_one_spelling(text: str) -> None:
    """A text that is parsed as a size is its one spelling (REQ-13)."""
    with suppress(ValueError):
        assert str(parse_size(text)) == text


@given(st.builds(Size, st.integers(1, 9999), st.integers(1, 9999)))
def test_size_bounds(size: Size) -> None:
    """A size is valid on the grid, within 1:3 to 3:1 and up to 3840x2160 (REQ-13)."""
    valid = (
        size.width % 16 == size.height % 16 == 0
        and Fraction(1, 3) <= Fraction(size.width, size.height) <= 3
        and size.width * size.height <= 3840 * 2160
        and max(size) <= 3840
    )
    assert valid == (SIZES.violation(size) is None)


@given(VALID_SIZES, VALID_SIZES)
def test_more_pixels_never_cost_less(size: Size, other: Size) -> None:
    """The price follows the pixels, and swapping width and height changes neither (GEN-12)."""
    small, large = sorted((size, other), key=lambda size: size.pixels)
    prices = [SPEC.catalog.quote(MODEL.id, str(size)).credits_per_image for size in (small, large)]
    assert prices == sorted(prices)
    turned = SPEC.catalog.quote(MODEL.id, str(Size(size.height, size.width)))
    assert SPEC.catalog.quote(MODEL.id, str(size)).credits_per_image == turned.credits_per_image


@given(VALID_SIZES)
def test_aspect_ratio_is_the_nearest_listed_one(size: Size) -> None:
    """A size has a listed ratio, and no other listed one is nearer (GEN-5)."""
    ratio = nearest_ratio(size, MODEL.aspect_ratios)
    listed = {ratio: parse_ratio(ratio) for ratio in MODEL.aspect_ratios if ratio != "auto"}

    def off(ratio: Fraction) -> Fraction:
        return max(ratio, size.ratio) / min(ratio, size.ratio)

    assert ratio in listed
    assert off(listed[ratio]) == min(map(off, listed.values()))


FIELDS = st.fixed_dictionaries(
    {"model": st.just(MODEL.id), "prompt": st.text(min_size=1, max_size=50)},
    optional={
        "n": st.integers(1, 4),
        "size": st.sampled_from(["auto", "1024x1024", "3840x2160"]),
        "quality": st.sampled_from(["auto", "low", "medium", "high"]),
        "async": st.booleans(),
    },
)


@given(FIELDS)
def test_json_and_form_give_equal_values(fields: dict[str, Any]) -> None:
    """The same request in JSON and as a form has the same values and defaults (REQ-12, REQ-16)."""
    assume(all(not 0xD800 <= ord(letter) < 0xE000 for letter in fields["prompt"]))
    values = validate(parse_json_object(json.dumps(fields).encode()), BODIES[JSON])
    texts = [(k, v if isinstance(v, str) else json.dumps(v)) for k, v in fields.items()]
    assert validate(coerce_form_fields(texts, BODIES[FORM]), BODIES[FORM]) == values
    assert fields == {name: values[name] for name in fields}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["model", "prompt", "n", "size", "async", "x"]), ANYTHING))
def test_any_values_are_accepted_or_rejected(values: dict[str, Any]) -> None:
    """For any JSON in its fields the body is valid, or the message names a field (REQ-10)."""
    try:
        validate(values, BODIES[JSON])
    except ValidationError as error:
        assert any(str(error).startswith(name) for name in BODIES[JSON].fields)


@given(st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_parsed_or_rejected(raw: bytes) -> None:
    """Any bytes are parsed as an object or rejected (REQ-14)."""
    with suppress(ValidationError):
        parsed = parse_json_object(raw)
        assert json.loads(raw).keys() == parsed.keys()


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["n", "a", 'q"', "\\", "é", ":"]),
        st.integers() | st.sampled_from(["", '"', "x", "\\", ":", "é::"]) | st.just([]),
    ),
    max_size=5,
)


@given(PAIRS, st.booleans())
def test_duplicate_keys_are_rejected(pairs: list[tuple[str, Any]], ascii_only: bool) -> None:
    """An object is rejected if and only if one of its keys is repeated (REQ-14)."""
    members = [
        f"{json.dumps(key, ensure_ascii=ascii_only)}:{json.dumps(value)}" for key, value in pairs
    ]
    raw = ("{" + ",".join(members) + "}").encode()
    if len({key for key, _ in pairs}) == len(pairs):
        assert dict(pairs) == parse_json_object(raw)
    else:
        with pytest.raises(ValidationError, match="occurs twice"):
            parse_json_object(raw)
