"""Other mock servers, measured as ours is, where they are installed: `BENCH_ARGS=--peers`."""

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
from benchmarks.servers import NoAnswer, Server, free_port, mockhub, running, uvicorn
from benchmarks.table import MockServer, Throughput
from benchmarks.throughput import Subject, measure
from mockhub._resources import resource_path

_HERE = Path(__file__).parent
_NODE = _HERE / "node_modules"
_BUILD = Path("build/peers").absolute()
_FILES = _BUILD / "files"
_PLACES = {
    "here": _HERE,
    "node": _NODE,
    "python": _BUILD / "python",
    "files": _FILES,
    "spec": resource_path("openapi.yaml"),
    "older": _FILES / peer_files.OLDER,
}
_STARTS = 3
_PATIENCE = 20.0


@dataclass(frozen=True)
class Peer:
    """Another mock server: the package that brings it, and the command that starts it silently."""

    package: str
    command: str

    def version(self) -> str | None:
        """The version that `make peers` installed, or None."""
        if (told := _NODE / self.package / "package.json").exists():
            return str(json.loads(told.read_text())["version"])
        found = _BUILD.glob(f"python/lib/*/site-packages/{self.package}-*.dist-info")
        return next((folder.stem.rpartition("-")[2] for folder in found), None)

    def lacks(self) -> str | None:
        """Why it cannot be started here, or None if it can."""
        if self.version() is None:
            return "not installed (make peers)"
        program = self.at(0)[0]
        return None if shutil.which(program) else f"there is no {program} (make peers)"

    def at(self, port: int) -> list[str]:
        """The command for a port."""
        places = {**_PLACES, "port": port, "version": self.version()}
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


def measured(*, seconds: float, rounds: int) -> Iterator[MockServer]:
    """Our server and each peer in turn; a line says which is left out or fails, and why."""
    if generator() == "python":
        print("The other mock servers need wrk or oha to be measured (apt-get install wrk).")
        return
    peer_files.write(_FILES)
    with running(uvicorn("benchmarks.baseline_app:app", port := free_port()), port=port) as unit:
        turn = _Turn(unit, seconds, rounds)
        yield turn.take("mockhub", version("mockhub"), lambda port: mockhub(port=port))
        for peer in PEERS:
            if why := peer.lacks():
                print(f"{peer.package} is left out: {why}", flush=True)
                continue
            try:
                yield turn.take(peer.package, str(peer.version()), peer.at)
            except (Exception, NoAnswer) as error:
                print(f"{peer.package} failed: {error}", flush=True)


@dataclass(frozen=True)
class _Turn:
    unit: Server
    seconds: float
    rounds: int

    def take(self, name: str, version: str, command: Callable[[int], list[str]]) -> MockServer:
        started, memory = [], []
        for start in range(_STARTS):
            port = free_port()
            with running(
                command(port), port=port, first=MODELS.path, patience=_PATIENCE, cwd=_BUILD
            ) as server:
                started.append(server.started)
                memory.append(server.rss() or 0)
                if start == _STARTS - 1:
                    get, create = self._load(server)
        return MockServer(name, version, get, create, median(started), median(memory) / 1e6 or None)

    def _load(self, server: Server) -> tuple[Throughput, Throughput]:
        subjects = [Subject("GET models", server, MODELS), Subject("POST", server, post())]
        for subject in subjects:  # Java and JavaScript are faster once they have run for a while
            run(server.url, subject.call, self.seconds)
        _, get, create = measure(self.unit, subjects, seconds=self.seconds, rounds=self.rounds)
        return get, create
