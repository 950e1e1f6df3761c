"""Assertions about requests, findings and balances, and their messages."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from mockhub.exceptions import MockhubError
from mockhub.testing.hub import Hub
from tests.support.live_server import BODY
from tests.support.pytest_sessions import session


def pay_twice(hub: Hub) -> None:
    hub.arm("reset@after", times=1)
    with pytest.raises(httpx.TransportError):
        hub.client().post("/images/generations", json=BODY)
    hub.client().post("/images/generations", json=BODY)


@pytest.mark.mockhub(credits=24)
def test_assertions_that_hold_pass(mockhub: Hub) -> None:
    mockhub.client().get("/credits")
    mockhub.assert_requested(operation="get_credits", status=200, times=1)
    mockhub.assert_requested(status=402, times=0)
    mockhub.assert_requested()
    mockhub.assert_balance(24)
    mockhub.assert_no_findings()


def test_expected_finding_is_left_out_of_the_report(mockhub: Hub) -> None:
    with mockhub.expect_finding("double_charge"):
        pay_twice(mockhub)
    mockhub.assert_no_findings()
    assert mockhub.expected_findings == ("double_charge",)


@pytest.mark.mockhub(expected_findings="double_charge")
def test_finding_before_the_block_does_not_count(mockhub: Hub) -> None:
    pay_twice(mockhub)
    expected = "expected the finding double_charge; there are double_charge"
    with pytest.raises(AssertionError, match=expected), mockhub.expect_finding("double_charge"):
        mockhub.client().get("/models")
    with mockhub.expect_finding("double_charge"):
        pay_twice(mockhub)


def test_error_in_the_block_is_not_replaced(mockhub: Hub) -> None:
    with pytest.raises(KeyError), mockhub.expect_finding("double_charge"):
        raise KeyError


def test_failed_assertions_say_what_happened(mockhub: Hub) -> None:
    pay_twice(mockhub)
    with pytest.raises(AssertionError, match="double_charge: One request was charged 2 times"):
        mockhub.assert_no_findings()
    with pytest.raises(AssertionError, match="expected a balance of 120 credits; it is 104"):
        mockhub.assert_balance(120)
    with pytest.raises(AssertionError) as caught:
        mockhub.assert_requested(operation="create_generation", status=402)
    lines = str(caught.value).splitlines()
    expected = "expected a request with operation='create_generation', status=402; there are 0"
    assert lines[0] == expected
    assert "near miss: #2: status was 200, not 402" in str(caught.value)
    with pytest.raises(AssertionError, match=r"expected 1 request; there are 2\n"):
        mockhub.assert_requested(times=1)
    mockhub.expected_findings = ("double_charge",)


def test_empty_journal_is_shown_once(mockhub: Hub) -> None:
    with pytest.raises(AssertionError) as caught:
        mockhub.assert_requested()
    assert str(caught.value) == "expected a request; there are 0\nNo requests were recorded."


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({"operation": "create_generations"}, "did you mean 'create_generation'"),
        ({"status": "402"}, "status: '402': expected a whole number"),
        ({"stauts": 402}, "did you mean 'status'"),
    ],
)
def test_unknown_criteria_are_an_error(
    mockhub: Hub, criteria: dict[str, object], message: str
) -> None:
    """A filter that can match nothing would let `times=0` pass."""
    with pytest.raises(MockhubError, match=message):
        mockhub.assert_requested(times=0, **criteria)


def test_unknown_kind_of_finding_is_an_error(mockhub: Hub) -> None:
    message = "did you mean 'double_charge'"
    with pytest.raises(MockhubError, match=message), mockhub.expect_finding("double_charg"):
        pass


def test_command_line_sets_the_credits(tmp_path: Path) -> None:
    """The marker of a test wins."""
    source = """
import pytest

def test_of_the_session(mockhub):
    mockhub.assert_balance(40)

@pytest.mark.mockhub(credits=16)
def test_of_the_marker(mockhub):
    mockhub.assert_balance(16)
"""
    result = session(tmp_path, source, "--mockhub-credits", "40", ini="mockhub_credits = 8\n")
    assert "2 passed" in result.output
