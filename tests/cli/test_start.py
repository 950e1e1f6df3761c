"""`mockhub serve` imports what the first request needs, and nothing slow besides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SLOW_MODULES = {
    "PIL",
    "anyascii",
    "anyio",
    "argparse",
    "email.message",
    "h11",
    "http.client",
    "httpx",
    "importlib.metadata",
    "jinja2",
    "mockhub.control.events",
    "mockhub.control.handlers.hubs",
    "mockhub.dashboard",
    "mockhub.images.renderer",
    "mockhub.mutants",
    "mockhub.recording",
    "mockhub.testing",
    "mockhub.verify",
    "prometheus_client",
    "pytest",
    "python_multipart",
    "rich",
    "starlette",
    "websockets",
    "wsproto",
    "zoneinfo",
}

# Starts the server, writes the names of the imported modules to a file when it accepts
# connections, and stops. The server's log is written to standard output, by another thread.
PROGRAM = """
import sys
from pathlib import Path
from mockhub.server.server import Server

startup = Server.startup

async def list_modules(self, sockets=None):
    await startup(self, sockets)
    Path(sys.argv[1]).write_text(" ".join(sys.modules))
    self.should_exit = True

Server.startup = list_modules

from mockhub.cli.main import main
main(["serve", "--port", "0"])
"""


def test_start_imports_no_slow_modules(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "modules")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules = (tmp_path / "modules").read_text().split()
    assert "mockhub.web.api" in modules
    assert SLOW_MODULES.intersection(modules) == set()
