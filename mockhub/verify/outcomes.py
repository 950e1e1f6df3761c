"""The outcomes of a check, and the exceptions with which a check ends early."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from traceback import extract_tb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockhub.verify.exchange import Exchange

EXIT_OK, EXIT_FAILED, EXIT_ERROR, EXIT_INCONCLUSIVE = 0, 1, 2, 3  # of mockhub verify


class Outcome(StrEnum):
    """How a check, and so each of its clauses, ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    INCONCLUSIVE = "inconclusive"


class CheckOutcome(Exception):
    """Ends a check that does not pass.

    Attributes:
        message: What was found, as one sentence.
        exchanges: The requests and responses that show it.
        expected: What the clause requires instead, or "".
        clause: The clause that it is about, if that is not the first one of the check.
        rejected_with: What all rejected valid requests have and no accepted one has, "" if that is
            not known, or None if it is not about a rejected valid request.
    """

    outcome = Outcome.INCONCLUSIVE

    def __init__(
        self,
        message: str,
        *exchanges: Exchange,
        expected: str = "",
        clause: str = "",
        rejected_with: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exchanges = exchanges
        self.expected = expected
        self.clause = clause
        self.rejected_with = rejected_with


def describe_exception(error: BaseException, file: str | None = None) -> str:
    """Return type, message and place of an error: its last line in *file*, or the last of all.

    Args:
        error: A caught error.
        file: The Python file that a user can mend; by default that of the called function.
    """
    frames = extract_tb(error.__traceback__)
    file = file or frames[:2][-1].filename
    frame = next((one for one in reversed(frames) if one.filename == file), frames[-1])
    return f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno})"


class Failed(CheckOutcome):
    """The implementation violates the clause."""

    outcome = Outcome.FAILED


@contextmanager
def failures_about(clause: str) -> Iterator[None]:
    """Attribute a failure within to *clause*, unless it names another one."""
    try:
        yield
    except Failed as failure:
        failure.clause = failure.clause or clause
        raise


class Skipped(CheckOutcome):
    """The profile does not offer what the check needs."""

    outcome = Outcome.SKIPPED


class Inconclusive(CheckOutcome):
    """The check did not reach a state in which it could have failed."""


class OverBudget(Inconclusive):
    """A request was not sent because the budget does not cover its worst case."""
