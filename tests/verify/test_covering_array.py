"""The open fields of the fixtures, chosen by the seed."""

from __future__ import annotations

from functools import cache
from itertools import product

import pytest

from mockhub.verify.covering_array import fill
from mockhub.verify.fixtures import (
    ALL_FIXTURES,
    FAILURE_FIXTURES,
    FIXTURES,
    MAX_SHORT_TEXT,
    SEVERAL_FIXTURES,
    TWO_FILES,
)

SEEDS = range(25)
filled_by = cache(fill)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_value_is_sent(seed: int) -> None:
    filled = filled_by(seed)
    paid = [filled[name] for name in ALL_FIXTURES]
    assert {one.quality for one in paid} >= {"auto", "low", "medium", "high"}
    assert {one.payer for one in paid} == {"valid", "other"}
    assert {one.image_count for one in paid} == {1, 2, 3, 4}
    assert {one.is_form for one in paid} == {True, False}
    assert {one.size for one in paid} >= {"auto", "1024x1024"}


@pytest.mark.parametrize("seed", SEEDS)
def test_failures_cover_media_types_modes_and_numbers(seed: int) -> None:
    failures = [filled_by(seed)[name] for name in FAILURE_FIXTURES]
    combinations = {(one.is_form, bool(one.asynchronous), one.image_count) for one in failures}
    assert combinations == set(product((True, False), (True, False), (1, 2, 3, 4)))
    assert {one.payer for one in failures} == {"valid", "other"}


@pytest.mark.parametrize("seed", SEEDS)
def test_each_price_is_paid_or_shown_by_a_failed_task(seed: int) -> None:
    """A task shows what it costs in `credits_requested`, also if it fails."""
    prices = {
        (one.image_count, one.tier)
        for one in filled_by(seed).values()
        if not one.trigger or one.asynchronous
    }
    assert prices == set(product((1, 2, 3, 4), ("1K", "2K", "4K")))


def test_json_has_no_files() -> None:
    assert not [
        one for seed in SEEDS for one in filled_by(seed).values() if one.files and not one.is_form
    ]


def test_chosen_values_are_those_of_the_fixture() -> None:
    examples = [FIXTURES[name].prompt for name in ("example", "example_form")]
    for name, fixture in fill(1).items():
        assert not fixture.open
        for field, values in FIXTURES[name].open.items():
            assert getattr(fixture, field) in (*values, *examples, *TWO_FILES)


def test_seeds_send_long_prompts_in_each_media_type_and_mode() -> None:
    kinds = {
        (one.is_form, bool(one.asynchronous))
        for seed in SEEDS
        for name, one in filled_by(seed).items()
        if name in ALL_FIXTURES and len(one.prompt) > MAX_SHORT_TEXT
    }
    assert len(kinds) == 4


def test_same_seed_makes_same_choice() -> None:
    first = dict(fill(7))
    fill.cache_clear()
    assert dict(fill(7)) == first


def test_seeds_make_different_choices() -> None:
    assert fill(1) != fill(2)


def test_seeds_cover_all_pairs_of_media_type_and_payer_for_several_images() -> None:
    pairs = {
        (one.is_form, one.payer)
        for seed in SEEDS
        for one in filled_by(seed).values()
        if one.image_count > 1
    }
    assert pairs == set(product((True, False), ("valid", "other")))


@pytest.mark.parametrize("seed", SEEDS)
def test_failures_cover_qualities_and_payers_of_each_media_type_and_mode(seed: int) -> None:
    failures = [filled_by(seed)[name] for name in FAILURE_FIXTURES]
    assert len({(one.is_form, one.asynchronous, one.quality) for one in failures}) == 16
    assert len({(one.is_form, one.asynchronous, one.payer) for one in failures}) == 8


@pytest.mark.parametrize("seed", SEEDS)
def test_every_number_of_images_has_another_tier_and_mode(seed: int) -> None:
    several = [filled_by(seed)[name] for name in SEVERAL_FIXTURES]
    assert {one.tier for one in several} == {"1K", "2K", "4K"}
    assert len({(one.is_form, one.asynchronous) for one in several}) == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_partial_deliveries_have_tiers_above_the_lowest_price(seed: int) -> None:
    tiers = {filled_by(seed)[name].tier for name in ("partial", "partial_async")}
    assert tiers == {"2K", "4K"}


def test_twelve_seeds_cover_all_numbers_tiers_media_types_and_modes() -> None:
    found = {
        (one.n, one.tier, one.is_form, bool(one.asynchronous))
        for seed in range(5, 17)
        for one in (filled_by(seed)[name] for name in SEVERAL_FIXTURES)
    }
    assert len(found) == 3 * 3 * 4


def test_three_seeds_cover_each_number_at_each_tier() -> None:
    found = {
        (one.n, one.tier)
        for seed in range(5, 8)
        for one in (filled_by(seed)[name] for name in SEVERAL_FIXTURES)
    }
    assert found == set(product((2, 3, 4), ("1K", "2K", "4K")))


@pytest.mark.parametrize("seed", SEEDS)
def test_price_hardly_depends_on_seed(seed: int) -> None:
    prices = [filled_by(seed)[name].max_cost for name in ALL_FIXTURES]
    assert 92 <= sum(prices) - 7 * 8 <= 100
