"""One call of the control plane, as its operation sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from mockhub.spec.coerce import Invalid
from mockhub.spec.document import nearest
from mockhub.spec.errors import ApiError, MockhubError
from mockhub.web.metrics import Tally
from mockhub.web.pipeline import Pipeline
from mockhub.world.accounts import Account
from mockhub.world.clock import duration, from_text
from mockhub.world.hub import Hub
from mockhub.world.store import Store

Read = TypeVar("Read")

_NOT_FOUND, _CONFLICT = 404, 409


class Text(NamedTuple):
    """An answer that is no JSON."""

    media_type: str
    text: str


@dataclass(frozen=True)
class Call:
    """What was asked for, checked, and the server that it was asked of."""

    pipeline: Pipeline
    tally: Tally
    arguments: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def store(self) -> Store:
        return self.pipeline.store

    @cached_property
    def hub(self) -> Hub:
        """The hub that the path names, settled; raises ApiError if there is none."""
        try:
            hub = self.store.named(self.arguments["hub"])
        except MockhubError as error:
            raise missing(str(error)) from None
        hub.settle()
        return hub

    @property
    def account(self) -> Account:
        """The account that the path names; raises ApiError if there is none."""
        return self.account_named(self.arguments["account"])

    def account_named(self, id: str) -> Account:
        """An account of the hub; raises ApiError if there is none."""
        accounts = self.hub.accounts
        if account := accounts.get(id):
            return account
        raise missing(f"there is no account {id!r} in {self.hub.name!r}{nearest(id, accounts)}")

    def expiry(self) -> int | None:
        """The moment that `expires_at` or `expires_in` of the body means; None for never."""
        if "expires_in" in self.body:
            if "expires_at" in self.body:
                raise Invalid("expires_at and expires_in are both given; expected one of them")
            return self.hub.clock.now() + read("expires_in", duration, self.body["expires_in"])
        at = self.body.get("expires_at")
        return None if at is None else read("expires_at", from_text, at)


Handler = Callable[[Call], object]


def read(place: str, reader: Callable[[str], Read], text: str) -> Read:
    """Read a text of the request; raises Invalid, which names its place."""
    try:
        return reader(text)
    except MockhubError as error:
        raise Invalid(f"{place}: {error}") from None


def missing(message: str) -> ApiError:
    """404: there is no such thing."""
    return ApiError(_NOT_FOUND, "notFound", message)


def conflict(message: str) -> ApiError:
    """409: it cannot be done as things stand."""
    return ApiError(_CONFLICT, "conflict", message)
