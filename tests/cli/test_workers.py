"""A worker of `mockhub serve --workers` that ends by an error says why."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("error", "exit_code", "last_line"),
    [
        ("MockhubError('no such file')", 2, "mockhub: no such file"),
        ("ValueError('unexpected')", 1, "ValueError: unexpected"),
    ],
)
def test_error_of_a_worker_is_printed(error: str, exit_code: int, last_line: str) -> None:
    program = f"""
from mockhub.cli.workers import run_workers
from mockhub.exceptions import MockhubError

def run(worker):
    raise {error}

run_workers(1, run)
"""
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert process.returncode == exit_code
    assert process.stderr.splitlines()[-1] == last_line
