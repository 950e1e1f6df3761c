"""Servers on one database: they are killed, they wait for each other, they share everything."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockhub.storage.database import Database
from mockhub.storage.schema import COLUMNS
from mockhub.verify.runner import run
from tests.conftest import ROOT
from tests.support.scripted_server import (
    Request,
    Response,
    build_profile,
    forward_to,
    problems,
    scripted_server,
)

KEY = "gih_live_" + "rich" * 8
OTHER_KEY = "gih_live_otherotherotherotherotherotherot"
TIMEOUT = 60
HUBS_PER_WORKER = int(os.environ.get("HUBS_PER_WORKER", "8"))


CLIENT = httpx.Client(timeout=TIMEOUT, limits=httpx.Limits(max_connections=None))
atexit.register(CLIENT.close)


@dataclass
class Server:
    """A `mockhub serve` process on a database; `api` and `control` send requests to it."""

    process: subprocess.Popen[str]
    url: str

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {options.pop('key', KEY)}"}
        url = f"{self.url}/api/v1{path}"
        return CLIENT.request(method, url, headers=headers, **options)

    def generate(self, *, key: str = KEY, **fields: Any) -> httpx.Response:
        body = {"model": "gpt-image-2", "prompt": "A lighthouse", **fields}
        return self.api("POST", "/images/generations", json=body, key=key)

    def control(self, path: str, method: str = "GET", content: Any = None) -> Any:
        url = f"{self.url}/_mockhub/hubs{path}"
        response = CLIENT.request(method, url, json=content)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


Start = Callable[..., Server]


@contextmanager
def starter() -> Iterator[Start]:
    """Yield a function that starts servers, which are stopped at the end."""
    servers: list[Server] = []

    def start(database: str, *options: str, port: int = 0) -> Server:
        command = [sys.executable, "-m", "mockhub", "serve", "--port", str(port)]
        command += ["--database", database, "--log-format", "json", "--log-level", "error"]
        command += ["--public-url", "http://mockhub.test", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdout
        started = json.loads(process.stdout.readline() or "null")
        assert started, "the server did not start"
        servers.append(Server(process, started["address"]))
        return servers[-1]

    try:
        yield start
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            with suppress(subprocess.TimeoutExpired):
                server.process.wait(TIMEOUT)  # of a supervisor that is killed, workers are left
            server.kill()
            assert server.process.stdout
            server.process.stdout.close()


@pytest.fixture
def start() -> Iterator[Start]:
    with starter() as start:
        yield start


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hubs.db"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Server, Server]]:
    """Yield the URL of a database, and two servers on it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('pair')}/hubs.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("cluster").create_database()
    with starter() as start:
        yield url, start(url), start(url)


@pytest.fixture
def servers(pair: tuple[str, Server, Server]) -> tuple[Server, Server]:
    """Return two servers whose default hub is new."""
    _, *servers = pair
    servers[0].control("/default/reset", "POST")
    return servers[0], servers[1]


def eventually(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + TIMEOUT
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return result


def test_everything_survives_kill_9(start: Start, database: str) -> None:
    server = start(database)
    generation = server.generate(n=2).json()
    task = server.generate(**{"async": True, "prompt": "[[never]] a ship"}).json()
    server.control("/default/accounts/rich/grants", "POST", {"credits": 5})
    server.control("/default/faults", "POST", {"fault": "status=503 x3 on=get_credits"})
    key = server.control("/default/keys", "POST", {"account": "rich", "name": "new"})["key"]
    server.control("", "POST", {"name": "mine", "clock": {"now": "2030-01-01T00:00:00Z"}})
    assert server.api("GET", "/credits").status_code == 503
    image = server.url + generation["images"][1]["url"].removeprefix("http://mockhub.test")
    content = httpx.get(image).content
    parts = ("", "/accounts", "/accounts/rich/entries", "/keys", "/generations", "/faults")
    before = {part: server.control(f"/default{part}") for part in parts[1:]}
    server.kill()

    server = start(database)
    assert {part: server.control(f"/default{part}") for part in parts[1:]} == before
    assert server.control("/mine/clock")["now"] == "2030-01-01T00:00:00.000Z"
    assert [server.api("GET", "/credits").status_code for _ in range(3)] == [503, 503, 200]
    assert server.api("GET", "/credits", key=key).status_code == 200
    assert server.api("GET", f"/generations/{task['id']}").json()["status"] == "processing"
    path = generation["images"][1]["url"].removeprefix("http://mockhub.test")
    assert httpx.get(server.url + path).content == content
    assert server.control("/default")["audit"] == []


def test_raw_keys_are_not_in_the_database(start: Start, tmp_path: Path) -> None:
    server = start(f"sqlite:///{tmp_path}/hubs.db")
    server.generate(prompt=f"my key is {KEY}")
    server.process.terminate()
    server.process.wait(TIMEOUT)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"my key is" in content
    assert content.count(KEY.encode()) == content.count(b"my key is " + KEY.encode())


def test_waiting_requests_are_woken_by_another_server(servers: tuple[Server, Server]) -> None:
    one, two = servers
    clock = {"kind": "manual", "mode": "hold", "now": "2040-01-01T00:00:00Z"}
    one.control("/default/clock", "PATCH", clock)
    with ThreadPoolExecutor() as pool:
        by_clock = pool.submit(lambda: one.generate(prompt="[[duration=60s]] a ship"))
        eventually(lambda: two.control("/default/generations?status=queued")["generations"])
        two.control("/default/clock/advance", "POST", {"by": "61s"})
        assert by_clock.result(TIMEOUT).json()["status"] == "succeeded"
        by_hand = pool.submit(lambda: two.generate(prompt="[[never]] a ship"))
        (queued,) = eventually(
            lambda: one.control("/default/generations?status=queued")["generations"]
        )
        one.control(f"/default/generations/{queued['id']}/complete", "POST", {"outcome": "failed"})
        assert by_hand.result(TIMEOUT).json()["error"]["code"] == "generationFailed"
    assert one.control("/default/accounts/rich") == two.control("/default/accounts/rich")


def test_servers_share_one_journal(servers: tuple[Server, Server]) -> None:
    one, two = servers
    ids = [server.generate().json()["id"] for server in (one, two, one, two)]

    def journal(server: Server) -> Any:
        exchanges = server.control("/default/journal?operation=create_generation")["exchanges"]
        return [(exchange["number"], exchange["generation"]) for exchange in exchanges]

    eventually(lambda: len(journal(one)) == len(journal(two)) == len(ids))
    assert journal(one) == journal(two)
    assert sorted(id for _, id in journal(one)) == sorted(ids)
    assert [number for number, _ in journal(one)] == [1, 2, 3, 4]


def test_reset_by_another_server_is_seen(servers: tuple[Server, Server]) -> None:
    """The servers name the same journal, until one of them resets the hub or clears the journal."""
    one, two = servers

    def version(server: Server) -> str:
        found: str = server.control("/default/journal")["journal"]
        return found

    for method, path in (("POST", "/reset"), ("DELETE", "/journal"), ("POST", "/reset")):
        one.generate()
        before = version(one)
        assert version(two) == before
        two.control(f"/default{path}", method)
        eventually(lambda before=before: version(one) == version(two) != before)


def test_workers_share_one_port(start: Start, tmp_path: Path) -> None:
    server = start(f"sqlite:///{tmp_path}/hubs.db", "--workers", "2")
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    workers = [int(number) for number in children.read_text().split()]
    assert len(workers) == 2
    before = server.generate().json()["balance"]["credits"]
    os.kill(workers[0], signal.SIGKILL)
    eventually(lambda: workers[0] not in map(int, children.read_text().split()))

    def balance() -> Any:
        with suppress(httpx.TransportError):  # the worker that was killed had accepted it
            return server.generate().json()["balance"]["credits"]

    assert eventually(balance) < before


def test_verify_passes_behind_a_balancer(servers: tuple[Server, Server]) -> None:
    """Each request goes to the other server than the one before."""
    turns = cycle(servers)

    def balance(request: Request) -> Response:
        server = next(turns)
        response = forward_to(CLIENT, request, base_url=server.url)
        body = response.body.replace(b"http://mockhub.test", url.encode())
        return response._replace(body=body)

    with scripted_server(balance) as url:
        report = run(build_profile(url), keyword="LED or RET", no_fuzz=True)
    assert problems(report) == []


def test_hubs_of_parallel_workers_leave_no_row(
    pair: tuple[str, Server, Server], servers: tuple[Server, Server]
) -> None:
    database = pair[0]
    before = counts_of_rows(database, servers)

    def work(worker: int) -> None:
        for number in range(HUBS_PER_WORKER):
            create, delete = servers[(worker + number) % 2], servers[number % 2]
            name = f"w{worker}-{number}"
            key = create.control("", "POST", {"name": name, "credits": 20})["key"]
            assert create.api("GET", "/credits", key=key).json()["credits"] == 20
            assert delete.generate(key=key).status_code == 200
            delete.control(f"/{name}", "DELETE")

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(work, range(4))] == [None] * 4
    assert counts_of_rows(database, servers) == before


def counts_of_rows(url: str, servers: Sequence[Server]) -> dict[str, int]:
    for server in servers:
        server.control("")  # saves the journals
    database = Database(url)
    try:
        return {table: database.select(f"SELECT count(*) FROM {table}")[0][0] for table in COLUMNS}
    finally:
        database.close()
