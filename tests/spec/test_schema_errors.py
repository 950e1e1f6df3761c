"""What a message says about a response that does not match its schema."""

from __future__ import annotations

from typing import Any

import pytest

from mockhub._resources import resource_path
from mockhub.spec.api_spec import load_spec

SPEC = load_spec(resource_path("openapi.yaml"))
QUEUED = SPEC.operations["create_generation"].examples[202]["async"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"usage": {"credits": 0}}, '"credits_requested" is a required property'),
        ({"status": "processing", "usage": {}}, '"credits" is a required property'),
        ({"status": "failed"}, '"error" is a required property'),
        ({"images": [{}]}, "[{}] has more than 0 items"),
    ],
)
def test_message_is_about_the_schema_of_the_status(change: dict[str, Any], message: str) -> None:
    mismatch = SPEC.operations["get_generation"].response_mismatch(200, {**QUEUED, **change})
    assert mismatch == f"get_generation returned 200: {message}"


def test_poll_may_leave_out_poll_url() -> None:
    """The documentation shows it in the response to the POST only (ASY-3)."""
    poll = {name: value for name, value in QUEUED.items() if name != "poll_url"}
    assert SPEC.operations["get_generation"].response_mismatch(200, poll) is None
    mismatch = SPEC.operations["create_generation"].response_mismatch(202, poll)
    assert mismatch == 'create_generation returned 202: "poll_url" is a required property'
