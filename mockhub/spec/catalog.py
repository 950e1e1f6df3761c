"""The model catalog: models, prices and quotes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import field

from mockhub._numbers import require_integer
from mockhub._text import format_value
from mockhub.exceptions import MockhubError, ValidationError
from mockhub.spec.frozen_struct import FrozenStruct
from mockhub.spec.sizes import AUTO, Size, SizeRules, nearest_ratio, parse_size

_MAX_PRICE = 1_000_000_000


class Quote(NamedTuple):
    """The properties and the price of each image of a request, fixed when it is accepted."""

    model: str
    aspect_ratio: str
    tier: str
    credits_per_image: int
    size: Size  # of `auto`, the size that is drawn

    def price(self, images: int) -> int:
        """Return the credits of so many images."""
        return self.credits_per_image * images


class Model(FrozenStruct, frozen=True):
    """A listed model, with its prices and limits (MOD-1 to MOD-7)."""

    id: str
    aspect_ratios: tuple[str, ...]
    prices: Mapping[str, int]  # credits per image, by tier
    max_reference_images: int


class Catalog(FrozenStruct, frozen=True):
    """The listed models by id, and the rules for sizes."""

    models: Mapping[str, Model]
    size_rules: SizeRules
    _quote_cache: dict[tuple[str, str], Quote] = field(default_factory=dict)

    def quote(self, model_id: str, size: str) -> Quote:
        """Return the quote of one image of *size*, ``auto`` or WIDTHxHEIGHT.

        Raises:
            ValueError: with a sentence, if the model does not offer the size.
        """
        try:
            return self._quote_cache[model_id, size]
        except KeyError:
            quote = self._quote_cache[model_id, size] = self._build_quote(model_id, size)
            return quote

    def check_request(self, values: Mapping[str, Any], reference_count: int) -> None:
        """Check the fields of a request that depend on its model (REQ-1, REQ-7, REQ-13).

        Raises:
            ValidationError: naming the field, its value and what is allowed.
        """
        model = self.models.get(values["model"])
        if model is None:
            known = ", ".join(self.models)
            raise ValidationError(
                f"model: {format_value(values['model'])} is not listed; expected {known}"
            )
        try:
            self.quote(model.id, values["size"])
        except ValueError as error:
            raise ValidationError(f"size: {error}") from None
        if reference_count > model.max_reference_images:
            raise ValidationError(
                f"reference_image: {reference_count} files are too many; "
                f"expected at most {model.max_reference_images} for {model.id}"
            )

    def _build_quote(self, model_id: str, text: str) -> Quote:
        model = self.models[model_id]
        size = self.size_rules.auto if text == AUTO else parse_size(text)
        if violation := self.size_rules.violation(size):
            raise ValueError(violation)
        tier = self.size_rules.tier(size)
        if tier not in model.prices:
            tiers = ", ".join(model.prices)
            raise ValueError(
                f"{format_value(text)} is of tier {tier}; expected one of {tiers} for {model_id}"
            )
        aspect_ratio = AUTO if text == AUTO else nearest_ratio(size, model.aspect_ratios)
        return Quote(model_id, aspect_ratio, tier, model.prices[tier], size)


def build_model_catalog(model_list: Mapping[str, Any], size_rules: SizeRules) -> Catalog:
    """Build the catalog from the example of the model list.

    Raises:
        MockhubError: if two models have one id, qualities and prices name different tiers, or a
            number is out of bounds.
    """
    models: dict[str, Model] = {}
    for entry in model_list["data"]:
        prices, tiers = entry["credits_per_image"], entry["supported_qualities"]
        if set(prices) != set(tiers) or not set(tiers) <= set(size_rules.tiers):
            raise MockhubError(
                f"model {entry['id']!r}: supported_qualities {tiers} and credits_per_image "
                f"{dict(prices)} must name the same tiers, of {list(size_rules.tiers)}"
            )
        limit = entry["reference_image_limit"]
        require_integer(f"model {entry['id']!r}: reference_image_limit", limit, 0)
        for tier, price in prices.items():
            place = f"model {entry['id']!r}: credits_per_image: {tier}"
            require_integer(place, price, 0, _MAX_PRICE)
        if entry["id"] in models:
            raise MockhubError(f"model {entry['id']!r} is listed twice")
        models[entry["id"]] = Model(
            id=entry["id"],
            aspect_ratios=tuple(entry["supported_aspect_ratios"]),
            prices=prices,
            max_reference_images=limit,
        )
    return Catalog(models, size_rules)
