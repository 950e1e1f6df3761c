"""How a check ends when it does not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockhub.verify.exchange import Exchange

PASSED, FAILED, SKIPPED, INCONCLUSIVE = "passed", "failed", "skipped", "inconclusive"


class CheckOutcome(Exception):
    """The end of a check, with what was exchanged."""

    outcome = INCONCLUSIVE

    def __init__(self, message: str, *exchanges: Exchange, expected: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.exchanges = exchanges
        self.expected = expected


class Failed(CheckOutcome):
    """The implementation does not do what the clause says."""

    outcome = FAILED


class Skipped(CheckOutcome):
    """The profile does not offer what the check needs."""

    outcome = SKIPPED


class Inconclusive(CheckOutcome):
    """The state in which the check could have failed was not reached."""


class OverBudget(Inconclusive):
    """The request was not sent: the budget does not cover its worst case."""
