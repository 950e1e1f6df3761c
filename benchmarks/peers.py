"""Other mock servers, measured beside ours where they are installed: `make bench ARGS=--peers`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.calls import MODELS, post
from benchmarks.load import Call
from mockhub.resources import path

HERE = Path(__file__).parent
_BIN = HERE / "node_modules" / ".bin"


@dataclass(frozen=True)
class Peer:
    """Another mock server: the package that brings it, and how it is started on our document."""

    package: str
    command: str
    arguments: tuple[str, ...]

    def at(self, port: int) -> list[str] | None:
        """The command for a port, or None where it is not installed."""
        where = shutil.which(self.command, path=f"{_BIN}{os.pathsep}{os.environ['PATH']}")
        spec = str(path("openapi.yaml"))
        words = [word.format(port=port, spec=spec, here=HERE) for word in self.arguments]
        return [where, *words] if where else None


PEERS = (
    Peer("@stoplight/prism-cli", "prism", ("mock", "-p", "{port}", "-v", "error", "{spec}")),
    Peer("@mockoon/cli", "mockoon-cli", ("start", "--data", "{spec}", "--port", "{port}")),
    Peer("open-api-mocker", "open-api-mocker", ("-p", "{port}", "-s", "{spec}")),
    Peer("connexion", "connexion", ("run", "--mock", "all", "--port", "{port}", "{spec}")),
    Peer("wiremock", "wiremock", ("--port", "{port}", "--root-dir", "{here}/wiremock")),
)


def installed(ports: Iterator[int]) -> Iterator[tuple[Peer, int, list[str]]]:
    """The peers that are here, each with a port and its command."""
    for peer in PEERS:
        port = next(ports)
        if command := peer.at(port):
            yield peer, port, command


CALLS: tuple[tuple[str, Call], ...] = (("GET models", MODELS), ("POST", post()))
