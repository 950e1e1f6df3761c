"""Fields of another type, and unknown fields (REQ-12, REQ-15)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mockhub.verify import oracle
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_rejection
from mockhub.verify.generation_assertions import assert_accepted

_MIN_PRICE = oracle.min_price()


@check("REQ-12", cost=4 * _MIN_PRICE)
def request_rejects_wrong_types(context: CheckContext) -> None:
    """A field of another JSON type is 400 invalid_request, null included."""
    wrong_types: Iterable[dict[str, Any]] = (
        {"n": "2"}, {"n": None}, {"n": 1.5}, {"n": True}, {"n": []},
        {"async": "true"}, {"async": 1}, {"async": None},
        {"size": 1024}, {"size": None}, {"quality": None}, {"quality": 5}, {"model": None},
    )  # fmt: skip
    expect_rejection(context, *wrong_types, also_form=False)


@check("REQ-15", fixtures=("unknown_field",))
def request_ignores_unknown_fields(context: CheckContext) -> None:
    """Fields that the page does not know are ignored."""
    assert_accepted(context, "unknown_field")
