"""Every check as a test; see conftest.py."""

from __future__ import annotations

import pytest

from .chance import CHANCE
from .checks import Check
from .conftest import Judgement
from .report import CheckResult
from .verdicts import BROKEN, NOT_ASKED, PASSED


def test_contract(check: Check, judgement: Judgement, verdicts: set[str]) -> None:
    """The implementation keeps what the clauses of the check say."""
    if check in CHANCE and not judgement.run.sound:
        pytest.skip("not asked: something is broken already")
    result = judgement.run.one(check, judgement.uses)
    verdicts.add(result.verdict)
    if result.verdict == BROKEN:
        pytest.fail(_told(check, result), pytrace=False)
    if result.verdict != PASSED:
        kind = "not asked" if result.verdict == NOT_ASKED else "inconclusive"
        pytest.skip(f"{kind}: {result.message}")


def _told(check: Check, result: CheckResult) -> str:
    lines = [f"{', '.join(check.clauses)}: {check.says}", result.message]
    if result.expected:
        lines.append(f"expected  {result.expected}")
    for exchange in result.evidence[:3]:
        lines += [f"sent      {exchange.curl()}", f"came      {exchange.came()}"]
    return "\n".join(lines)
