"""What a response of the upstream says about credits and a generation."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

T = TypeVar("T", int, str)


class Observation(NamedTuple):
    """The fields of a response that the mirror, the guard and the checks need; None if missing.

    Attributes:
        credits: ``usage.credits``.
        credits_requested: ``usage.credits_requested``.
        balance: The credits of the account, from a generation or from ``GET /credits``.
        images: The ids and URLs of the images.
    """

    id: str | None = None
    status: str | None = None
    model: str | None = None
    quality: str | None = None
    aspect_ratio: str | None = None
    credits: int | None = None
    credits_requested: int | None = None
    balance: int | None = None
    account_type: str | None = None
    images: tuple[tuple[str, str], ...] = ()

    @property
    def image_ids(self) -> list[str]:
        return [id for id, _ in self.images]


NOTHING = Observation()


def observe(content: object) -> Observation:
    """Read the JSON of a response, which may be anything."""
    if not isinstance(content, dict):
        return NOTHING
    usage = content.get("usage")
    balance = content.get("balance") if "usage" in content else content
    return Observation(
        id=_get(content, "id", str),
        status=_get(content, "status", str),
        model=_get(content, "model", str),
        quality=_get(content, "quality", str),
        aspect_ratio=_get(content, "aspect_ratio", str),
        credits=_get(usage, "credits", int),
        credits_requested=_get(usage, "credits_requested", int),
        balance=_get(balance, "credits", int),
        account_type=_get(balance, "account_type", str),
        images=tuple(_images(content.get("images"))),
    )


def _get(content: object, name: str, kind: type[T]) -> T | None:
    value = content.get(name) if type(content) is dict else None
    return value if type(value) is kind else None


def _images(images: object) -> list[tuple[str, str]]:
    if not isinstance(images, list):
        return []
    pairs = [(_get(image, "id", str), _get(image, "url", str)) for image in images]
    return [(id, url) for id, url in pairs if id is not None and url is not None]
