"""A provision makes the states that keys and prompts cannot give."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.runner import run
from tests.support.live_server import KEY
from tests.support.scripted_server import build_profile, mock

WHOLE = f"""
def state(name, **params):
    if name == "second_key":
        return {{"key": {KEY!r}}}
    if name == "slow_generation":
        return {{"prompt": "Slow [[duration=1s]]"}}
    raise LookupError(name)
"""


def _judge(tmp_path: Path, text: str, only: str) -> dict[str, tuple[str, str]]:
    file = tmp_path / "states.py"
    file.write_text(text)
    with mock() as served:
        profile = build_profile(served.url, state_handlers=file)
        report = run(profile, level="inferred", keyword=only, no_fuzz=True)
    return {clause.id: (clause.outcome, clause.reason) for clause in report.clauses}


def test_a_state_is_asked_for_and_judged(tmp_path: Path) -> None:
    """What the provision makes is judged; here it lies, and is found out."""
    found = _judge(tmp_path, WHOLE, "credits_are_shared or accepts_any_key or waits_for_slow")
    assert found["CRD-3"][0] == "failed"  # another account's key
    assert found["RET-5"][0] == "failed"
    assert found["LIM-1"][0] == "failed"
    assert found["LIM-1"][1].startswith("the response came after 1.")


def test_a_state_that_is_not_offered_is_not_asked(tmp_path: Path) -> None:
    """A LookupError is an honest no."""
    found = _judge(tmp_path, WHOLE, "accepts_exact_price")
    assert found["LED-7"] == ("skipped", "the state handlers do not offer the state fresh_account")


def test_a_provision_that_fails_is_inconclusive(tmp_path: Path) -> None:
    """A crash of the provision is told, and is not the server's fault."""
    found = _judge(tmp_path, "def state(name, **params):\n    return 1 / 0", "accepts_exact_price")
    assert found["LED-7"][0] == "inconclusive"
    assert "ZeroDivisionError" in found["LED-7"][1]


@pytest.mark.parametrize("text", ["x = 1", "syntax error", "1 / 0"])
def test_a_file_that_is_no_provision_is_told(tmp_path: Path, text: str) -> None:
    """A file without a function `state`, or that cannot be run, is the user's mistake."""
    with pytest.raises(MockhubError, match=r"states\.py"):
        _judge(tmp_path, text, "MOD-7")
