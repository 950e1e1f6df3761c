"""`mockhub serve` imports what the first request needs, and nothing slow besides."""

from __future__ import annotations

import subprocess
import sys

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
    "mockhub.control.handlers.hubs",
    "mockhub.images.renderer",
    "mockhub.mutants",
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

# Starts the server, prints the imported modules when it accepts connections, and stops.
PROGRAM = """
import sys
from mockhub.server.server import Server

startup = Server.startup

async def print_modules(self, sockets=None):
    await startup(self, sockets)
    print("modules:", *sys.modules)
    self.should_exit = True

Server.startup = print_modules

from mockhub.cli.main import main
main(["serve", "--port", "0"])
"""


def test_start_imports_no_slow_modules() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules = done.stdout.partition("modules: ")[2].partition("\n")[0].split()
    assert "mockhub.web.api" in modules
    assert SLOW_MODULES.intersection(modules) == set()
