"""Runs pytest sessions in forks of one process, which has imported pytest and mockhub already.

Imports take a second of processor time in a session with a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import NoReturn

import pytest


def import_mockhub() -> None:
    """Import what a session with a hub needs, after pytest has loaded the plugin."""
    from mockhub.testing import server, session_report  # noqa: F401
    from mockhub.testing.config import default_spec

    default_spec()


def run_session(
    folder: str, environment: dict[str, str], arguments: list[str], output: str, timeout: int
) -> NoReturn:
    """Run pytest in *folder*, print to the file *output*, and exit; be killed after *timeout*."""
    signal.alarm(timeout)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor, source in enumerate((os.open(os.devnull, os.O_RDONLY), printed, printed)):
        os.dup2(source, descriptor)
    sys.path[0] = folder  # as `python -m pytest` has it
    sys.argv[1:] = arguments
    code = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        code = int(pytest.main(arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class SessionServer:
    """A plugin that runs a session for each line of standard input, instead of tests."""

    def pytest_cmdline_main(self) -> int:
        import_mockhub()
        for line in sys.stdin:
            child = os.fork()
            if child == 0:
                run_session(**json.loads(line))
            sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
            sys.stdout.flush()
        return 0


if __name__ == "__main__":
    # If pytest did not load the plugin itself, its sessions would warn of that.
    pytest.main(["-s", "-p", "no:cacheprovider", "-p", "mockhub"], plugins=[SessionServer()])
