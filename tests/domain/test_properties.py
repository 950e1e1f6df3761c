"""Properties of the law's pure functions: sizes, prices, and how bodies are read."""

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
from mockhub.spec.api_spec import load_spec
from mockhub.spec.operations import FORM, JSON
from mockhub.spec.request_validation import coerce_form_fields, parse_json_object, validate
from mockhub.spec.sizes import Size, nearest_ratio, parse_ratio, parse_size

LAW = load_spec(resource_path("openapi.yaml"))
SIZES = LAW.catalog.size_rules
(MODEL,) = LAW.catalog.models.values()
BODIES = LAW.operations["create_generation"].bodies

SIDES = st.integers(1, 240).map(lambda sixteenths: 16 * sixteenths)
ON_OFFER = st.builds(Size, SIDES, SIDES).filter(lambda size: SIZES.violation(size) is None)


@given(st.builds(Size, st.integers(1, 9999), st.integers(1, 9999)))
def test_a_size_reads_back(size: Size) -> None:
    """A size that is written reads back as itself."""
    assert size == parse_size(str(size))


@given(st.text(max_size=12) | st.text(alphabet="0123456789xX １\n", max_size=12))
def test_no_other_text_is_a_size(text: str) -> None:
    """Whatever reads as a size is its one spelling (REQ-13)."""
    with suppress(ValueError):
        assert text == str(parse_size(text))


@given(st.builds(Size, st.integers(1, 9999), st.integers(1, 9999)))
def test_the_bounds_are_those_of_the_law(size: Size) -> None:
    """On offer is what is on the grid, within 1:3 to 3:1 and at most 3840x2160 (REQ-13)."""
    offered = (
        size.width % 16 == size.height % 16 == 0
        and Fraction(1, 3) <= Fraction(size.width, size.height) <= 3
        and size.width * size.height <= 3840 * 2160
        and max(size) <= 3840
    )
    assert offered == (SIZES.violation(size) is None)


@given(ON_OFFER, ON_OFFER)
def test_more_pixels_never_cost_less(one: Size, other: Size) -> None:
    """The price follows the pixels, and turning a size on its side changes neither (GEN-12)."""
    small, large = sorted((one, other), key=lambda size: size.pixels)
    prices = [LAW.catalog.quote(MODEL.id, str(size)).credits_per_image for size in (small, large)]
    assert prices == sorted(prices)
    turned = LAW.catalog.quote(MODEL.id, str(Size(one.height, one.width)))
    assert LAW.catalog.quote(MODEL.id, str(one)).credits_per_image == turned.credits_per_image


@given(ON_OFFER)
def test_a_ratio_is_listed_and_nearest(size: Size) -> None:
    """A size has a listed ratio, its own where it is listed, and none that is nearer (GEN-5)."""
    found = nearest_ratio(size, MODEL.aspect_ratios)
    listed = {ratio: parse_ratio(ratio) for ratio in MODEL.aspect_ratios if ratio != "auto"}

    def off(ratio: Fraction) -> Fraction:
        return max(ratio, size.ratio) / min(ratio, size.ratio)

    assert found in listed
    assert off(listed[found]) == min(map(off, listed.values()))


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
def test_json_and_forms_say_the_same(fields: dict[str, Any]) -> None:
    """The same request in JSON and as texts has the same values and defaults (REQ-12, REQ-16)."""
    assume(all(not 0xD800 <= ord(letter) < 0xE000 for letter in fields["prompt"]))
    told = validate(parse_json_object(json.dumps(fields).encode()), BODIES[JSON])
    texts = [(k, v if isinstance(v, str) else json.dumps(v)) for k, v in fields.items()]
    assert told == validate(coerce_form_fields(texts, BODIES[FORM]), BODIES[FORM])
    assert fields == {name: told[name] for name in fields}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["model", "prompt", "n", "size", "async", "x"]), ANYTHING))
def test_any_values_are_taken_or_refused(values: dict[str, Any]) -> None:
    """Whatever JSON a field holds, the body is valid or the message names a field (REQ-10)."""
    try:
        validate(values, BODIES[JSON])
    except ValidationError as error:
        assert any(str(error).startswith(name) for name in BODIES[JSON].fields)


@given(st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    """Whatever bytes a body holds, it is read as an object or refused (REQ-14)."""
    with suppress(ValidationError):
        found = parse_json_object(raw)
        assert json.loads(raw).keys() == found.keys()


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["n", "a", 'q"', "\\", "é"]),
        st.integers() | st.sampled_from(["", '"', "x", "\\"]) | st.just([]),
    ),
    max_size=5,
)


@given(PAIRS, st.booleans())
def test_a_key_that_comes_twice_is_always_seen(
    pairs: list[tuple[str, Any]], ascii_only: bool
) -> None:
    """An object is refused if and only if one of its keys comes twice (REQ-14)."""
    members = [
        f"{json.dumps(key, ensure_ascii=ascii_only)}:{json.dumps(value)}" for key, value in pairs
    ]
    raw = ("{" + ",".join(members) + "}").encode()
    if len({key for key, _ in pairs}) == len(pairs):
        assert dict(pairs) == parse_json_object(raw)
    else:
        with pytest.raises(ValidationError, match="stands twice"):
            parse_json_object(raw)
