"""The suite's own model of the API: prices, tiers and aspect ratios, and response schemas."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache

from mockhub._resources import resource_path
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.spec.operations import Validator, compile_schema

MODEL = "gpt-image-2"
TIERS = ("1K", "2K", "4K")


@cache
def api_spec() -> ApiSpec:
    """Return the API spec, read once."""
    return load_spec(resource_path("openapi.yaml"))


@cache
def response_validator(operation: str, status: int) -> Validator:
    """Return the validator of a response; additional fields are allowed."""
    document = api_spec().document
    operation_spec = api_spec().operations[operation]
    node = document.root["paths"][operation_spec.path][operation_spec.method.lower()]["responses"][
        str(status)
    ]
    return compile_schema(
        document.inline_references(document.resolve(node)["content"]["application/json"]["schema"])
    )


def model_name() -> str:
    """Return the name that is listed for the model (MOD-2)."""
    return next(str(one["name"]) for one in api_spec().model_list["data"] if one["id"] == MODEL)


def prices() -> Mapping[str, int]:
    """Return the credits for one image, by tier (MOD-3)."""
    return api_spec().catalog.models[MODEL].prices


def ratios() -> tuple[str, ...]:
    """Return the listed aspect ratios (MOD-6)."""
    return api_spec().catalog.models[MODEL].aspect_ratios


def reference_limit() -> int:
    """Return the maximum number of reference images (MOD-7)."""
    return api_spec().catalog.models[MODEL].max_reference_images


def prompt_limit() -> int:
    """Return the maximum length of a prompt, in characters of Unicode (REQ-11, inferred)."""
    limit: int = api_spec().document.root["components"]["schemas"]["Prompt"]["maxLength"]
    return limit


def generation_limit() -> float:
    """Return the seconds that a generation may take (LIM-1)."""
    return api_spec().timeout_seconds


def min_price() -> int:
    """Return the lowest price of an image."""
    return min(prices().values())


def max_price() -> int:
    """Return the highest price of an image."""
    return max(prices().values())


def dimensions_of(size: str) -> tuple[int, int] | None:
    """Return width and height, or None for `auto`."""
    if size == "auto":
        return None
    width, height = size.split("x")
    return int(width), int(height)


def same_ratio(size: str, ratio: str) -> bool:
    """Return whether *ratio* is that of *size*, listed or in lowest terms: 1:1, not 1024:1024."""
    pixels = dimensions_of(size)
    if pixels is None or _fraction(ratio) != Fraction(*pixels):
        return False
    return ratio in (*ratios(), "{}:{}".format(*Fraction(*pixels).as_integer_ratio()))


def _fraction(ratio: str) -> Fraction | None:
    try:
        width, height = (int(part) for part in ratio.split(":"))
        return Fraction(width, height)
    except (ValueError, ZeroDivisionError):
        return None


def tier_of(size: str) -> str:
    """Return the tier of a size by its pixels (GEN-12, inferred)."""
    pixels = dimensions_of(size)
    if pixels is None or pixels[0] * pixels[1] <= 1536 * 1024:
        return "1K"
    return "2K" if pixels[0] * pixels[1] <= 2048 * 2048 else "4K"


def price(size: str, n: int) -> int:
    """Return the credits for *n* images of *size*."""
    return prices()[tier_of(size)] * n
