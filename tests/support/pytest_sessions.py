"""Runs pytest sessions in other processes, for tests of the plugin."""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

_IN_CI = ("CI", "BUILD_NUMBER")

COMMAND = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Session:
    """A finished session.

    Attributes:
        code: The exit code.
        output: Everything that it printed.
    """

    code: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        """The number of tests by outcome, such as ``{"passed": 2, "failed": 1}``."""
        last = self.output.strip().splitlines()[-1]
        counts = re.findall(r"([0-9]+) (passed|failed|skipped|errors?|xfailed|warnings?)", last)
        return {word.rstrip("s"): int(number) for number, word in counts}


def session(
    folder: Path,
    source: str,
    *options: str,
    ini: str = "",
    plugins: tuple[str, ...] = (),
    timeout: int = 120,
    fork: bool = True,
) -> Session:
    """Run pytest on one file, with the plugin of mockhub and *plugins*.

    Args:
        folder: The folder of the file.
        source: The content of the file.
        options: Arguments of pytest.
        ini: Lines for pytest.ini.
        plugins: The entry points of other plugins.
        timeout: Seconds after which the session is killed, and the test fails.
        fork: Fork a process that has imported mockhub, which is quicker. Sessions with plugins
            other than xdist run in a new process, since they depend on the order of imports.
    """
    scope = "asyncio_default_fixture_loop_scope = function\n" if "asyncio" in plugins else ""
    (folder / "pytest.ini").write_text(f"[pytest]\n{scope}{ini}")
    (folder / "test_it.py").write_text(source)
    chosen = [word for name in ("mockhub", *plugins) for word in ("-p", name)]
    is_forked = fork and {*plugins} <= {"xdist"}
    run = run_in_fork if is_forked else run_in_new_process
    return run(folder, *chosen, *options, timeout=timeout)


def run_in_fork(folder: Path, *arguments: str, timeout: int = 120) -> Session:
    """Run pytest in *folder*, in a fork of a process that has imported mockhub."""
    server = _session_server()
    assert server.stdin
    assert server.stdout
    with NamedTemporaryFile("r") as output:
        request = {"folder": str(folder), "environment": _environment(), "output": output.name}
        request |= {"arguments": [*COMMAND[3:], *arguments], "timeout": timeout}
        server.stdin.write(f"{json.dumps(request)}\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        printed = output.read()
    assert code >= 0, f"killed by signal {-code}:\n{printed}"
    return Session(code, printed)


def _environment() -> dict[str, str]:
    # In CI pytest prints each failure twice, which would confuse tests that count messages.
    environment = {name: value for name, value in os.environ.items() if name not in _IN_CI}
    return environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run_in_new_process(folder: Path, *arguments: str, timeout: int = 120) -> Session:
    completed = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Session(completed.returncode, completed.stdout + completed.stderr)


@cache
def _session_server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.session_server"],
        cwd=_ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)  # the end of its input ends it
    return server
