"""What can go wrong with a database, and what is left in it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner

from mockhub._resources import resource_path
from mockhub.cli.main import main
from mockhub.domain.hub import HubBackend
from mockhub.exceptions import MockhubError
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import find_scenario
from mockhub.storage import database, store
from mockhub.storage.database import Database
from mockhub.storage.store import Store
from mockhub.web.app import App
from mockhub.web.asgi import ConnectionClosed
from tests.support.asgi_client import Reply, call, stored_app
from tests.support.live_server import read_spec
from tests.support.postgres import Cluster

SPEC = read_spec(resource_path("openapi.yaml"))
KEY = "gih_live_" + "rich" * 8
BODY = {"model": "gpt-image-2", "prompt": "A lighthouse"}
TABLES = ("accounts", "entries", "keys", "generations", "exchanges", "journals", "snapshots")
T = TypeVar("T")


def default_hub() -> HubBackend:
    return build_hub(find_scenario("default"), "default", SPEC)


class Client:
    """A server on a database, in the process of the test, maybe in the event loop of another."""

    def __init__(self, url: str, *, beside: Client | None = None) -> None:
        self.loop = beside.loop if beside else asyncio.new_event_loop()
        self.app: App
        self.store: Store
        self.app, self.store = stored_app(url, SPEC, default_hub)
        self.run(self._start())

    async def _start(self) -> None:
        self.store.start()

    def run(self, awaitable: Awaitable[T]) -> T:
        return self.loop.run_until_complete(awaitable)

    def close(self) -> None:
        self.run(self.store.close())

    def request(self, method: str, path: str, content: Any = None) -> Reply:
        return self.run(call(self.app, method, path, content, key=KEY))

    def generate(self, **fields: Any) -> Reply:
        return self.request("POST", "/api/v1/images/generations", {**BODY, **fields})

    def balance(self) -> int:
        reply = self.request("GET", "/api/v1/credits")
        assert reply.status == 200, reply.body
        credits: int = reply.json()["credits"]
        return credits


@pytest.fixture
def connect() -> Iterator[Callable[[str], Client]]:
    clients: list[Client] = []

    def connect(url: str, *, beside: Client | None = None) -> Client:
        clients.append(Client(url, beside=beside))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()
    for client in clients:
        client.loop.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hubs.db"


Connect = Callable[..., Client]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/name", "is not the URL of a database; expected sqlite:///FILE or"),
        ("nonsense", "'nonsense' is not the URL"),
        ("mongodb://me:secret@host/name", "'mongodb://...@host/name' is not the URL"),
        ("sqlite://", "expected sqlite:///FILE"),
        ("sqlite:////no/such/directory/hubs.db", "the directory does not exist"),
        ("sqlite:///hubs.db?synchronous=off", "synchronous='off'"),
        ("postgresql://host", "the URL has no database"),
        ("postgresql://me@127.0.0.1:1/name", "The database is not available: connection"),
    ],
)
def test_unusable_databases_are_rejected(url: str, message: str) -> None:
    with pytest.raises(MockhubError, match=r".") as caught:
        stored_app(url, SPEC, default_hub)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_newer_schema_is_rejected(connect: Connect, path: Path) -> None:
    connect(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET schema_version = 99")
    with pytest.raises(MockhubError, match="schema version 99, and this mockhub knows at most 2"):
        stored_app(f"sqlite:///{path}", SPEC, default_hub)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_old_schema_is_migrated(
    connect: Connect, path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """The file was written by a mockhub whose generations had the primary key (hub, id)."""
    url = f"sqlite:///{path}" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    statements = (Path(__file__).parent / "schema_1.sql").read_text()
    with closing(Database(url)) as old:
        old.begin()
        for statement in statements.splitlines():
            old.execute(statement)
        old.commit()

    client = connect(url)
    assert client.balance() == 999_984
    path_of_hub = "/_mockhub/hubs/default"
    found = client.request("GET", f"{path_of_hub}/generations").json()["generations"]
    statuses = {one["id"]: one["status"] for one in found}
    assert [*statuses.values()] == ["failed", "processing", "succeeded", "succeeded"]
    task = next(id for id, status in statuses.items() if status == "processing")
    content = {"outcome": "failed"}
    reply = client.request("POST", f"{path_of_hub}/generations/{task}/complete", content)
    assert reply.status == 200
    assert client.balance() == 999_992
    assert client.request("PATCH", path_of_hub, {"max_generations": 2}).status == 200
    assert client.generate().status == 200

    again = connect(url, beside=client)
    assert again.balance() == client.balance() == 999_984
    left = again.request("GET", f"{path_of_hub}/generations").json()["generations"]
    assert [one["id"] in statuses for one in left] == [False, True]
    with closing(Database(url)) as new:
        assert new.select("SELECT schema_version FROM meta") == [(2,)]
        assert new.select("SELECT count(*) FROM generations") == [(2,)]


def test_tables_of_others_are_not_touched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE accounts (id)")
    with pytest.raises(MockhubError, match="has a table 'accounts' that is not mockhub's"):
        stored_app(f"sqlite:///{path}", SPEC, default_hub)


def test_files_that_are_no_database_are_rejected(path: Path) -> None:
    path.write_text("This is a text file, and a long one. " * 40)
    with pytest.raises(MockhubError, match="file is not a database"):
        stored_app(f"sqlite:///{path}", SPEC, default_hub)


def test_locked_file_is_503_and_charges_nothing(
    connect: Connect, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.1)
    client = connect(f"sqlite:///{path}")
    before = client.balance()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        reply = client.generate()
        other.execute("ROLLBACK")
    assert reply.status == 503
    assert (b"retry-after", b"1") in reply.headers
    assert reply.json() == {
        "error": {
            "message": "The database is not available: database is locked; try again",
            "code": "serviceUnavailable",
        }
    }
    assert client.balance() == before


def test_full_disk_is_503_and_charges_nothing(connect: Connect, path: Path) -> None:
    client = connect(f"sqlite:///{path}")
    client.generate()
    before = client.balance()

    def limit(pages: int) -> None:
        with client.store.session.database.connected() as connection:
            connection.rollback()
            connection.execute(f"PRAGMA max_page_count={pages}")

    limit(1)
    replies = [client.generate(prompt="x" * 4000) for _ in range(20)]
    assert replies[-1].status == 503
    assert "database or disk is full" in replies[-1].json()["error"]["message"]
    paid = sum(reply.status == 200 for reply in replies)
    limit(10**6)
    assert client.balance() == before - 8 * paid
    assert client.generate().status == 200
    assert client.request("GET", "/_mockhub/hubs/default").json()["audit"] == []


def test_restarted_database_is_used_again(connect: Connect, cluster: Cluster) -> None:
    client = connect(cluster.create_database())
    assert client.generate().status == 200
    before = client.balance()
    cluster.stop(immediately=True)
    replies = [client.generate(), client.request("GET", "/_mockhub/hubs")]
    cluster.start()
    assert [reply.status for reply in replies] == [503, 503]
    assert replies[0].json()["error"]["code"] == "serviceUnavailable"
    assert client.balance() == before
    assert client.generate().json()["balance"]["credits"] == before - 8


def test_deleted_hubs_leave_no_row(connect: Connect, path: Path) -> None:
    client = connect(f"sqlite:///{path}")

    def rows() -> list[int]:
        client.run(client.store.save_journals())
        with closing(sqlite3.connect(path)) as connection:
            counts = [f"SELECT count(*) FROM {table}" for table in (*TABLES, "hubs")]
            return [connection.execute(count).fetchone()[0] for count in counts]

    before = rows()
    for number in range(5):
        key = client.request("POST", "/_mockhub/hubs", {"name": f"h{number}"}).json()["key"]
        path_of_hub = f"/hubs/h{number}/api/v1/images/generations"
        assert client.run(call(client.app, "POST", path_of_hub, BODY, key=key)).status == 200
        client.request("POST", f"/_mockhub/hubs/h{number}/reset")
        client.request("POST", f"/_mockhub/hubs/h{number}/fork", {"name": f"h{number}-fork"})
    assert rows()[-1] == before[-1] + 10
    for number in range(5):
        client.request("DELETE", f"/_mockhub/hubs/h{number}")
        client.request("DELETE", f"/_mockhub/hubs/h{number}-fork")
    assert rows() == before


def test_journal_has_the_credits_of_evicted_generations(connect: Connect, path: Path) -> None:
    """A refund counts on servers, too, that were started or have read the hub only later."""
    one = connect(f"sqlite:///{path}")
    two = connect(f"sqlite:///{path}", beside=one)

    def credits(client: Client) -> list[int]:
        for server in (one, two):
            server.run(server.store.save_journals())
        exchanges = client.request("GET", "/_mockhub/hubs/default/journal").json()["exchanges"]
        return [exchange["credits"] for exchange in exchanges if exchange["method"] == "POST"]

    id = one.generate(**{"async": True, "prompt": "[[never]]"}).json()["id"]
    assert credits(one) == credits(two) == [-8]
    one.request("POST", f"/_mockhub/hubs/default/generations/{id}/complete", {"outcome": "failed"})
    one.request("PATCH", "/_mockhub/hubs/default", {"max_generations": 1})
    assert one.generate().status == one.generate().status == 200
    assert one.request("GET", f"/api/v1/generations/{id}").status == 404
    assert credits(one) == credits(two) == [0, -8, -8]
    three = connect(f"sqlite:///{path}", beside=one)
    assert credits(three) == [0, -8, -8]


def test_order_of_hubs_is_shared(connect: Connect, path: Path) -> None:
    one = connect(f"sqlite:///{path}")
    two = connect(f"sqlite:///{path}", beside=one)

    def names(client: Client) -> list[str]:
        hubs = client.request("GET", "/_mockhub/hubs").json()["hubs"]
        return [hub["name"] for hub in hubs]

    for name in "abc":
        one.request("POST", "/_mockhub/hubs", {"name": name})
    assert names(two) == ["default", "a", "b", "c"]
    assert one.request("POST", "/_mockhub/hubs/a/reset").status == 200
    assert names(two) == names(one) == ["default", "a", "b", "c"]
    one.request("POST", "/_mockhub/hubs/c/fork", {"name": "a", "replace": True})
    assert names(two) == names(one) == ["default", "a", "b", "c"]
    one.request("DELETE", "/_mockhub/hubs/b")
    one.request("POST", "/_mockhub/hubs", {"name": "b"})
    assert names(two) == names(one) == ["default", "a", "c", "b"]
    three = connect(f"sqlite:///{path}", beside=one)
    assert names(three) == names(one)


def test_size_of_running_generations_is_shared(connect: Connect, path: Path) -> None:
    one, two = connect(f"sqlite:///{path}"), connect(f"sqlite:///{path}")

    def sizes() -> list[int]:
        hubs = [client.store.session.registry.default for client in (one, two)]
        assert [client.balance() for client in (one, two)] == [one.balance()] * 2
        assert hubs[0].ended_size == hubs[1].ended_size
        return [hub.running_size for hub in hubs]

    task = one.generate(**{"async": True, "prompt": "[[never]] a ship"}).json()["id"]
    assert sizes() == [1065, 1065]
    path_of_task = f"/_mockhub/hubs/default/generations/{task}"
    assert two.request("POST", f"{path_of_task}/complete", {"outcome": "failed"}).status == 200
    assert sizes() == [0, 0]


@pytest.mark.parametrize("completed_by", ["clock", "hand"])
def test_generation_that_is_evicted_elsewhere_ends_the_wait(
    completed_by: str, connect: Connect, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of the request sees neither the end of its generation nor the eviction."""
    monkeypatch.setattr(store, "_POLL_INTERVAL", 3600)
    one = connect(f"sqlite:///{path}")
    two = connect(f"sqlite:///{path}", beside=one)
    clock = {"kind": "manual", "mode": "hold", "now": "2040-01-01T00:00:00Z"}
    two.request("PATCH", "/_mockhub/hubs/default/clock", clock)
    two.request("PATCH", "/_mockhub/hubs/default", {"max_generations": 1})
    body = {**BODY, "prompt": "[[duration=60s]] a ship"}
    waiting = one.loop.create_task(
        call(one.app, "POST", "/api/v1/images/generations", body, key=KEY)
    )
    while not (ids := [*one.store.session.registry.default.completion_listeners]):
        one.run(asyncio.sleep(0))
    if completed_by == "clock":
        two.request("POST", "/_mockhub/hubs/default/clock/advance", {"by": "61s"})
    else:
        path_of_task = f"/_mockhub/hubs/default/generations/{ids[0]}/complete"
        two.request("POST", path_of_task, {"outcome": "succeeded"})
    for _ in range(3):
        assert two.generate().status == 200
    balance = one.balance()
    reply = one.run(waiting)
    assert reply.status == 503
    assert f"Generation {ids[0]} has ended and was evicted" in reply.json()["error"]["message"]
    assert one.balance() == two.balance() == balance
    assert one.request("GET", "/_mockhub/hubs/default").json()["audit"] == []


@pytest.mark.parametrize(
    ("method", "path_of_change", "content"),
    [
        ("DELETE", "", None),
        ("POST", "/reset", None),
        ("POST", "/fork", {"name": "mine", "replace": True}),
    ],
)
def test_hub_that_is_replaced_elsewhere_ends_the_wait(
    method: str, path_of_change: str, content: Any, connect: Connect, path: Path
) -> None:
    one = connect(f"sqlite:///{path}")
    two = connect(f"sqlite:///{path}", beside=one)
    clock = {"kind": "manual", "mode": "hold", "now": "2040-01-01T00:00:00Z"}
    hub = {"name": "mine", "scenario": "default", "clock": clock}
    assert one.request("POST", "/_mockhub/hubs", hub).status == 201
    body = {**BODY, "prompt": "[[never]] a ship"}
    path_of_post = "/hubs/mine/api/v1/images/generations"
    waiting = one.loop.create_task(call(one.app, "POST", path_of_post, body, key=KEY))
    while not one.store.session.registry.get("mine").completion_listeners:
        one.run(asyncio.sleep(0))
    source = "default" if path_of_change == "/fork" else "mine"
    changed = two.request(method, f"/_mockhub/hubs/{source}{path_of_change}", content)
    assert changed.status < 300, changed.body
    with pytest.raises(ConnectionClosed):  # as in memory
        one.run(waiting)
    assert one.generate().status == 200


def test_key_that_is_revoked_elsewhere_does_not_end_the_wait(connect: Connect, path: Path) -> None:
    one = connect(f"sqlite:///{path}")
    two = connect(f"sqlite:///{path}", beside=one)
    clock = {"kind": "manual", "mode": "hold", "now": "2040-01-01T00:00:00Z"}
    two.request("PATCH", "/_mockhub/hubs/default/clock", clock)
    body = {**BODY, "prompt": "[[duration=60s]] a ship"}
    waiting = one.loop.create_task(
        call(one.app, "POST", "/api/v1/images/generations", body, key=KEY)
    )
    while not one.store.session.registry.default.completion_listeners:
        one.run(asyncio.sleep(0))
    keys = two.request("GET", "/_mockhub/hubs/default/keys").json()["keys"]
    for key in keys:
        two.request("DELETE", f"/_mockhub/hubs/default/keys/{key['id']}")
    two.request("POST", "/_mockhub/hubs/default/clock/advance", {"by": "61s"})
    assert one.run(waiting).json()["status"] == "succeeded"
    assert one.generate().json()["error"]["code"] == "invalidApiKey"


def test_evicted_generations_are_deleted(connect: Connect, path: Path) -> None:
    client = connect(f"sqlite:///{path}")
    client.request("PATCH", "/_mockhub/hubs/default", {"max_generations": 3})
    for _ in range(30):
        client.generate()
    with closing(sqlite3.connect(path)) as connection:
        count = connection.execute("SELECT count(*) FROM generations").fetchone()[0]
        balance, entries = connection.execute(
            "SELECT balance, json_extract(body, '$.evicted_total') + "
            "(SELECT sum(credits) FROM entries WHERE account = id) FROM accounts WHERE id = 'rich'"
        ).fetchone()
    assert count == 3
    assert balance == entries == client.balance()
    restarted = connect(f"sqlite:///{path}")
    for one in (restarted, client, restarted):
        assert one.generate().status == 200
        assert one.request("GET", "/_mockhub/hubs/default").json()["audit"] == []


def test_db_prune_deletes_old_generations_while_a_server_runs(
    connect: Connect, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{path}"
    client = connect(url)
    running = client.generate(**{"async": True, "prompt": "[[never]] a ship"}).json()["id"]
    ids = [client.generate().json()["id"] for _ in range(6)]
    before = client.balance()
    main(["db", "prune", "--database", url, "--keep", "2"], standalone_mode=False)
    assert capsys.readouterr().out == "default: 5 generations deleted, 3 kept\n"
    paths = [f"/api/v1/generations/{id}" for id in (running, ids[0], ids[-1])]
    assert [client.request("GET", path).status for path in paths] == [200, 404, 200]
    assert client.balance() == before
    detail = client.request("GET", "/_mockhub/hubs/default").json()
    assert (detail["audit"], detail["max_generations"]) == ([], 100_000)
    main(["db", "prune", "--database", url, "--older-than", "0s"], standalone_mode=False)
    assert "1 generation deleted, 2 kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--keep 1 --hub defautl", "there is no hub 'defautl'; did you mean 'default'"),
        ("--keep 1 --older-than soon", "soon"),
        ("", "nothing says what to delete: give --keep or --older-than"),
    ],
)
def test_wrong_options_of_db_prune_are_rejected(
    options: str, message: str, connect: Connect, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{path}"
    connect(url)
    main(["db", "prune", "--database", url, *options.split()], standalone_mode=False)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--workers 2", "--workers 2 needs --database, where the processes share their state"),
        (
            "--database sqlite:///x.db --mutant models-endpoint-missing",
            "--database and --mutant exclude",
        ),
        ("--database sqlite:///x.db --watch", "--database and --watch exclude each other"),
    ],
)
def test_wrong_options_are_rejected(
    options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["serve", *options.split()], standalone_mode=False)
    assert message in capsys.readouterr().err


def test_db_prune_creates_no_file(tmp_path: Path) -> None:
    command = ["db", "prune", "--database", f"sqlite:///{tmp_path}/typo.db", "--keep", "1"]
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, result.output) == (
        2,
        f"mockhub: {tmp_path}/typo.db: there is no such file; expected a database\n",
    )
    assert not list(tmp_path.iterdir())
