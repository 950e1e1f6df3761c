"""What is not throughput: start, memory, pictures, a fresh hub, the plugin and the suite."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.requests import AUTH, BODY, GENERATIONS, MODELS
from benchmarks.servers import Server, filled, free_port, mockhub, running
from benchmarks.table import Row

KEPT = 100_000
_TESTS = 300


def start(rounds: int = 7) -> Iterator[Row]:
    """Start to first answer, and memory then."""
    times, sizes = [], []
    for _ in range(rounds):
        port = free_port()
        with running(mockhub(port=port), port=port, first=MODELS.path) as server:
            times.append(server.started)
            sizes.append(server.rss() or 0)
    yield Row("Start to first answer", median(times), "s", "most", 0.30)
    if any(sizes):
        yield Row("Memory at start", median(sizes) / 1e6, "MB", "most", 50)


def kept(at_start: float | None) -> Iterator[Row]:
    """Memory with 100,000 generations kept, and what each takes of it."""
    port = free_port()
    with running(filled(KEPT, port=port), port=port, first=MODELS.path) as server:
        if at_start is None or (size := server.rss()) is None:
            return
    yield Row(f"Memory with {KEPT:,} generations", size / 1e6, "MB")
    each = (size - at_start * 1e6) / KEPT
    yield Row("Memory of a kept generation", each, "bytes", "most", 1000)


def pictures(server: Server) -> Iterator[Row]:
    """The first fetch of pictures, and what others wait for meanwhile."""
    cold = [_fetched(server, f"cold {number}", "1024x1024") for number in range(40)]
    yield Row("Image 1024x1024, first fetch", median(cold) * 1e3, "ms", "most", 6)
    waits: list[float] = []
    with _asking(server, waits):
        large = [_fetched(server, f"large {number}", "3840x2160") for number in range(10)]
    yield Row("Image 3840x2160, first fetch", median(large) * 1e3, "ms", "most", 60)
    note = "the longest of GET models in a row"
    yield Row("Others wait meanwhile", max(waits) * 1e3, "ms", note=note)


def fresh_hub(rounds: int = 1000) -> Iterator[Row]:
    """A hub forked from a template, and dropped."""
    from mockhub._resources import resource_path
    from mockhub.domain.hub_registry import HubRegistry
    from mockhub.scenarios.builder import build_hub
    from mockhub.scenarios.loader import load_scenario
    from mockhub.spec.api_spec import load_spec

    law = load_spec(resource_path("openapi.yaml"))
    template = build_hub(
        load_scenario(resource_path("fixtures/scenarios/default.yaml")), "default", law
    )
    store, times = HubRegistry(template), []
    for number in range(rounds):
        began = perf_counter()
        store.add(template.fork(f"hub-{number}"))
        store.delete(f"hub-{number}")
        times.append(perf_counter() - began)
    yield Row("A fresh hub, made and dropped", median(times) * 1e3, "ms", "most", 1)


def plugin() -> Iterator[Row]:
    """What the fixture adds to a test, where the plugin is."""
    if not find_spec("mockhub.testing") or not find_spec("pytest"):
        return
    empty = _pytest("def test_nothing(number): pass")
    used = _pytest("def test_nothing(number, mockhub): pass")
    note = f"{_TESTS} tests with the fixture less {_TESTS} without"
    yield Row("The plugin, a test", (used - empty) / _TESTS * 1e3, "ms", note=note)


def verify() -> Iterator[Row]:
    """What the contract suite takes and spends on our own server, where it is."""
    if not find_spec("mockhub.cli.verify"):
        return
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "mockhub", "verify", "--report-json", str(report)]
        began = perf_counter()
        done = subprocess.run(command, capture_output=True, check=False)
        seconds = perf_counter() - began
        if not report.exists():
            return
        spent = json.loads(report.read_text())["credits_spent"]
    note = f"exit code {done.returncode}"
    yield Row("The contract suite, whole", seconds, "s", note=note)
    yield Row("Credits that it spends", spent, "credits")


def _pytest(test: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        mark = f"@pytest.mark.parametrize('number', range({_TESTS}))"
        (Path(folder) / "test_it.py").write_text(f"import pytest\n{mark}\n{test}\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
        began = perf_counter()
        subprocess.run(command, capture_output=True, check=True, cwd=folder)
        return perf_counter() - began


def _fetched(server: Server, prompt: str, size: str) -> float:
    line = HTTPConnection("127.0.0.1", server.port)
    body = json.dumps({**BODY, "prompt": prompt, "size": size})
    line.request("POST", GENERATIONS, body, {**AUTH, "Content-Type": "application/json"})
    url = json.loads(line.getresponse().read())["images"][0]["url"]
    path = url.removeprefix(server.url)
    began = perf_counter()
    line.request("GET", path)
    answer = line.getresponse()
    answer.read()
    seconds = perf_counter() - began
    assert answer.status == 200, (path, answer.status)
    line.close()
    return seconds


class _asking:
    """Asks for the models in a row, in a thread, and notes what each answer took."""

    def __init__(self, server: Server, waits: list[float]) -> None:
        self._server, self._waits = server, waits
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        line = HTTPConnection("127.0.0.1", self._server.port)
        while not self._over.is_set():
            began = perf_counter()
            line.request("GET", MODELS.path)
            line.getresponse().read()
            self._waits.append(perf_counter() - began)
        line.close()
