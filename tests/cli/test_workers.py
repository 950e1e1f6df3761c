"""The processes of `mockhub serve --workers`: they say why they end, and end with their parent."""

from __future__ import annotations

import os
import signal
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


def test_workers_end_with_a_parent_that_was_killed() -> None:
    """Also a worker that was restarted; the pipe to this test is open as long as one lives."""
    program = """
import os, signal
from mockhub.cli.workers import run_workers

def run(worker):
    print(os.getpid(), flush=True)
    while True:
        signal.pause()

run_workers(2, run)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        os.kill(workers[0], signal.SIGKILL)
        workers.append(int(parent.stdout.readline()))
        parent.kill()
        try:
            assert parent.communicate(timeout=30) == (b"", None)
        except subprocess.TimeoutExpired:
            for worker in workers[1:]:
                os.kill(worker, signal.SIGKILL)
            raise
