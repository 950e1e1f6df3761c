"""The suite's own small model of the API: what things cost, and which ratio a size has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from mockhub._resources import resource_path
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.spec.operations import Validator, compile_schema

MODEL = "gpt-image-2"
TIERS = ("1K", "2K", "4K")


@cache
def api_spec() -> ApiSpec:
    """The law, read once."""
    return load_spec(resource_path("openapi.yaml"))


@cache
def response_validator(operation: str, status: int) -> Validator:
    """The law's schema of an answer, in which there is room for further fields."""
    document = api_spec().document
    operation_spec = api_spec().operations[operation]
    node = document.root["paths"][operation_spec.path][operation_spec.method.lower()]["responses"][
        str(status)
    ]
    return compile_schema(
        document.inline_references(document.resolve(node)["content"]["application/json"]["schema"])
    )


def prices() -> Mapping[str, int]:
    """Credits for one image by tier (MOD-3)."""
    return api_spec().catalog.models[MODEL].prices


def ratios() -> tuple[str, ...]:
    """The listed aspect ratios (MOD-6)."""
    return api_spec().catalog.models[MODEL].aspect_ratios


def reference_limit() -> int:
    """The most reference images (MOD-7)."""
    return api_spec().catalog.models[MODEL].max_reference_images


def min_price() -> int:
    """The least that an image costs."""
    return min(prices().values())


def max_price() -> int:
    """The most that an image costs."""
    return max(prices().values())


def dimensions_of(size: str) -> tuple[int, int] | None:
    """Width and height, or None for `auto`."""
    if size == "auto":
        return None
    width, height = size.split("x")
    return int(width), int(height)


def same_ratio(size: str, ratio: str) -> bool:
    """Whether *ratio* is that of *size*, spelt as it is listed if it is (GEN-5)."""
    pixels = dimensions_of(size)
    listed = [one for one in ratios() if pixels and _fraction(one) == Fraction(*pixels)]
    if listed:
        return ratio in listed
    return pixels is not None and _fraction(ratio) == Fraction(*pixels)


def _fraction(ratio: str) -> Fraction | None:
    try:
        width, height = (int(part) for part in ratio.split(":"))
        return Fraction(width, height)
    except (ValueError, ZeroDivisionError):
        return None


def tier_of(size: str) -> str:
    """The tier of a size by its pixels (GEN-12, inferred)."""
    pixels = dimensions_of(size)
    if pixels is None or pixels[0] * pixels[1] <= 1536 * 1024:
        return "1K"
    return "2K" if pixels[0] * pixels[1] <= 2048 * 2048 else "4K"


def price(size: str, n: int) -> int:
    """Credits for *n* images of *size*."""
    return prices()[tier_of(size)] * n


@dataclass
class ExpectedBalance:
    """What the suite knows of one account: where it began, and what generations have cost it."""

    initial: int
    spent: int = 0

    @property
    def balance(self) -> int:
        return self.initial - self.spent
