"""The options that the plugin declares."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from benchmarks.servers import free_port
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


FIXED_PORT = """
def test_hub(mockhub, pytestconfig):
    port = pytestconfig.getoption("mockhub_port")
    assert mockhub.url == f"http://127.0.0.1:{port}/hubs/test_hub"
    assert mockhub.client().get("/credits").status_code == 200
"""


def test_port_is_chosen(tmp_path: Path) -> None:
    """A port that is in use is an error that names the option."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        taken = session(tmp_path, FIXED_PORT, f"--mockhub-port={port}")
    assert taken.counts == {"error": 1}, taken.output
    assert f"--mockhub-port: cannot listen on 127.0.0.1:{port}" in taken.output
    result = session(tmp_path, FIXED_PORT, f"--mockhub-port={port}")
    assert result.counts == {"passed": 1}, result.output


def test_marker_describes_every_option() -> None:
    for name in HubOptions.__annotations__:
        assert f"{name}=" in MARKER_DESCRIPTION
