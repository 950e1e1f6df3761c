"""The bank test: servers on one database are killed while clients pay; no credit may be lost.

    python -m tests.storage.bank [--seconds 60] [--servers 3] [--clients 64] [--database sqlite]

Half of the clients share an account, the others have their own; faults lose and fail some of what
they pay for. PostgreSQL itself is restarted in the midst. Every client keeps the generations that
were acknowledged. At the end each of them must be there, charged once, and the balances must be the
sums of the entries, which is also checked at each read while servers are killed.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click
import httpx

from mockhub.domain.ids import Ids
from tests.storage.test_servers import KEY, Server, Start, eventually, starter
from tests.support import postgres

T = TypeVar("T")

PROMPTS = ("A lighthouse",) * 4 + (
    "[[fail]] a ship",
    "[[deliver=1]] a boat",
    "[[duration=50ms]] a tree",
)
FAULTS = (
    "status=500@after p=0.05",
    "reset@after p=0.05",
    "status=503 p=0.05",
    "fail p=0.05",
    "deliver=1 p=0.1",
)
_CREDITS = 1_000_000_000


class Bank:
    """The servers, and what their clients know.

    Args:
        restart: Restarts the database.
    """

    def __init__(
        self, start: Start, database: str, servers: int, restart: Callable[[], None] | None
    ) -> None:
        self.start = start
        self.database = database
        self.restart = restart
        self.servers = [start(database) for _ in range(servers)]
        self.accounts = {"rich": KEY}  # with their keys
        self.acknowledged: list[tuple[str, str]] = []  # the key, and the id of the generation
        self.problems: list[str] = []
        self.kills = 0
        self.reads = 0
        self.stopped = threading.Event()
        for fault in FAULTS:
            self.servers[0].control("/default/faults", "POST", {"fault": fault})

    def add_account(self, id: str) -> str:
        """Add an account, and return its key."""
        server, content = self.servers[0], {"id": id, "credits": _CREDITS}
        server.control("/default/accounts", "POST", content)
        key: str = server.control("/default/keys", "POST", {"account": id})["key"]
        self.accounts[id] = key
        return key

    def pay(self, number: int, key: str) -> None:
        """Generate until the end, on any server."""
        ids = Ids(number)
        while not self.stopped.is_set():
            server = choose(ids, self.servers)
            fields = {"prompt": choose(ids, PROMPTS), "n": choose(ids, (1, 1, 2))}
            body = {"model": "gpt-image-2", **fields, "async": ids.random() < 0.2}
            with suppress(httpx.TransportError):
                response = server.api("POST", "/images/generations", json=body, key=key)
                if response.status_code in (200, 202):
                    self.acknowledged.append((key, response.json()["id"]))
                elif response.status_code not in (402, 500, 503) or is_bug(response):
                    self.problems.append(response.text)

    def read(self) -> None:
        """Compare balances with the sums of entries until the end."""
        while not self.stopped.is_set():
            with suppress(httpx.TransportError, AssertionError):
                server = self.servers[self.reads % len(self.servers)]
                self.problems += server.control("/default")["audit"]
                for account in server.control("/default/accounts")["accounts"]:
                    if sum(account["credit_totals"].values()) != account["credits"]:
                        self.problems.append(f"balance and totals differ: {account}")
                self.reads += 1
            time.sleep(0.1)

    def kill(self, interval: float, seconds: float) -> None:
        """Kill a server now and then, and start another one in its place."""
        restarts_at = time.monotonic() + seconds / 2
        while not self.stopped.wait(interval):
            if self.restart and time.monotonic() > restarts_at:
                self.restart()
                self.restart = None
            index = self.kills % len(self.servers)
            self.servers[index].kill()
            self.kills += 1
            self.servers[index] = self.start(self.database)

    def run(self, seconds: float, clients: int, interval: float) -> None:
        keys = [KEY if number % 2 else self.add_account(f"a{number}") for number in range(clients)]
        work: list[Callable[[], None]] = [lambda: self.kill(interval, seconds), self.read]
        for number, key in enumerate(keys):
            work.append(lambda number=number, key=key: self.pay(number, key))  # type: ignore[misc]
        with ThreadPoolExecutor(len(work)) as pool:
            running = [pool.submit(function) for function in work]
            try:
                self.stopped.wait(seconds)
                eventually(lambda: self.acknowledged and self.kills)  # on a busy machine, too
            finally:
                self.stopped.set()
        for future in running:
            future.result()

    def check(self) -> None:
        """Compare what was acknowledged with what the servers have; raises AssertionError."""
        assert self.problems == []
        server = self.servers[0]
        server.control("/default/faults", "DELETE")
        eventually(lambda: not running_count(server))
        assert server.control("/default")["audit"] == []
        charged: Counter[str] = Counter()
        charges: set[tuple[str, int]] = set()
        for account in self.accounts:
            detail = server.control(f"/default/accounts/{account}")
            totals = Counter(dict.fromkeys(detail["credit_totals"], 0))
            for entry in all_entries(server, account):
                totals[entry["kind"]] += entry["credits"]
                if id := entry["generation"]:
                    charged[id] -= entry["credits"]
                if entry["kind"] == "charge":
                    assert (id, entry["lot"]) not in charges, "charged twice"
                    charges.add((id, entry["lot"]))
            assert totals == detail["credit_totals"]
            assert totals.total() == detail["credits"]
        with ThreadPoolExecutor(8) as pool:
            for problem in pool.map(
                lambda one: self.find_problem(*one, charged), self.acknowledged
            ):
                assert problem is None

    def find_problem(self, key: str, id: str, charged: dict[str, int]) -> str | None:
        found = self.servers[0].api("GET", f"/generations/{id}", key=key)
        if found.status_code == 404:
            return f"{id} was lost"
        if id not in charged:
            return f"{id} was not charged"
        cost = found.json()["usage"]["credits"]
        return None if cost == charged[id] else f"{id} cost {cost}, charged {charged[id]}"


def choose(ids: Ids, items: Sequence[T]) -> T:
    return items[int(ids.random() * len(items))]


def is_bug(response: httpx.Response) -> bool:
    return "internal mockhub error" in response.text or "A transaction has failed" in response.text


def running_count(server: Server) -> int:
    counts = server.control("/default")["generations"]
    return int(counts["queued"] + counts["processing"])


def all_entries(server: Server, account: str) -> Iterator[dict[str, Any]]:
    """Return all ledger entries of an account, page by page, the newest page first."""
    before = ""
    while True:
        path = f"/default/accounts/{account}/entries?limit=1000{before}"
        page = server.control(path)["entries"]
        if not page:
            return
        yield from page
        before = f"&before={page[0]['number']}"


def run_bank(
    database: str,
    *,
    seconds: float,
    servers: int,
    clients: int,
    interval: float,
    restart: Callable[[], None] | None = None,
) -> Bank:
    with starter() as start:
        bank = Bank(start, database, servers, restart)
        bank.run(seconds, clients, interval)
        bank.check()
        return bank


@contextmanager
def some_database(kind: str | None) -> Iterator[tuple[str, Callable[[], None] | None]]:
    """Yield the URL of a PostgreSQL database and what restarts it, or of a SQLite file."""
    if kind != "sqlite" and (reason := postgres.why_not()):
        click.echo(reason)
        kind = "sqlite"
    if kind == "sqlite":
        with TemporaryDirectory() as directory:
            yield f"sqlite:///{Path(directory)}/bank.db", None
        return
    cluster = postgres.Cluster(settings=("max_connections=50",))

    def restart() -> None:
        cluster.stop(immediately=True)
        cluster.start()

    try:
        yield cluster.create_database(), restart
    finally:
        cluster.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    options = vars(parser.parse_args())
    with some_database(options.pop("database")) as (url, restart):
        bank = run_bank(url, restart=restart, **options)
    click.echo(
        f"{len(bank.acknowledged)} generations, {bank.kills} kills, {bank.reads} reads: all there"
    )


if __name__ == "__main__":
    main()
