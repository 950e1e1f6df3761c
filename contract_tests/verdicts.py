"""How a check ends when it does not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Exchange

PASSED, BROKEN, NOT_ASKED, INCONCLUSIVE = "passed", "broken", "not_asked", "inconclusive"


class Verdict(Exception):
    """The end of a check, with what was exchanged."""

    word = INCONCLUSIVE

    def __init__(self, message: str, *exchanges: Exchange, expected: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.exchanges = exchanges
        self.expected = expected


class Broken(Verdict):
    """The implementation does not do what the clause says."""

    word = BROKEN


class NotAsked(Verdict):
    """The profile does not offer what the check needs."""

    word = NOT_ASKED


class Inconclusive(Verdict):
    """The state in which the check could have failed was not reached."""


class OverBudget(Inconclusive):
    """The request was not sent: the budget does not cover its worst case."""
