"""`python -m benchmarks.storage`: POSTs in memory, on SQLite and on PostgreSQL.

PostgreSQL runs in a temporary cluster with its default settings, so each commit is synced. Without
PostgreSQL on this machine its rows are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import load, requests
from benchmarks.servers import Server, free_port, running
from tests.support import postgres

_HEADER = f"{'':<28}{'POST/s':>8}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>8}{'start s':>9}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds: float = parser.parse_args().seconds
    print(_HEADER)
    with TemporaryDirectory() as directory:
        measure("memory", [()], seconds)
        for synchronous in ("normal", "full"):
            path = Path(directory) / f"{synchronous}.db"
            url = f"sqlite:///{path}?synchronous={synchronous}"
            count = measure(f"SQLite, synchronous={synchronous}", [("--database", url)], seconds)
            print(f"{'':<28}{path.stat().st_size / count:.0f} bytes a generation")
    if reason := postgres.why_not():
        print(reason)
        return
    cluster = postgres.Cluster(settings=())
    try:
        for servers in (1, 2):
            url = cluster.create_database()
            measure(f"PostgreSQL, servers: {servers}", [("--database", url)] * servers, seconds)
    finally:
        cluster.close()


def measure(name: str, servers: Sequence[Sequence[str]], seconds: float) -> int:
    """Load all servers at once, print a row, and return the number of responses."""
    with ExitStack() as stack, ThreadPoolExecutor(len(servers)) as pool:
        started = list(_start(stack, servers))
        before = sum(server.cpu() or 0 for server in started)
        loads = [pool.submit(load.run, one.url, requests.post(), seconds) for one in started]
        results = [future.result() for future in loads]
        cpu = sum(server.cpu() or 0 for server in started) - before
    count = sum(number for _, number in results)
    rate = sum(result.rate for result, _ in results)
    p50, p99 = (max(getattr(one, key) for one, _ in results) * 1e3 for key in ("p50", "p99"))
    row = f"{name:<28}{rate:>8.0f}{p50:>9.1f}{p99:>9.1f}{cpu / count * 1e6:>8.0f}"
    print(f"{row}{started[0].started:>9.2f}", flush=True)
    if failed := sum(result.failed for result, _ in results):
        print(f"{'':<28}{failed} failed")
    return count


def _start(stack: ExitStack, servers: Sequence[Sequence[str]]) -> Iterator[Server]:
    for options in servers:
        port = free_port()
        command = [sys.executable, "-m", "mockhub", "serve", "--port", str(port), *options]
        command += ["--scenario", "endless", "--log-level", "warning"]
        yield stack.enter_context(running(command, port=port, ready_path="/api/v1/models"))


if __name__ == "__main__":
    main()
