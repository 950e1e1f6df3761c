"""A request of the control plane, as its handler receives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from mockhub._text import suggest
from mockhub._timestamps import parse_duration, parse_timestamp
from mockhub.domain.accounts import Account
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.exceptions import ApiError, MockhubError, ValidationError
from mockhub.web.api import PublicApi
from mockhub.web.asgi import BodySource, Scope, Send
from mockhub.web.metrics import RequestMetrics

Parsed = TypeVar("Parsed")

_NOT_FOUND, _CONFLICT = 404, 409


class PlainResponse(NamedTuple):
    """A response that is not JSON."""

    media_type: str
    text: str


@runtime_checkable
class StreamResponse(Protocol):
    """A response that sends itself, part by part."""

    async def send(self, scope: Scope, source: BodySource, send: Send) -> None: ...


@dataclass(frozen=True)
class ControlRequest:
    """A validated request, and the server that it is sent to."""

    api: PublicApi
    request_metrics: RequestMetrics
    path_params: Mapping[str, Any]
    query_params: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def hub_registry(self) -> HubRegistry:
        return self.api.hub_registry

    @cached_property
    def hub(self) -> HubBackend:
        """The hub in the path, settled; raises ApiError 404 if it does not exist."""
        try:
            hub = self.hub_registry.get(self.path_params["hub"])
        except MockhubError as error:
            raise not_found(str(error)) from None
        hub.settle()
        return hub

    @property
    def account(self) -> Account:
        """The account in the path; raises ApiError 404 if it does not exist."""
        return self.find_account(self.path_params["account"])

    def find_account(self, id: str) -> Account:
        """Return an account of the hub; raise ApiError 404 if it does not exist."""
        accounts = self.hub.accounts
        if account := accounts.get(id):
            return account
        raise not_found(f"there is no account {id!r} in {self.hub.name!r}{suggest(id, accounts)}")

    def parse_expiry(self) -> int | None:
        """Return the time that `expires_at` or `expires_in` states, or None for never."""
        if "expires_in" in self.body:
            if "expires_at" in self.body:
                raise ValidationError(
                    "expires_at and expires_in are both given; expected one of them"
                )
            return self.hub.clock.now() + parse_field(
                "expires_in", parse_duration, self.body["expires_in"]
            )
        expires_at = self.body.get("expires_at")
        return (
            None if expires_at is None else parse_field("expires_at", parse_timestamp, expires_at)
        )


Handler = Callable[[ControlRequest], object]


def parse_field(field: str, parser: Callable[[str], Parsed], text: str) -> Parsed:
    """Parse a field of the request; raise ValidationError with the name of the field."""
    try:
        return parser(text)
    except MockhubError as error:
        raise ValidationError(f"{field}: {error}") from None


def not_found(message: str) -> ApiError:
    return ApiError(_NOT_FOUND, "notFound", message)


def conflict(message: str) -> ApiError:
    return ApiError(_CONFLICT, "conflict", message)
