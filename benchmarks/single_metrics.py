"""Single metrics: start, memory, images, a new hub, the plugin and the contract tests."""

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
from benchmarks.servers import Server, free_port, mockhub_command, prefilled, running
from benchmarks.table import Metric

KEPT = 100_000
_TESTS = 300


def start(rounds: int = 7) -> Iterator[Metric]:
    """Measure the time to the first response, and the memory then."""
    times, sizes = [], []
    for _ in range(rounds):
        port = free_port()
        with running(mockhub_command(port=port), port=port, ready_path=MODELS.path) as server:
            times.append(server.started)
            sizes.append(server.rss() or 0)
    yield Metric("Start to first response", median(times), "s", "most", 0.30)
    if any(sizes):
        yield Metric("Memory at start", median(sizes) / 1e6, "MB", "most", 50)


def generations_memory(at_start: float | None) -> Iterator[Metric]:
    """Measure the memory with 100,000 generations, and per generation."""
    port = free_port()
    with running(prefilled(KEPT, port=port), port=port, ready_path=MODELS.path) as server:
        if at_start is None or (size := server.rss()) is None:
            return
    yield Metric(f"Memory with {KEPT:,} generations", size / 1e6, "MB")
    each = (size - at_start * 1e6) / KEPT
    yield Metric("Memory of a kept generation", each, "bytes", "most", 1000)


def images(server: Server) -> Iterator[Metric]:
    """Measure the first fetch of images, and the longest other request meanwhile."""
    cold = [_fetch_time(server, f"cold {number}", "1024x1024") for number in range(40)]
    yield Metric("Image 1024x1024, first fetch", median(cold) * 1e3, "ms", "most", 6)
    waits: list[float] = []
    with _BackgroundRequests(server, waits):
        large = [_fetch_time(server, f"large {number}", "3840x2160") for number in range(10)]
    yield Metric("Image 3840x2160, first fetch", median(large) * 1e3, "ms", "most", 60)
    note = "GET models in a loop"
    yield Metric("Longest other request meanwhile", max(waits) * 1e3, "ms", note=note)


def new_hub(rounds: int = 1000) -> Iterator[Metric]:
    """Measure forking and deleting a hub."""
    from mockhub._resources import resource_path
    from mockhub.domain.hub_registry import HubRegistry
    from mockhub.scenarios.builder import build_hub
    from mockhub.scenarios.loader import load_scenario
    from mockhub.spec.api_spec import load_spec

    spec = load_spec(resource_path("openapi.yaml"))
    template = build_hub(
        load_scenario(resource_path("fixtures/scenarios/default.yaml")), "default", spec
    )
    registry, times = HubRegistry(template), []
    for number in range(rounds):
        started = perf_counter()
        registry.add(template.fork(f"hub-{number}"))
        registry.delete(f"hub-{number}")
        times.append(perf_counter() - started)
    yield Metric("A new hub, created and deleted", median(times) * 1e3, "ms", "most", 1)


def plugin() -> Iterator[Metric]:
    """Measure what the fixture adds to a test."""
    if not find_spec("mockhub.testing") or not find_spec("pytest"):
        return
    empty = _pytest("def test_nothing(number): pass")
    used = _pytest("def test_nothing(number, mockhub): pass")
    note = f"{_TESTS} tests with the fixture minus {_TESTS} without"
    yield Metric("The plugin, per test", (used - empty) / _TESTS * 1e3, "ms", note=note)


def verify() -> Iterator[Metric]:
    """Measure duration and credits of the contract tests on our own server."""
    if not find_spec("mockhub.cli.verify"):
        return
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "mockhub", "verify", "--report-json", str(report)]
        started = perf_counter()
        completed = subprocess.run(command, capture_output=True, check=False)
        seconds = perf_counter() - started
        if not report.exists():
            return
        spent = json.loads(report.read_text())["credits_spent"]
    note = f"exit code {completed.returncode}"
    yield Metric("The whole contract suite", seconds, "s", note=note)
    yield Metric("Credits that it spends", spent, "credits")


def _pytest(test: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        mark = f"@pytest.mark.parametrize('number', range({_TESTS}))"
        (Path(folder) / "test_it.py").write_text(f"import pytest\n{mark}\n{test}\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
        started = perf_counter()
        subprocess.run(command, capture_output=True, check=True, cwd=folder)
        return perf_counter() - started


def _fetch_time(server: Server, prompt: str, size: str) -> float:
    connection = HTTPConnection("127.0.0.1", server.port)
    body = json.dumps({**BODY, "prompt": prompt, "size": size})
    connection.request("POST", GENERATIONS, body, {**AUTH, "Content-Type": "application/json"})
    url = json.loads(connection.getresponse().read())["images"][0]["url"]
    path = url.removeprefix(server.url)
    started = perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    seconds = perf_counter() - started
    assert response.status == 200, (path, response.status)
    connection.close()
    return seconds


class _BackgroundRequests:
    """Sends GET models in a loop, in a thread, and records each response time."""

    def __init__(self, server: Server, waits: list[float]) -> None:
        self._server, self._waits = server, waits
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_requests)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send_requests(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._server.port)
        while not self._stop.is_set():
            started = perf_counter()
            connection.request("GET", MODELS.path)
            connection.getresponse().read()
            self._waits.append(perf_counter() - started)
        connection.close()
