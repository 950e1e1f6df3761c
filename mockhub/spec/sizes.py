"""Sizes: what may be asked for, what ratio it has, and which tier it is billed as."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

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
    """Read WIDTHxHEIGHT; nobody else splits on the x.

    Raises:
        ValueError: if *text* is something else; capital X, leading zeros and five digits are.
    """
    match = _SIZE_PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not WIDTHxHEIGHT")
    return Size(int(match[1]), int(match[2]))


def parse_ratio(text: str) -> Fraction:
    """Read a ratio such as ``21:9`` as a fraction; its own spelling is not its lowest terms."""
    width, height = text.split(":")
    return Fraction(int(width), int(height))


def nearest_ratio(size: Size, ratios: Iterable[str]) -> str:
    """The listed ratio that *size* has (GEN-5) or, where none fits, the closest one."""

    def distance(ratio: str) -> Fraction:
        listed_ratio, requested_ratio = parse_ratio(ratio), size.ratio
        return max(listed_ratio, requested_ratio) / min(listed_ratio, requested_ratio)

    return min((ratio for ratio in ratios if ratio != AUTO), key=distance, default=AUTO)


@dataclass(frozen=True)
class SizeRules:
    """The rules for sizes (REQ-13) and tiers (GEN-12), as the law's `x-sizes` states them."""

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
        """What is wrong with *size*, as words that follow "expected", or None."""
        if size.width % self.multiple or size.height % self.multiple:
            return f"sides divisible by {self.multiple}"
        if not self.tallest <= size.ratio <= self.widest:
            return f"a ratio from {_format_ratio(self.tallest)} to {_format_ratio(self.widest)}"
        if size.pixels > self.largest.pixels or max(size) > self.longest_side:
            return f"at most {self.largest}"
        return None

    def tier(self, size: Size) -> str:
        """The first tier whose pixels hold *size*; the request's quality has no say (GEN-4)."""
        for tier, bound in self.tiers.items():
            if size.pixels <= bound.pixels:
                return tier
        return tier


def build_size_rules(rules: Mapping[str, Any]) -> SizeRules:
    """Read the law's `x-sizes`."""
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
