"""Fields of another type, and unknown fields (REQ-12, REQ-15)."""

from __future__ import annotations

from dataclasses import replace

from mockhub.verify import oracle
from mockhub.verify.assertions import require_response
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_rejection
from mockhub.verify.fixtures import upload_files
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import assert_accepted
from mockhub.verify.outcomes import Failed


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


@check("REQ-15", fixtures=("unknown_field",), cost=oracle.min_price())
def request_ignores_unknown_fields(context: CheckContext) -> None:
    """Ignore fields that are not documented, in JSON and in a form with a file."""
    assert_accepted(context, "unknown_field")
    if context.profile.provider_failure:
        before = context.credits()
        form = context.form_fields(prompt=context.profile.provider_failure, style="vivid")
        files, cost = upload_files(("sunset.png",)), oracle.min_price()
        for fields in (form, {**form, "async": "true"}):
            exchange = context.client.post(form=fields, files=files, files_first=True, cost=cost)
            if require_response(exchange).status == 400:
                message, expected = "HTTP 400 to a form with a further field", "500, or 202"
                raise Failed(message, exchange, expected=expected)
            fixture = replace(context.fixtures["failure_form_task_1"], payer="valid")
            context.adopt_generation(
                ObservedGeneration("a further field", fixture, 1, "1024x1024", exchange)
            )
            context.wait_for_credits(before)
