"""`python -m benchmarks.storage`: POSTs in memory, on SQLite and on PostgreSQL.

Several servers share one database; their loads are on one account, on an account each, or on a hub
each. A table that was filled before shows the growth. PostgreSQL runs in a temporary cluster with
its default settings, so each commit is synced. Without PostgreSQL on this machine its rows are left
out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from urllib.request import Request, urlopen

from benchmarks import load, requests
from benchmarks.servers import Server, free_port, running
from mockhub.domain.generations import Generation
from mockhub.storage.database import Database
from mockhub.storage.documents import ACCOUNT, GENERATION, HUB, encode
from tests.support import postgres

Sharing = Literal["account", "hub", "database"]

_HEADER = f"{'':<40}{'POST/s':>8}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>8}{'start s':>9}"
_MAX_SERVERS = 3
_PRICE = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--filled", type=int, default=1_000_000, help="generations; 0 for none")
    options = parser.parse_args()
    seconds: float = options.seconds
    print(_HEADER)
    measure("memory", None, seconds)
    with TemporaryDirectory() as directory:
        for synchronous in ("normal", "full"):
            path = Path(directory) / f"{synchronous}.db"
            url = f"sqlite:///{path}?synchronous={synchronous}"
            count = measure(f"SQLite, synchronous={synchronous}", url, seconds)
            print(f"{'':<40}{path.stat().st_size / count:.0f} bytes a generation")
        measure_filled("SQLite", f"sqlite:///{directory}/normal.db", options.filled, seconds)
    if reason := postgres.why_not():
        print(reason)
        return
    cluster = postgres.Cluster(settings=())
    try:
        url = cluster.create_database()
        measure("PostgreSQL", url, seconds)
        measure_filled("PostgreSQL", url, options.filled, seconds)
        for servers in range(2, _MAX_SERVERS + 1):
            for shared in ("account", "hub", "database"):
                name = f"PostgreSQL, {servers} servers on one {shared}"
                measure(name, cluster.create_database(), seconds, servers=servers, shared=shared)
    finally:
        cluster.close()


def measure_filled(name: str, url: str, count: int, seconds: float) -> None:
    """Measure with a number of generations more."""
    if count:
        fill(url, count)
        measure(f"{name}, {count:,} generations", url, seconds, timeout=600)


def measure(
    name: str,
    url: str | None,
    seconds: float,
    *,
    servers: int = 1,
    shared: Sharing = "account",
    timeout: float = 60,
) -> int:
    """Load all servers at once, print a row, and return the number of responses."""
    with ExitStack() as stack, ThreadPoolExecutor(servers) as pool:
        started = list(_start(stack, url, servers, timeout))
        calls = [_request(started[0], index, shared) for index in range(servers)]
        before = sum(server.cpu() or 0 for server in started)
        loads = [
            pool.submit(load.run, server.url, call, seconds)
            for server, call in zip(started, calls, strict=True)
        ]
        results = [future.result() for future in loads]
        cpu = sum(server.cpu() or 0 for server in started) - before
    count = sum(number for _, number in results)
    rate = sum(result.rate for result, _ in results)
    p50, p99 = (max(getattr(one, key) for one, _ in results) * 1e3 for key in ("p50", "p99"))
    row = f"{name:<40}{rate:>8.0f}{p50:>9.1f}{p99:>9.1f}{cpu / count * 1e6:>8.0f}"
    print(f"{row}{started[0].started:>9.2f}", flush=True)
    if failed := sum(result.failed for result, _ in results):
        print(f"{'':<40}{failed} failed")
    return count


def _start(stack: ExitStack, url: str | None, servers: int, timeout: float) -> Iterator[Server]:
    for _ in range(servers):
        port = free_port()
        command = [sys.executable, "-m", "mockhub", "serve", "--port", str(port)]
        command += ["--scenario", "endless", "--log-level", "warning"]
        command += ["--max-generations", "10000000", "--max-generations-size", str(10**11)]
        command += ["--database", url] if url else []
        ready = running(command, port=port, ready_path="/api/v1/models", timeout=timeout)
        yield stack.enter_context(ready)


def _request(server: Server, index: int, shared: Sharing) -> load.RequestTemplate:
    """Return the request of one load, whose account or hub is created before."""
    call = requests.post()
    if shared == "database":
        _control(server, "", {"name": f"hub-{index}", "scenario": "endless"})
        return replace(call, path=f"/hubs/hub-{index}{call.path}")
    if shared == "hub":
        _control(server, "/default/accounts", {"id": f"a{index}", "credits": 10**9})
        key = _control(server, "/default/keys", {"account": f"a{index}"})["key"]
        return replace(call, headers={**call.headers, "Authorization": f"Bearer {key}"})
    return call


def _control(server: Server, path: str, content: object) -> dict[str, str]:
    body, headers = json.dumps(content).encode(), {"Content-Type": "application/json"}
    request = Request(f"{server.url}/_mockhub/hubs{path}", body, headers)
    with urlopen(request) as response:
        result: dict[str, str] = json.load(response)
    return result


def fill(url: str, count: int) -> None:
    """Add copies of a generation, with their entries, while no server runs."""
    with closing(Database(url)) as database:
        database.begin()
        ((hub, state),) = database.select("SELECT id, state FROM hubs WHERE name = 'default'")
        query = "SELECT ordinal, body FROM generations WHERE hub = ? AND ended_position = 0"
        ((ordinal, body),) = database.select(query, hub)
        document, generation = HUB.decode(state), GENERATION.decode(body)
        counters = document.last_ordinal, document.ended_total - 1
        database.execute(_FILL_GENERATIONS, (count, *counters, hub, ordinal))
        document.ended_total += count
        document.last_ordinal += count
        document.ended_size += count * generation.size
        database.execute("UPDATE hubs SET state = ? WHERE id = ?", (encode(document), hub))
        _fill_ledger(database, hub, generation, count)
        database.commit()


def _fill_ledger(database: Database, hub: int, generation: Generation, count: int) -> None:
    owner = (hub, generation.account)
    query = "SELECT number FROM entries WHERE hub = ? AND account = ? ORDER BY number DESC LIMIT 1"
    ((last,),) = database.select(query, *owner)  # a charge
    database.execute(_FILL_ENTRIES, (count, last, *owner, last))
    ((body,),) = database.select("SELECT body FROM accounts WHERE hub = ? AND id = ?", *owner)
    account = ACCOUNT.decode(body)
    account.balance -= count * _PRICE
    account.totals["charge"] -= count * _PRICE
    account.lots[generation.allocations[0][0]].remaining -= count * _PRICE
    update = "UPDATE accounts SET balance = ?, body = ? WHERE hub = ? AND id = ?"
    database.execute(update, (account.balance, encode(account), *owner))


_NUMBERS = "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ?)"
_FILL_GENERATIONS = f"""{_NUMBERS}
    INSERT INTO generations SELECT hub, 'clx' || i, ? + i, version, account, status, created_at,
        ended_at, ? + i, replace(body, id, 'clx' || i)
    FROM generations, numbers WHERE hub = ? AND ordinal = ?"""
_FILL_ENTRIES = f"""{_NUMBERS}
    INSERT INTO entries SELECT hub, account, ? + i, created_at, kind, credits, lot, 'clx' || i
    FROM entries, numbers WHERE hub = ? AND account = ? AND number = ?"""


if __name__ == "__main__":
    main()
