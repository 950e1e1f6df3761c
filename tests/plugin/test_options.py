"""The options that the plugin declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockhub.pytest_plugin import MARKER_DESCRIPTION
from mockhub.testing.config import HubOptions
from tests.support.pytest_sessions import session

SOURCE = """
def test_options(pytestconfig):
    values = [pytestconfig.getoption(f"mockhub_{n}") for n in ("target", "level", "budget", "seed")]
    assert values == EXPECTED
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
def test_options_of_the_contract_tests_need_no_conftest(
    tmp_path: Path, options: list[str], expected: list[object]
) -> None:
    result = session(tmp_path, SOURCE.replace("EXPECTED", repr(expected)), *options)
    assert result.counts == {"passed": 1}, result.output


def test_marker_describes_every_option() -> None:
    for name in HubOptions.__annotations__:
        assert f"{name}=" in MARKER_DESCRIPTION
