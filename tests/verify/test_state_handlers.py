"""State handlers bring the implementation into states that keys and prompts cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.outcomes import Outcome
from mockhub.verify.runner import run
from tests.support.live_server import KEY
from tests.support.scripted_server import KEYS, build_profile, mock

HANDLERS = f"""
def state(name, **params):
    if name == "second_key":
        return {{"key": {KEY!r}}}
    if name == "slow_generation":
        return {{"prompt": "Slow [[duration=1s]]"}}
    raise LookupError(name)
"""


def _run(tmp_path: Path, text: str, keyword: str) -> dict[str, tuple[str, str]]:
    file = tmp_path / "states.py"
    file.write_text(text)
    with mock() as served:
        profile = build_profile(served.url, state_handlers=file)
        report = run(profile, level="inferred", keyword=keyword, no_fuzz=True)
    return {clause.id: (clause.outcome, clause.reason) for clause in report.clauses}


def test_provider_state_is_checked(tmp_path: Path) -> None:
    """Checks use the provider states; the wrong states of these handlers are found."""
    outcomes = _run(tmp_path, HANDLERS, "credits_are_shared or accepts_any_key or waits_for_slow")
    assert outcomes["CRD-3"][0] == "failed"  # another account's key
    assert outcomes["RET-5"][0] == "failed"
    assert outcomes["LIM-1"][0] == "failed"
    assert outcomes["LIM-1"][1].startswith("the response came after 1.")


def test_spent_account_is_replaced(tmp_path: Path) -> None:
    """A fresh account replaces the spent one of keys.low, and what it spends is counted.

    Its key may end with a line break, as commands print it.
    """
    text = f'def state(name, **params):\n    return {{"key": {KEYS["low"] + chr(10)!r}}}'
    (tmp_path / "states.py").write_text(text)
    with mock() as served:
        keys = {"valid": KEYS["valid"], "low": KEYS["broke"]}
        profile = build_profile(served.url, keys=keys, state_handlers=tmp_path / "states.py")
        report = run(profile, keyword="ledger_is_never_overdrawn_concurrently", no_fuzz=True)
    assert "LED-1" in {clause.id for clause in report.with_outcome(Outcome.PASSED)}
    assert report.credits_spent >= 8


def test_check_of_unknown_state_is_skipped(tmp_path: Path) -> None:
    """A LookupError means that the handler does not offer the state."""
    outcomes = _run(tmp_path, HANDLERS, "accepts_exact_price")
    assert outcomes["LED-7"] == (
        "skipped",
        "the state handlers do not offer the state fresh_account",
    )


def test_check_is_inconclusive_if_handler_fails(tmp_path: Path) -> None:
    """An exception in a handler is reported, and fails no clause."""
    outcomes = _run(tmp_path, "def state(name, **params):\n    return 1 / 0", "accepts_exact_price")
    assert outcomes["LED-7"][0] == "inconclusive"
    assert "ZeroDivisionError" in outcomes["LED-7"][1]
    assert "states.py:2)" in outcomes["LED-7"][1]


@pytest.mark.parametrize("text", ["x = 1", "syntax error", "1 / 0"])
def test_file_without_state_function_is_rejected(tmp_path: Path, text: str) -> None:
    """A file that cannot be run, or has no function `state`, is an error."""
    with pytest.raises(MockhubError, match=r"states\.py"):
        _run(tmp_path, text, "MOD-7")
