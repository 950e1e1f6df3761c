"""Choose the open fields of the fixtures so that they cover pairs of values.

Defects that one request alone does not show live in combinations: three images of a form, a task
of another account. The fixtures fix how many images a run pays for; the seed decides what they are
combined with. Every run sends each value, and as many pairs of values as the fixtures have room
for; further seeds send other pairs. What costs most does not depend on chance: see `_rotate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import combinations, islice, product
from random import Random  # noqa: TID251 - the seed is that of the run
from types import MappingProxyType
from typing import Any

from mockhub.verify import oracle
from mockhub.verify.fixtures import (
    ALL_FIXTURES,
    FIXTURES,
    FURTHER_FAILURES,
    QUALITIES,
    TWO_FILES,
    GenerationFixture,
)

Pair = tuple[tuple[str, object], ...]

_FACTORS = (
    "is_form", "asynchronous", "image_count", "tier", "shape", "quality", "payer", "trigger",
)  # fmt: skip
_DEFAULTS: dict[tuple[str, object], object] = {
    ("quality", None): "auto",
    ("asynchronous", None): False,
}
_MAX_CANDIDATES = 80  # of each fixture; more find hardly any further pairs
_PARTIAL_WEIGHT = 5  # only two generations of a run have such pairs
_TRIPLE_WEIGHT = 4  # of a value with a media type and a mode
_VALUE_WEIGHT = 20  # a value that was never sent counts as much as so many pairs
_WEIGHTS = {
    "price": 100,  # a number of images at a tier whose price was never seen
    "size shown": 6,  # a size whose ratio was never seen
}
_PAYERS = ("valid", "other")
_LARGE = ("portrait", "form_task")
_ROTATED = ("two", "three", "four", "partial", "partial_async")
_MODES: tuple[tuple[bool, tuple[object, ...]], ...] = (
    (False, (None, False)), (True, (True,)), (False, (True,)), (True, (None, False)),
)  # fmt: skip


@lru_cache(maxsize=4)
def fill(seed: int) -> Mapping[str, GenerationFixture]:
    """Return all fixtures, with the open fields chosen."""
    random = Random(seed)
    filled = {name: one for name, one in FIXTURES.items() if not one.open}
    covered = {pair for name in ALL_FIXTURES if name in filled for pair in _pairs(filled[name])}
    open_names = [name for name, one in FIXTURES.items() if one.open]
    # The failures cost nothing, so they cover what the paid generations have left.
    for name in sorted(
        open_names,
        key=lambda name: (bool(FIXTURES[name].trigger), name in FURTHER_FAILURES, random.random()),
    ):
        candidates = _candidates(_rotate(name, FIXTURES[name], seed), random)
        best = max(islice(candidates, _MAX_CANDIDATES), key=lambda one: _gain(one, covered))
        filled[name] = best
        covered.update(_pairs(best))
    return MappingProxyType({name: filled[name] for name in FIXTURES})


def _candidates(fixture: GenerationFixture, random: Random) -> Iterator[GenerationFixture]:
    while True:
        chosen: dict[str, Any] = {
            name: random.choice(values) for name, values in fixture.open.items()
        }
        if not chosen.get("is_form", fixture.is_form):
            chosen["files"] = ()
        yield replace(fixture, open={}, **chosen)


def _rotate(name: str, fixture: GenerationFixture, seed: int) -> GenerationFixture:
    """Fix the tier, the media type and the mode of a paid generation of several images.

    Of consecutive seeds three send each number of images at each tier, and twelve in each media
    type and mode. Partial deliveries are of 2K and 4K. Each account pays for half of the failures
    of each media type and mode, which are of each quality. Of the single images, the portrait and
    a task of a form have the higher tiers in turn.
    """
    if fixture.trigger == "provider_failure" and "payer" in fixture.open:
        n, is_form, is_task = fixture.image_count, fixture.is_form, bool(fixture.asynchronous)
        chosen = {"payer": (_PAYERS[(n // 3 + is_form + is_task + seed) % len(_PAYERS)],)}
        if name not in FURTHER_FAILURES:
            turn = n + 2 * is_form + is_task + seed
            chosen["quality"] = (QUALITIES[turn % len(QUALITIES)],)
        return replace(fixture, open=fixture.open | chosen)
    if name in _LARGE:
        tier = oracle.TIERS[1:][(seed + _LARGE.index(name)) % 2]
        return replace(fixture, open=fixture.open | {"size": _sizes_of(fixture, tier)})
    if name not in _ROTATED:
        return fixture
    at = _ROTATED.index(name)
    tiers = oracle.TIERS[1:] if fixture.trigger else oracle.TIERS  # 1K hides a refund as 1K
    tier = tiers[(seed - at) % len(tiers)]
    is_form, modes = _MODES[(at + seed // len(oracle.TIERS)) % len(_MODES)]
    sizes = _sizes_of(fixture, tier)
    if tier == oracle.TIERS[0]:
        # A server may take it for the example, which has another number of images.
        example = FIXTURES["example_form" if is_form else "example"]
        sizes = (example.size,)
        same = {"prompt": (example.prompt,), "payer": (example.payer,)}
        fixture = replace(fixture, open=fixture.open | same)
    fixed = fixture.open | {"size": sizes, "is_form": (is_form,)}
    if is_form:  # the few forms of several images have several files, to find defects of both
        fixed["files"] = TWO_FILES
    return replace(fixture, open=fixed | ({"asynchronous": modes} if not fixture.trigger else {}))


def _sizes_of(fixture: GenerationFixture, tier: str) -> tuple[object, ...]:
    """Return the sizes of a tier that a fixture may have."""
    return tuple(size for size in fixture.open["size"] if oracle.tier_of(str(size)) == tier)


def _gain(fixture: GenerationFixture, covered: set[Pair]) -> int:
    return sum(_weight(pair) for pair in _pairs(fixture) if pair not in covered)


def _weight(pair: Pair) -> int:
    if len(pair) == 1:
        return _WEIGHTS.get(pair[0][0], _VALUE_WEIGHT)
    if len(pair) == 3:
        return _TRIPLE_WEIGHT
    return _PARTIAL_WEIGHT if ("trigger", "partial") in pair else 1


def _pairs(fixture: GenerationFixture) -> list[Pair]:
    """Return the values of a fixture, all pairs of them, and some triples of a failure."""
    values: list[tuple[str, object]] = [(name, getattr(fixture, name)) for name in _FACTORS]
    size = ("size of media type", (fixture.size, fixture.is_form))
    if not fixture.trigger:
        values.append(("prompt of mode", (bool(fixture.asynchronous), fixture.prompt)))
    pairs: list[Pair] = [(one,) for one in (*values, size)]
    values = [(name, _DEFAULTS.get((name, value), value)) for name, value in values]
    count, types = fixture.references
    if fixture.is_form and fixture.trigger != "provider_failure":
        files = [("file", one) for one in types]
        pairs += product(files, values)
        values.append(("files", count))
    pairs += combinations(values, 2)
    if not fixture.trigger or fixture.asynchronous:  # a failed task shows what it was to be
        pairs.append((("size shown", fixture.size),))
        pairs.append((("price", (fixture.image_count, fixture.tier)),))
    if fixture.trigger == "provider_failure":  # it costs nothing, and its media type is fixed
        media, mode, *others = [*values, ("files", fixture.files)]
        pairs += [(media, mode, one) for one in others]
    return pairs
