"""`python -m benchmarks`: run everything in turn, print the tables, write them as JSON."""

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
from benchmarks.servers import Server, filled, free_port, mockhub, running, uvicorn
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
    print(_place(), flush=True)
    with ExitStack() as stack:
        unit = _started(stack, uvicorn("benchmarks.baseline_app:app", port := free_port()), port)
        subjects = list(_subjects(stack, options))
        rows = measure(unit, subjects, seconds=options.seconds, rounds=options.rounds)
        rows = [_beside(row, rows) for row in rows]
        _print(table.throughputs(rows))
        ours = next(one.server for one in subjects if one.name == "GET models")
        single = list(_figures(ours, quick=options.quick))
    _print(table.figures(single))
    # With half of the rounds: a peer is measured to be placed, not to be tuned.
    rounds = (options.rounds + 1) // 2
    others = list(peers.measured(seconds=options.seconds, rounds=rounds)) if options.peers else []
    if others:
        _print(table.mock_servers(others))
    told = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251
        "place": _place(),
        "throughput": [{**asdict(row), "reached": row.reached} for row in rows],
        "figures": [{**asdict(row), "reached": row.reached} for row in single],
        "mock_servers": [asdict(row) for row in others],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(told, indent=2) + "\n")
    print(f"Written to {options.json}")


def _print(lines: list[str]) -> None:
    print(*lines, "", sep="\n", flush=True)


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="load on each subject, a round")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--peers", action="store_true", help="measure other mock servers too")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"))
    return parser.parse_args()


def _place() -> str:
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
            "a client in Python, for want of wrk and oha (apt-get install wrk): "
            "it is the bottleneck, so that ratios come out low"
        )
    done = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    return " ".join((done.stdout or done.stderr).split()[:2])


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def _started(stack: ExitStack, command: list[str], port: int, first: str = "/") -> Server:
    return stack.enter_context(running(command, port=port, first=first))


def _subjects(stack: ExitStack, options: Any) -> Iterator[Subject]:
    limit = _started(stack, uvicorn("benchmarks.raw_asgi_app:app", port := free_port()), port)
    # What is read and what is written apart: a hub lets go of what it made before the last 100,000.
    ours = _started(stack, mockhub(port=(port := free_port())), port, requests.MODELS.path)
    busy = _started(stack, mockhub(port=(port := free_port())), port, requests.MODELS.path)
    yield Subject("raw ASGI, the same bytes (the limit)", limit, requests.HELLO)
    yield Subject("GET models", ours, requests.MODELS, 1.6)
    yield Subject("GET credits", ours, requests.CREDITS, 1.2)
    yield Subject("POST, synchronous", busy, requests.post(), 0.8)
    made = json.loads(load.once(ours.url, requests.post())[1])
    poll = replace(requests.CREDITS, path=requests.LOGS + made["id"])
    yield Subject("GET generation (a poll)", ours, poll, 1.2)
    then_poll = replace(requests.post(**{"async": True}), then_poll=requests.LOGS)
    yield Subject("POST, asynchronous, and one poll", busy, then_poll)
    yield Subject("POST, form with a 100 KB PNG", busy, requests.form())
    picture = load.Call("GET", made["images"][0]["url"].removeprefix(ours.url))
    file = Path(stack.enter_context(TemporaryDirectory())) / "picture.png"
    file.write_bytes(load.once(ours.url, picture)[1])
    static = _started(stack, uvicorn("benchmarks.baseline_app:app", port := free_port()), port)
    yield Subject(
        "the same picture as a file, by Starlette", static, load.Call("GET", f"/file{file}")
    )
    yield Subject("GET image 1024x1024, drawn before", ours, picture)
    if not options.quick:
        yield _full(stack)


def _full(stack: ExitStack) -> Subject:
    port = free_port()
    server = _started(stack, filled(_STORED, port=port), port, requests.MODELS.path)
    return Subject(f"POST, after {_STORED:,} generations", server, requests.post())


_BESIDE = {
    "GET image 1024x1024, drawn before": ("the same picture as a file, by Starlette", 0.9),
    f"POST, after {_STORED:,} generations": ("POST, synchronous", 0.9),
}


def _beside(row: table.Throughput, rows: list[table.Throughput]) -> table.Throughput:
    """A row whose target is another row's figure, with that target."""
    if row.name not in _BESIDE:
        return row
    name, part = _BESIDE[row.name]
    other = next(one for one in rows if one.name == name)
    return replace(row, target=round(other.least * part, 2))


def _figures(server: Server, *, quick: bool) -> Iterator[table.Row]:
    yield from single_metrics.pictures(server)
    size = None
    for row in single_metrics.start():
        size = row.figure if row.unit == "MB" else size
        yield row
    if not quick:
        yield from single_metrics.kept(size)
    yield from single_metrics.fresh_hub()
    if not quick:
        yield from single_metrics.plugin()
        yield from single_metrics.verify()


if __name__ == "__main__":
    main()
