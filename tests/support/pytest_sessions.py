"""Runs pytest sessions in subprocesses, for tests of the plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_IN_CI = ("CI", "BUILD_NUMBER")

COMMAND = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


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
    timeout: float | None = None,
) -> Session:
    """Run pytest on one file, with the plugin of mockhub and *plugins*.

    Args:
        folder: The folder of the file.
        source: The content of the file.
        options: Arguments of pytest.
        ini: Lines for pytest.ini.
        plugins: The entry points of other plugins.
        timeout: Seconds after which the session is killed, and the test fails.
    """
    scope = "asyncio_default_fixture_loop_scope = function\n" if "asyncio" in plugins else ""
    (folder / "pytest.ini").write_text(f"[pytest]\n{scope}{ini}")
    (folder / "test_it.py").write_text(source)
    chosen = [word for name in ("mockhub", *plugins) for word in ("-p", name)]
    # In CI pytest prints each failure twice, which would confuse tests that count messages.
    environment = {name: value for name, value in os.environ.items() if name not in _IN_CI}
    completed = subprocess.run(
        [*COMMAND, *chosen, *options],
        cwd=folder,
        env=environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Session(completed.returncode, completed.stdout + completed.stderr)
