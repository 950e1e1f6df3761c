"""Measure other mock servers that are installed: `make bench BENCH_ARGS=--peers`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks import peer_files
from benchmarks.load import generator, run
from benchmarks.requests import MODELS, post
from benchmarks.servers import (
    Server,
    StartFailed,
    free_port,
    mockhub_command,
    running,
    uvicorn_command,
)
from benchmarks.table import MockServer, Throughput
from benchmarks.throughput import Subject, measure
from mockhub._resources import resource_path

_BENCHMARKS = Path(__file__).parent
_NODE = _BENCHMARKS / "node_modules"
_BUILD = Path("build/peers").absolute()
_FILES = _BUILD / "files"
_PATHS = {
    "here": _BENCHMARKS,
    "node": _NODE,
    "python": _BUILD / "python",
    "files": _FILES,
    "spec": resource_path("openapi.yaml"),
    "older": _FILES / peer_files.OPENAPI_3_0,
}
_STARTS = 3
_START_TIMEOUT = 20.0


@dataclass(frozen=True)
class Peer:
    """Another mock server: its package, and the command that starts it without a log."""

    package: str
    command: str

    def version(self) -> str | None:
        """Return the version that `make peers` installed, or None."""
        if (manifest := _NODE / self.package / "package.json").exists():
            return str(json.loads(manifest.read_text())["version"])
        builds = _BUILD.glob(f"python/lib/*/site-packages/{self.package}-*.dist-info")
        return next((folder.stem.rpartition("-")[2] for folder in builds), None)

    def missing(self) -> str | None:
        """Return why it cannot be started, or None if it can."""
        if self.version() is None:
            return "not installed (make peers)"
        program = self.command_for(0)[0]
        return None if shutil.which(program) else f"{program} is not installed (make peers)"

    def command_for(self, port: int) -> list[str]:
        """Return the command for a port."""
        places = {**_PATHS, "port": port, "version": self.version()}
        return [word.format(**places) for word in self.command.split()]


PEERS = (
    Peer(
        "@copilotkit/aimock",
        "node {node}/.bin/llmock -p {port} -f {files}/aimock --log-level silent",
    ),
    Peer("open-api-mocker", "node {node}/.bin/open-api-mocker --quiet -p {port} -s {older}"),
    Peer("@stoplight/prism-cli", "node {node}/.bin/prism mock -v silent -p {port} {spec}"),
    Peer(
        "wiremock",
        "java -jar {node}/wiremock/build/wiremock-standalone-{version}.jar --port {port}"
        " --bind-address 127.0.0.1 --root-dir {files}/wiremock"
        " --disable-banner --disable-request-logging --no-request-journal",
    ),
    Peer(
        "specmatic",
        "java -jar {node}/specmatic/specmatic.jar mock --noConsoleLog"
        " --host 127.0.0.1 --port {port} {spec}",
    ),
    Peer("connexion", "{python}/bin/python -W ignore {here}/peer_connexion.py {older} {port}"),
    Peer(
        "@mockoon/cli",
        "node {node}/.bin/mockoon-cli start --hostname 127.0.0.1 --port {port} --data {older}"
        " --disable-log-to-file --disable-admin-api --max-transaction-logs 0",
    ),
)


def measure_peers(*, seconds: float, rounds: int) -> Iterator[MockServer]:
    """Measure our server and each peer; print which are left out or fail, and why."""
    if generator() == "python":
        print("Measuring other mock servers needs wrk or oha (apt-get install wrk).")
        return
    peer_files.write(_FILES)
    with running(
        uvicorn_command("benchmarks.baseline_app:app", port := free_port()), port=port
    ) as unit:
        measurement = _Measurement(unit, seconds, rounds)
        yield measurement.run(
            "mockhub", version("mockhub"), lambda port: mockhub_command(port=port)
        )
        for peer in PEERS:
            if why := peer.missing():
                print(f"{peer.package} is left out: {why}", flush=True)
                continue
            try:
                yield measurement.run(peer.package, str(peer.version()), peer.command_for)
            except (Exception, StartFailed) as error:
                print(f"{peer.package} failed: {error}", flush=True)


@dataclass(frozen=True)
class _Measurement:
    unit: Server
    seconds: float
    rounds: int

    def run(self, name: str, version: str, command: Callable[[int], list[str]]) -> MockServer:
        started, memory = [], []
        for start in range(_STARTS):
            port = free_port()
            with running(
                command(port), port=port, ready_path=MODELS.path, timeout=_START_TIMEOUT, cwd=_BUILD
            ) as server:
                started.append(server.started)
                memory.append(server.rss() or 0)
                if start == _STARTS - 1:
                    get, create = self._load(server)
        return MockServer(name, version, get, create, median(started), median(memory) / 1e6 or None)

    def _load(self, server: Server) -> tuple[Throughput, Throughput]:
        subjects = [Subject("GET models", server, MODELS), Subject("POST", server, post())]
        for subject in subjects:  # warm-up, for Java and JavaScript
            run(server.url, subject.call, self.seconds)
        _, get, create = measure(self.unit, subjects, seconds=self.seconds, rounds=self.rounds)
        return get, create
