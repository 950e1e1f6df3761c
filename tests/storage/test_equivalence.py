"""Servers on a database respond as a server in memory does, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mockhub._resources import resource_path
from mockhub.domain.hub import HubBackend
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import scenario_from_json
from tests.support.asgi_client import Reply, call, memory_app, stored_app
from tests.support.live_server import read_spec
from tests.support.postgres import Cluster

SPEC = read_spec(resource_path("openapi.yaml"))
KEYS = {name: f"gih_live_{(name * 32)[:32]}" for name in ("one", "two", "old")}
SCENARIO = scenario_from_json(
    "the test",
    {
        "description": "two accounts",
        "clock": {"manual": "2026-01-01T00:00:00Z"},
        "max_generations": 6,
        "accounts": {
            "one": {
                "grants": [
                    {"credits": 200},
                    {"credits": 100, "expires_at": "2026-01-01T00:01:00Z"},
                ],
                "keys": [
                    {"key": KEYS["one"]},
                    {"key": KEYS["old"], "expires_at": "2026-01-01T00:02:00Z"},
                ],
            },
            "two": {"grants": [{"credits": 60}], "keys": [{"key": KEYS["two"]}]},
        },
        "provider": ["", "duration=20s", "fail", "deliver=1"][1:],
    },
)
REPLICAS = 2
PHASES = (Phase.explicit, Phase.generate)  # each step takes too long to shrink
OUTCOMES = ("fail", "deliver=1", "duration=30s", "polls=2", "never", "duration=5s fail")
FAULTS = ("status=503 x1", "fail p=0.5", "status=429 nth=2", "deliver=1 x2", "status=500@after x1")
PROMPTS = (
    "A lighthouse",
    "नमस्ते \x00",
    "[[fail]] a ship",
    "[[status=503 x1]] a boat",
    "[[duration=10s]] a tree",
)


def build_default_hub() -> HubBackend:
    return build_hub(SCENARIO, "default", SPEC, seed=7)


class Servers(RuleBasedStateMachine):
    """One server in memory, and two on one database, each of which gets some of the requests."""

    database_url: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.memory = memory_app(SPEC, build_default_hub())
        self.url = type(self).database_url()
        self.stored = [self.start_server() for _ in range(REPLICAS)]
        self.hubs = ["default"]
        self.generations: list[tuple[str, str]] = []
        self.keys = [*KEYS.values()]
        self.turn = 0

    def start_server(self) -> Any:
        app, store = stored_app(self.url, SPEC, build_default_hub)
        self.loop.run_until_complete(self._start(store))
        return app, store

    async def _start(self, store: Any) -> None:
        store.start()

    def teardown(self) -> None:
        for _, store in self.stored:
            self.loop.run_until_complete(store.close())
        self.loop.close()

    def request(self, method: str, path: str, content: Any = None, **options: Any) -> Reply:
        """Send a request to the server in memory and to one of the others; compare responses."""
        self.turn += 1
        for _, store in self.stored:  # journals are in the order in which they were written
            self.loop.run_until_complete(store.save_journals())
        app, _ = self.stored[self.turn % REPLICAS]
        expected = self.loop.run_until_complete(call(self.memory, method, path, content, **options))
        actual = self.loop.run_until_complete(call(app, method, path, content, **options))
        assert (actual.status, actual.body) == (expected.status, expected.body), path
        assert actual.headers == expected.headers
        return actual

    def control(self, path: str, method: str = "GET", content: Any = None) -> Reply:
        return self.request(method, f"/_mockhub/hubs{path}", content)

    def api(self, hub: str, path: str) -> str:
        return f"/hubs/{hub}{path}" if hub != "default" else path

    def pick(self, data: st.DataObject, items: Any) -> Any:
        return data.draw(st.sampled_from([*items]))

    @rule(data=st.data(), n=st.integers(1, 3), run_async=st.booleans())
    def generate(self, data: st.DataObject, n: int, run_async: bool) -> None:
        hub, key = self.pick(data, self.hubs), self.pick(data, self.keys)
        body = {"model": "gpt-image-2", "prompt": self.pick(data, PROMPTS), "n": n}
        response = self.request(
            "POST",
            self.api(hub, "/api/v1/images/generations"),
            {**body, "async": run_async},
            key=key,
        )
        if response.status in (200, 202):
            self.generations.append((hub, response.json()["id"]))

    @precondition(lambda self: self.generations)
    @rule(data=st.data())
    def poll(self, data: st.DataObject) -> None:
        hub, id = self.pick(data, self.generations[-8:])
        key = self.pick(data, self.keys)
        response = self.request("GET", self.api(hub, f"/api/v1/generations/{id}"), key=key)
        for image in response.json().get("images", ())[:1] if response.status == 200 else ():
            self.request("GET", image["url"].removeprefix("http://mockhub.test"))

    @rule(data=st.data())
    def read_credits(self, data: st.DataObject) -> None:
        hub, key = self.pick(data, self.hubs), self.pick(data, self.keys)
        self.request("GET", self.api(hub, "/api/v1/credits"), key=key)

    @precondition(lambda self: self.generations)
    @rule(data=st.data(), outcome=st.sampled_from(["succeeded", "failed"]))
    def complete(self, data: st.DataObject, outcome: str) -> None:
        hub, id = self.pick(data, self.generations[-8:])
        self.control(f"/{hub}/generations/{id}/complete", "POST", {"outcome": outcome})

    @rule(data=st.data(), by=st.sampled_from(["1ms", "5s", "40s"]))
    def advance(self, data: st.DataObject, by: str) -> None:
        self.control(f"/{self.pick(data, self.hubs)}/clock/advance", "POST", {"by": by})

    @rule(data=st.data())
    def advance_to_next_event(self, data: st.DataObject) -> None:
        self.control(f"/{self.pick(data, self.hubs)}/clock/next", "POST")

    @rule(data=st.data(), fault=st.sampled_from(FAULTS))
    def arm(self, data: st.DataObject, fault: str) -> None:
        self.control(f"/{self.pick(data, self.hubs)}/faults", "POST", {"fault": fault})

    @rule(data=st.data(), script=st.lists(st.sampled_from(OUTCOMES), max_size=3))
    def set_script(self, data: st.DataObject, script: list[str]) -> None:
        self.control(f"/{self.pick(data, self.hubs)}/provider", "PUT", {"script": script})

    @rule(data=st.data(), credits=st.integers(0, 50), expires_in=st.sampled_from([None, "30s"]))
    def grant(self, data: st.DataObject, credits: int, expires_in: str | None) -> None:
        body = {"credits": credits, **({"expires_in": expires_in} if expires_in else {})}
        self.control(f"/{self.pick(data, self.hubs)}/accounts/one/grants", "POST", body)

    @rule(data=st.data(), account=st.sampled_from(["one", "two", "three"]))
    def create_key(self, data: st.DataObject, account: str) -> None:
        hub = self.pick(data, self.hubs)
        self.control(f"/{hub}/accounts", "POST", {"id": "three", "credits": 30})
        response = self.control(f"/{hub}/keys", "POST", {"account": account, "name": account})
        if response.status == 201:
            self.keys.append(response.json()["key"])

    @rule(data=st.data())
    def revoke_key(self, data: st.DataObject) -> None:
        hub = self.pick(data, self.hubs)
        keys = self.control(f"/{hub}/keys").json()["keys"]
        if len(keys) > 2:
            self.control(f"/{hub}/keys/{keys[-1]['id']}", "DELETE")

    @rule(data=st.data(), limit=st.integers(1, 6), seed=st.integers(0, 9))
    def update_hub(self, data: st.DataObject, limit: int, seed: int) -> None:
        body = {"max_generations": limit, "seed": seed}
        self.control(f"/{self.pick(data, self.hubs)}", "PATCH", body)

    @rule(data=st.data(), name=st.sampled_from(["a", "b"]))
    def fork(self, data: st.DataObject, name: str) -> None:
        body = {"name": name, "replace": True}
        if (hub := self.pick(data, self.hubs)) != name:
            self.control(f"/{hub}/fork", "POST", body)
            self.hubs = [*dict.fromkeys([*self.hubs, name])]

    @rule(data=st.data())
    def reset(self, data: st.DataObject) -> None:
        self.control(f"/{self.pick(data, self.hubs)}/reset", "POST")

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        hub = self.pick(data, self.hubs)
        self.control(f"/{hub}", "DELETE")
        self.hubs = [name for name in self.hubs if name != hub or name == "default"]

    @rule(index=st.integers(0, REPLICAS - 1))
    def restart(self, index: int) -> None:
        _, store = self.stored[index]
        self.loop.run_until_complete(store.close())
        self.stored[index] = self.start_server()

    @invariant()
    def have_the_same_state(self) -> None:
        for hub in self.hubs:
            state = self.control(f"/{hub}").json()
            assert state["audit"] == []
            for part in ("accounts", "accounts/one/entries", "keys", "generations", "faults"):
                self.control(f"/{hub}/{part}")
            self.control(f"/{hub}/provider")
            self.control(f"/{hub}/clock")
            self.compare_journals(hub)
        self.control("")

    def compare_journals(self, hub: str) -> None:
        path = f"/_mockhub/hubs/{hub}/journal"
        journals = []
        for app in (self.memory, *(app for app, _ in self.stored)):
            journal = self.loop.run_until_complete(call(app, "GET", path)).json()
            for exchange in journal["exchanges"]:
                del exchange["milliseconds"]
            journals.append(journal)
        _, *versions = [journal.pop("journal") for journal in journals]
        assert len({*versions}) == 1  # which the server in memory cannot share
        assert journals[1:] == journals[:1] * REPLICAS


def run_machine(database_url: Callable[[], str], examples: int, steps: int) -> None:
    machine = type("Servers", (Servers,), {"database_url": staticmethod(database_url)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, phases=PHASES
        ),
    )


def test_sqlite_responds_as_memory_does(tmp_path: Path) -> None:
    numbers = iter(range(10_000))
    run_machine(
        lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db",
        examples=3,
        steps=12,
    )


def test_postgresql_responds_as_memory_does(cluster: Cluster) -> None:
    run_machine(cluster.create_database, examples=2, steps=12)
