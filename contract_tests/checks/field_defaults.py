"""Fields of another type, and unknown fields (REQ-12, REQ-15)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_rejection
from mockhub.verify.generation_assertions import assert_accepted


@check("REQ-12", cost=4 * oracle.min_price(), pays_nothing=True)
def request_rejects_wrong_types(context: CheckContext) -> None:
    """Reject a field of another JSON type with 400; null for an optional field is an open point."""
    wrong_types: dict[str, tuple[object, ...]] = {
        "n": ("2", 1.5, True, []),
        "async": ("true", 1),
        "size": (1024,),
        "quality": (5,),
        "model": (None,),
    }
    changes = [{name: value} for name, values in wrong_types.items() for value in values]
    expect_rejection(context, *changes, also_form=False)


@check("REQ-15", fixtures=("unknown_field",))
def request_ignores_unknown_fields(context: CheckContext) -> None:
    """Ignore fields that are not documented."""
    assert_accepted(context, "unknown_field")
