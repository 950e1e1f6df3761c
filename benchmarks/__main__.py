"""`python -m benchmarks`: run all benchmarks, print the tables and write them as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import load, peers, requests, single_metrics, table
from benchmarks.servers import (
    Server,
    free_port,
    mockhub_command,
    prefilled,
    running,
    uvicorn_command,
)
from benchmarks.throughput import Subject, measure

_PACKAGES = (
    "mockhub",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "orjson",
    "jsonschema-rs",
    "msgspec",
)
_STORED = 1_000_000


def main() -> None:
    options = _options()
    print(_environment(), flush=True)
    with ExitStack() as stack:
        unit = _start(
            stack, uvicorn_command("benchmarks.baseline_app:app", port := free_port()), port
        )
        subjects = list(_subjects(stack, options))
        rows = measure(unit, subjects, seconds=options.seconds, rounds=options.rounds)
        rows = [_with_relative_target(row, rows) for row in rows]
        _print(table.throughput_table(rows))
        ours = next(subject.server for subject in subjects if subject.name == "GET models")
        single = list(_single_metrics(ours, quick=options.quick))
    _print(table.metric_table(single))
    # Half of the rounds are enough for a comparison.
    rounds = (options.rounds + 1) // 2
    others = (
        list(peers.measure_peers(seconds=options.seconds, rounds=rounds)) if options.peers else []
    )
    if others:
        _print(table.mock_server_table(others))
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251
        "place": _environment(),
        "throughput": [{**asdict(row), "reached": row.reached} for row in rows],
        "figures": [{**asdict(row), "reached": row.reached} for row in single],
        "mock_servers": [asdict(row) for row in others],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=2) + "\n")
    print(f"Results are in {options.json}")


def _print(lines: list[str]) -> None:
    print(*lines, "", sep="\n", flush=True)


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="duration of each round")
    parser.add_argument(
        "--rounds", type=int, default=3, help="number of rounds; the results are medians"
    )
    parser.add_argument("--quick", action="store_true", help="skip the slow benchmarks")
    parser.add_argument("--peers", action="store_true", help="also measure other mock servers")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"))
    return parser.parse_args()


def _environment() -> str:
    models = [line for line in _cpuinfo() if line.startswith("model name")]
    processor = models[0].partition(":")[2].strip() if models else platform.processor()
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{processor}, {len(models) or '?'} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load by {_generator()}\n{versions}\n"
    )


def _generator() -> str:
    name = load.generator()
    if name == "python":
        return (
            "a client in Python, because wrk and oha are not installed (apt-get install wrk): "
            "it is the bottleneck, so the ratios are too low"
        )
    completed = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    return " ".join((completed.stdout or completed.stderr).split()[:2])


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def _start(stack: ExitStack, command: list[str], port: int, ready_path: str = "/") -> Server:
    return stack.enter_context(running(command, port=port, ready_path=ready_path))


def _subjects(stack: ExitStack, options: Any) -> Iterator[Subject]:
    limit = _start(stack, uvicorn_command("benchmarks.raw_asgi_app:app", port := free_port()), port)
    # Separate servers for reads and writes: a hub evicts all but the last 100,000 generations.
    ours = _start(stack, mockhub_command(port=(port := free_port())), port, requests.MODELS.path)
    busy = _start(stack, mockhub_command(port=(port := free_port())), port, requests.MODELS.path)
    yield Subject("raw ASGI, the same bytes (the limit)", limit, requests.HELLO)
    yield Subject("GET models", ours, requests.MODELS, 1.9)
    yield Subject("GET credits", ours, requests.CREDITS, 1.2)
    yield Subject("POST, synchronous", busy, requests.post(), 0.75)
    generation = json.loads(load.send_once(ours.url, requests.post())[1])
    poll = replace(requests.CREDITS, path=requests.LOGS + generation["id"])
    yield Subject("GET generation (a poll)", ours, poll, 1.2)
    then_poll = replace(requests.post(**{"async": True}), then_poll=requests.LOGS)
    yield Subject("POST, asynchronous, and one poll", busy, then_poll)
    yield Subject("POST, form with a 100 KB PNG", busy, requests.form())
    image = load.RequestTemplate("GET", generation["images"][0]["url"].removeprefix(ours.url))
    file = Path(stack.enter_context(TemporaryDirectory())) / "picture.png"
    file.write_bytes(load.send_once(ours.url, image)[1])
    static = _start(
        stack, uvicorn_command("benchmarks.baseline_app:app", port := free_port()), port
    )
    yield Subject(
        "the same image as a file, by Starlette",
        static,
        load.RequestTemplate("GET", f"/file{file}"),
    )
    yield Subject("GET image 1024x1024, rendered before", ours, image)
    if not options.quick:
        yield _prefilled_subject(stack)


def _prefilled_subject(stack: ExitStack) -> Subject:
    port = free_port()
    server = _start(stack, prefilled(_STORED, port=port), port, requests.MODELS.path)
    return Subject(f"POST, after {_STORED:,} generations", server, requests.post())


_RELATIVE_TARGETS = {
    "GET image 1024x1024, rendered before": ("the same image as a file, by Starlette", 0.9),
    f"POST, after {_STORED:,} generations": ("POST, synchronous", 0.9),
}


def _with_relative_target(row: table.Throughput, rows: list[table.Throughput]) -> table.Throughput:
    """Return *row* with its target, if that depends on another row."""
    if row.name not in _RELATIVE_TARGETS:
        return row
    name, part = _RELATIVE_TARGETS[row.name]
    other = next(row for row in rows if row.name == name)
    return replace(row, target=round(other.lowest_ratio * part, 2))


def _single_metrics(server: Server, *, quick: bool) -> Iterator[table.Metric]:
    yield from single_metrics.images(server)
    size = None
    for row in single_metrics.start():
        size = row.value if row.unit == "MB" else size
        yield row
    if not quick:
        yield from single_metrics.generations_memory(size)
    yield from single_metrics.new_hub()
    if not quick:
        yield from single_metrics.plugin()
        yield from single_metrics.verify()


if __name__ == "__main__":
    main()
