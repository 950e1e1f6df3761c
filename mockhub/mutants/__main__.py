"""`python -m mockhub.mutants NAME...` runs the self-test on these mutants and variants, or all."""

from __future__ import annotations

import sys

from rich.console import Console

from mockhub.exceptions import MockhubError
from mockhub.mutants import self_test, self_test_report


def main(names: list[str]) -> int:
    """Run the self-test, print its result, and return the exit code."""
    try:
        outcome = self_test.run(names=names)
    except MockhubError as error:
        Console(stderr=True).print(f"mockhub: {error}", highlight=False, soft_wrap=True)
        return 2
    self_test_report.show(outcome, Console())
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
