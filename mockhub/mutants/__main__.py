"""`python -m mockhub.mutants NAME...` judges these mutants and variants, or all of them."""

from __future__ import annotations

import sys

from rich.console import Console

from mockhub.mutants import report, selftest
from mockhub.spec.errors import MockhubError


def main(names: list[str]) -> int:
    """Judge, print what was found, and return the exit code."""
    try:
        outcome = selftest.run(names=names)
    except MockhubError as error:
        Console(stderr=True).print(f"mockhub: {error}", highlight=False, soft_wrap=True)
        return 2
    report.show(outcome, Console())
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
