"""The options that the plugin declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pytest_sessions import session

TELL = """
def test_told(pytestconfig):
    told = [pytestconfig.getoption(f"mockhub_{n}") for n in ("target", "level", "budget", "seed")]
    assert EXPECTED == told
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [None, "documented", None, None]),
        (
            ["--mockhub-target=t.yaml", "--mockhub-level=inferred", "--mockhub-budget=80"]
            + ["--mockhub-seed=7"],
            ["t.yaml", "inferred", 80, 7],
        ),
    ],
)
def test_the_suites_options_are_known_without_its_conftest(
    tmp_path: Path, options: list[str], expected: list[object]
) -> None:
    """Any session takes the contract suite's options, and tells them by their names."""
    done = session(tmp_path, TELL.replace("EXPECTED", repr(expected)), *options)
    assert done.counts == {"passed": 1}, done.output
