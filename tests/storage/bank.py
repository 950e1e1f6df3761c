"""The bank test: servers on one database are killed while clients pay; no credit may be lost.

    python -m tests.storage.bank [--seconds 60] [--servers 3] [--clients 64] [--database URL]

Every client keeps the generations that were acknowledged. At the end each of them must be there,
charged once, and the balances must be the sums of the entries, which is also checked at each read
while servers are killed.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click
import httpx

from mockhub.domain.ids import Ids
from tests.storage.test_servers import KEY, OTHER_KEY, Server, Start, starter

T = TypeVar("T")

ACCOUNTS = {KEY: "rich", OTHER_KEY: "other"}
PROMPTS = ("A lighthouse",) * 4 + (
    "[[fail]] a ship",
    "[[deliver=1]] a boat",
    "[[duration=50ms]] a tree",
)


class Bank:
    """The servers, and what their clients know."""

    def __init__(self, start: Start, database: str, servers: int) -> None:
        self.start = start
        self.database = database
        self.servers = [start(database) for _ in range(servers)]
        self.acknowledged: list[tuple[str, dict[str, Any]]] = []
        self.problems: list[str] = []
        self.kills = 0
        self.reads = 0
        self.stopped = threading.Event()
        self.granted = {account: self.account(account)["credits"] for account in ACCOUNTS.values()}

    def account(self, id: str) -> Any:
        return self.servers[0].control(f"/default/accounts/{id}")

    def pay(self, number: int) -> None:
        """Generate until the end, on any server."""
        ids = Ids(number)
        while not self.stopped.is_set():
            server, key = choose(ids, self.servers), choose(ids, [*ACCOUNTS])
            fields = {"prompt": choose(ids, PROMPTS), "n": choose(ids, (1, 1, 2))}
            body = {"model": "gpt-image-2", **fields, "async": ids.random() < 0.2}
            with suppress(httpx.TransportError):
                response = server.api("POST", "/images/generations", json=body, key=key)
                if response.status_code in (200, 202):
                    self.acknowledged.append((key, response.json()))
                elif response.status_code not in (402, 500, 502, 503):
                    self.problems.append(response.text)

    def read(self) -> None:
        """Compare balances with the sums of entries until the end."""
        while not self.stopped.is_set():
            with suppress(httpx.TransportError, AssertionError):
                audit = self.servers[self.reads % len(self.servers)].control("/default")["audit"]
                self.problems += audit
                self.reads += 1
            time.sleep(0.1)

    def kill(self, interval: float) -> None:
        """Kill a server now and then, and start another one in its place."""
        while not self.stopped.wait(interval):
            index = self.kills % len(self.servers)
            self.servers[index].kill()
            self.kills += 1
            self.servers[index] = self.start(self.database)

    def run(self, seconds: float, clients: int, interval: float) -> None:
        work: list[Callable[[], None]] = [lambda: self.kill(interval), self.read]
        work += [lambda number=number: self.pay(number) for number in range(clients)]  # type: ignore[misc]
        threads = [threading.Thread(target=function) for function in work]
        for thread in threads:
            thread.start()
        self.stopped.wait(seconds)
        self.stopped.set()
        for thread in threads:
            thread.join()

    def check(self) -> None:
        """Compare what was acknowledged with what the servers have; raises AssertionError."""
        assert self.problems == []
        server = self.servers[0]
        time.sleep(0.2)  # until the last generations have ended
        assert server.control("/default")["audit"] == []
        charged: dict[str, int] = {}
        for account in ACCOUNTS.values():
            entries = all_entries(server, account)
            balance = self.account(account)["credits"]
            assert (
                self.granted[account]
                + sum(entry["credits"] for entry in entries if entry["generation"])
                == balance
            )
            for entry in entries:
                if entry["kind"] == "charge":
                    assert entry["generation"] not in charged, "charged twice"
                    charged[entry["generation"]] = -entry["credits"]
        for key, acknowledged in self.acknowledged:
            found = server.api("GET", f"/generations/{acknowledged['id']}", key=key)
            assert found.status_code == 200, f"{acknowledged['id']} was lost"
            assert acknowledged["id"] in charged, f"{acknowledged['id']} was not charged"


def choose(ids: Ids, items: Sequence[T]) -> T:
    return items[int(ids.random() * len(items))]


def all_entries(server: Server, account: str) -> list[dict[str, Any]]:
    """Return all ledger entries of an account, page by page."""
    entries: list[dict[str, Any]] = []
    before = ""
    while True:
        path = f"/default/accounts/{account}/entries?limit=1000{before}"
        page = server.control(path)["entries"]
        if not page:
            return entries
        entries = page + entries
        before = f"&before={page[0]['number']}"


def run_bank(database: str, *, seconds: float, servers: int, clients: int, interval: float) -> Bank:
    with starter() as start:
        bank = Bank(start, database, servers)
        bank.run(seconds, clients, interval)
        bank.check()
        return bank


@contextmanager
def some_database() -> Any:
    """Yield the URL of a PostgreSQL database, or of a SQLite file where there is none."""
    from tests.support import postgres

    if reason := postgres.why_not():
        click.echo(reason)
        with TemporaryDirectory() as directory:
            yield f"sqlite:///{Path(directory)}/bank.db"
        return
    cluster = postgres.Cluster(settings=())
    try:
        yield cluster.create_database()
    finally:
        cluster.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--database")
    options = vars(parser.parse_args())
    with some_database() as url:
        bank = run_bank(options.pop("database") or url, **options)
    click.echo(
        f"{len(bank.acknowledged)} generations, {bank.kills} kills, {bank.reads} reads: all there"
    )


if __name__ == "__main__":
    main()
