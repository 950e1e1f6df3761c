"""The options that the plugin declares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TELL = """
def test_told(pytestconfig):
    told = [pytestconfig.getoption(f"mockhub_{n}") for n in ("target", "level", "budget", "seed")]
    assert EXPECTED == told
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


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
    (tmp_path / "test_told.py").write_text(TELL.replace("EXPECTED", repr(expected)))
    done = run(tmp_path, *options)
    assert 0 == done.returncode, done.stdout + done.stderr
