"""Choose the open fields of the fixtures so that they cover pairs of values.

Defects that one request alone does not show live in combinations: three images of a form, a task
of another account. The fixtures fix how many images a run pays for; the seed decides what they are
combined with. Every run sends each value, and as many pairs of values as the fixtures have room
for; further seeds send other pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import combinations, product
from random import Random  # noqa: TID251 - the seed is that of the run
from types import MappingProxyType
from typing import Any

from mockhub.verify.fixtures import ALL_FIXTURES, FIXTURES, GenerationFixture

Pair = tuple[tuple[str, object], ...]

_FACTORS = ("is_form", "asynchronous", "image_count", "size", "quality", "payer", "trigger")
# The files of other forms are drawn at random: as a factor they would turn everything into forms.
_MAX_CANDIDATES = 60  # of each fixture; more find hardly any further pairs
_PARTIAL_WEIGHT = 5  # only two generations of a run have such pairs
_TRIPLE_WEIGHT = 4  # of a value with a media type and a mode
_VALUE_WEIGHT = 20  # a value that was never sent counts as much as so many pairs


@lru_cache(maxsize=4)
def fill(seed: int) -> Mapping[str, GenerationFixture]:
    """Return all fixtures, with the open fields chosen."""
    random = Random(seed)
    filled = {name: one for name, one in FIXTURES.items() if not one.open}
    covered = {pair for name in ALL_FIXTURES if name in filled for pair in _pairs(filled[name])}
    open_names = [name for name, one in FIXTURES.items() if one.open]
    # The failures cost nothing, so they cover what the paid generations have left.
    for name in sorted(
        open_names, key=lambda name: (bool(FIXTURES[name].trigger), random.random())
    ):
        choices = list(_choices(FIXTURES[name]))
        random.shuffle(choices)
        candidates = [replace(FIXTURES[name], open={}, **one) for one in choices[:_MAX_CANDIDATES]]
        best = max(candidates, key=lambda one: _gain(one, covered))
        filled[name] = best
        covered.update(_pairs(best))
    return MappingProxyType({name: filled[name] for name in FIXTURES})


def _choices(fixture: GenerationFixture) -> Iterator[dict[str, Any]]:
    for values in product(*fixture.open.values()):
        chosen = dict(zip(fixture.open, values, strict=True))
        if chosen.get("is_form", fixture.is_form) or not chosen.get("files", fixture.files):
            yield chosen


def _gain(fixture: GenerationFixture, covered: set[Pair]) -> int:
    if fixture.trigger == "partial" and fixture.is_form and not fixture.files:
        return 0  # the few partial deliveries of forms have files, to find defects of both
    return sum(_weight(pair) for pair in _pairs(fixture) if pair not in covered)


def _weight(pair: Pair) -> int:
    if len(pair) == 1:
        return _VALUE_WEIGHT
    if len(pair) == 3:
        return _TRIPLE_WEIGHT
    return _PARTIAL_WEIGHT if ("trigger", "partial") in pair else 1


def _pairs(fixture: GenerationFixture) -> list[Pair]:
    """Return the values of a fixture, all pairs of them, and some triples of a failure."""
    values = [(name, getattr(fixture, name)) for name in _FACTORS]
    pairs: list[Pair] = [*((one,) for one in values), *combinations(values, 2)]
    if fixture.trigger == "provider_failure":  # it costs nothing, and its media type is fixed
        media, mode, *others = [*values, ("files", fixture.files)]
        pairs += [(media, mode, one) for one in others]
    return pairs
