"""What the checks of the proxy know about one exchange."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from mockhub.proxy.context import ProxyContext
from mockhub.proxy.observation import Observation
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.operations import Operation


@dataclass
class KnownGeneration:
    """What earlier responses said about a generation."""

    key_digest: bytes
    last: Observation
    created_here: bool
    final: Observation | None = None


@dataclass
class Exchange:
    """One exchange that is checked."""

    spec: ApiSpec
    context: ProxyContext
    operation: Operation
    status: int
    content: object
    seen: Observation
    known: KnownGeneration | None

    @property
    def is_accepted(self) -> bool:
        return self.status in (HTTPStatus.OK, HTTPStatus.ACCEPTED)

    @property
    def price_of_an_image(self) -> int | None:
        """The price by the request, or by the model and tier of the response."""
        request, seen, catalog = self.context.parsed_request, self.seen, self.spec.catalog
        if request is not None:
            return catalog.quote(request.model, request.size).credits_per_image
        model = catalog.models.get(seen.model or "")
        return model.prices.get(seen.quality or "") if model else None
