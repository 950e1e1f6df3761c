"""The model catalogue: what can be asked for and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mockhub.spec.coerce import Invalid, shown
from mockhub.spec.errors import MockhubError
from mockhub.spec.sizes import AUTO, Size, Sizes, nearest_ratio, parse


class Quote(NamedTuple):
    """What one image of a request is and costs, fixed when the request is accepted."""

    model: str
    ratio: str
    tier: str
    unit: int  # credits per image
    size: Size  # in pixels, `auto` resolved


@dataclass(frozen=True)
class Model:
    """One listed model (MOD-1)."""

    id: str
    ratios: tuple[str, ...]
    prices: Mapping[str, int]
    reference_limit: int


@dataclass(frozen=True)
class Catalog:
    """The listed models by id."""

    models: Mapping[str, Model]
    sizes: Sizes
    _quotes: dict[tuple[str, str], Quote] = field(default_factory=dict, repr=False)

    def quote(self, model_id: str, size: str) -> Quote:
        """Price one image of *size* (``auto`` or WIDTHxHEIGHT).

        Raises:
            ValueError: with words that follow "expected", if the size is not on offer.
        """
        try:
            return self._quotes[model_id, size]
        except KeyError:
            quote = self._quotes[model_id, size] = self._price(model_id, size)
            return quote

    def check(self, values: Mapping[str, Any], references: int) -> None:
        """Hold a request's values, and how many reference images it has, to what its model offers.

        Raises:
            Invalid: naming the field, its value and what is allowed (REQ-1, REQ-7, REQ-13).
        """
        model = self.models.get(values["model"])
        if model is None:
            listed = ", ".join(self.models)
            raise Invalid(f"model: {shown(values['model'])} is not listed; expected {listed}")
        try:
            self.quote(model.id, values["size"])
        except ValueError as error:
            raise Invalid(f"size: {shown(values['size'])} is not valid; expected {error}") from None
        if references > model.reference_limit:
            raise Invalid(
                f"reference_image: {references} files are too many; "
                f"expected at most {model.reference_limit} for {model.id}"
            )

    def _price(self, model_id: str, text: str) -> Quote:
        model = self.models[model_id]
        size = self.sizes.auto if text == AUTO else parse(text)
        if wrong := self.sizes.refuse(size):
            raise ValueError(wrong)
        tier = self.sizes.tier(size)
        if tier not in model.prices:
            raise ValueError(f"a size of the tiers {', '.join(model.prices)} for {model_id}")
        ratio = AUTO if text == AUTO else nearest_ratio(size, model.ratios)
        return Quote(model_id, ratio, tier, model.prices[tier], size)


def read_catalog(listing: Mapping[str, Any], sizes: Sizes) -> Catalog:
    """Read the catalogue from the example of the model list.

    Raises:
        MockhubError: if two models share an id, or qualities and prices name different tiers.
    """
    models: dict[str, Model] = {}
    for entry in listing["data"]:
        prices, tiers = entry["credits_per_image"], entry["supported_qualities"]
        if set(prices) != set(tiers) or not set(tiers) <= set(sizes.tiers):
            raise MockhubError(
                f"model {entry['id']!r}: supported_qualities {tiers} and credits_per_image "
                f"{dict(prices)} must name the same tiers, of {list(sizes.tiers)}"
            )
        if entry["id"] in models:
            raise MockhubError(f"model {entry['id']!r} is listed twice")
        models[entry["id"]] = Model(
            id=entry["id"],
            ratios=tuple(entry["supported_aspect_ratios"]),
            prices=prices,
            reference_limit=entry["reference_image_limit"],
        )
    return Catalog(models, sizes)
