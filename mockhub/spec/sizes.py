"""Image sizes: parsing, the rules for valid sizes, aspect ratios and billing tiers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from mockhub._text import format_value
from mockhub.exceptions import MockhubError
from mockhub.spec.frozen_struct import FrozenStruct

AUTO = "auto"

_SIZE_PATTERN = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})")


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def ratio(self) -> Fraction:
        return Fraction(self.width, self.height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse_size(text: str) -> Size:
    """Parse WIDTHxHEIGHT, of one to four digits each.

    Raises:
        ValueError: for any other text, such as one with a capital X or leading zeros.
    """
    match = _SIZE_PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not WIDTHxHEIGHT")
    return Size(int(match[1]), int(match[2]))


def parse_ratio(text: str) -> Fraction:
    """Parse a ratio such as ``21:9``, which need not be in lowest terms."""
    width, height = text.split(":")
    return Fraction(int(width), int(height))


def nearest_ratio(size: Size, ratios: Iterable[str]) -> str:
    """Return the listed ratio of *size*, or the closest one (GEN-5)."""

    def distance(ratio: str) -> Fraction:
        listed_ratio, requested_ratio = parse_ratio(ratio), size.ratio
        return max(listed_ratio, requested_ratio) / min(listed_ratio, requested_ratio)

    return min((ratio for ratio in ratios if ratio != AUTO), key=distance, default=AUTO)


class SizeRules(FrozenStruct, frozen=True):
    """The rules for sizes (REQ-13) and tiers (GEN-12), from `x-sizes` of the API spec."""

    multiple: int
    widest: Fraction
    tallest: Fraction
    largest: Size
    tiers: Mapping[str, Size]
    auto: Size

    @property
    def longest_side(self) -> int:
        return max(self.largest)

    def violation(self, size: Size) -> str | None:
        """Return a sentence that says which rule *size* breaks, or None."""
        if size.width % self.multiple or size.height % self.multiple:
            expected = f"sides divisible by {self.multiple}"
        elif not self.tallest <= size.ratio <= self.widest:
            bounds = _format_ratio(self.tallest), _format_ratio(self.widest)
            expected = f"a ratio from {bounds[0]} to {bounds[1]}"
        elif size.pixels > self.largest.pixels or max(size) > self.longest_side:
            expected = f"at most {self.largest}"
        else:
            return None
        return f"{format_value(str(size))} is not valid; expected {expected}"

    def tier(self, size: Size) -> str:
        """Return the first tier with enough pixels for *size*, else the last one (GEN-4)."""
        large_enough = (name for name, bound in self.tiers.items() if size.pixels <= bound.pixels)
        return next(large_enough, [*self.tiers][-1])


def build_size_rules(rules: Mapping[str, Any]) -> SizeRules:
    """Build the rules from `x-sizes`.

    Raises:
        MockhubError: if there is no tier.
    """
    if not rules["tiers"]:
        raise MockhubError("x-sizes: tiers is empty; expected one such as 1K: 1536x1024")
    return SizeRules(
        multiple=rules["multiple"],
        widest=parse_ratio(rules["widest"]),
        tallest=parse_ratio(rules["tallest"]),
        largest=parse_size(rules["largest"]),
        tiers={tier: parse_size(size) for tier, size in rules["tiers"].items()},
        auto=parse_size(rules["auto"]),
    )


def _format_ratio(ratio: Fraction) -> str:
    return f"{ratio.numerator}:{ratio.denominator}"
