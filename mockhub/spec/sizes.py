"""Sizes: what may be asked for, what ratio it has, and which tier it is billed as."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

AUTO = "auto"

_SIZE = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})")


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


def parse(text: str) -> Size:
    """Read WIDTHxHEIGHT; nobody else splits on the x.

    Raises:
        ValueError: if *text* is something else; capital X, leading zeros and five digits are.
    """
    match = _SIZE.fullmatch(text)
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
        listed, asked = parse_ratio(ratio), size.ratio
        return max(listed, asked) / min(listed, asked)

    return min((ratio for ratio in ratios if ratio != AUTO), key=distance, default=AUTO)


@dataclass(frozen=True)
class Sizes:
    """The rules for sizes (REQ-13) and tiers (GEN-12), as the law's `x-sizes` states them."""

    multiple: int
    widest: Fraction
    tallest: Fraction
    largest: Size
    tiers: Mapping[str, Size]
    auto: Size

    @property
    def longest(self) -> int:
        return max(self.largest)

    def refuse(self, size: Size) -> str | None:
        """What is wrong with *size*, as words that follow "expected", or None."""
        if size.width % self.multiple or size.height % self.multiple:
            return f"sides divisible by {self.multiple}"
        if not self.tallest <= size.ratio <= self.widest:
            return f"a ratio from {_colon(self.tallest)} to {_colon(self.widest)}"
        if size.pixels > self.largest.pixels or max(size) > self.longest:
            return f"at most {self.largest}"
        return None

    def tier(self, size: Size) -> str:
        """The first tier whose pixels hold *size*; the request's quality has no say (GEN-4)."""
        for tier, bound in self.tiers.items():
            if size.pixels <= bound.pixels:
                return tier
        return tier


def read_sizes(rules: Mapping[str, Any]) -> Sizes:
    """Read the law's `x-sizes`."""
    return Sizes(
        multiple=rules["multiple"],
        widest=parse_ratio(rules["widest"]),
        tallest=parse_ratio(rules["tallest"]),
        largest=parse(rules["largest"]),
        tiers={tier: parse(size) for tier, size in rules["tiers"].items()},
        auto=parse(rules["auto"]),
    )


def _colon(ratio: Fraction) -> str:
    return f"{ratio.numerator}:{ratio.denominator}"
