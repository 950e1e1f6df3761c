"""Hubs on one server are isolated, and are found by URL prefix or by API key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub.domain import hub_registry
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.domain.keys import key_digest
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import parse_directives
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from tests.support.live_server import BODY, KEY, PUBLISHED, RICH, LiveHub, read_spec

Make = Callable[..., HubBackend]


@pytest.fixture
def make(hub_server: LiveHub) -> Iterator[Make]:
    """Return a function that adds hubs, such as `make("a", seed=7)`; delete them later."""
    names: list[str] = []

    def put(name: str, *, scenario: str = "default", seed: int | None = None) -> HubBackend:
        file = resource_path("fixtures/scenarios") / f"{scenario}.yaml"
        hub = build_hub(
            load_scenario(file),
            name,
            hub_server.backend.spec,
            clock=ManualClock(PUBLISHED),
            seed=seed,
        )
        hub_server.server.call(lambda: hub_server.app.api.hub_registry.add(hub))
        names.append(name)
        return hub

    yield put
    for name in names:
        if name in hub_server.app.api.hub_registry:
            hub_server.server.call(lambda name=name: hub_server.app.api.hub_registry.delete(name))


def post(url: str, key: str = KEY, **fields: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/api/v1/images/generations", json={**BODY, **fields}, headers=headers)


def credits(url: str, key: str = KEY) -> int:
    response = httpx.get(f"{url}/api/v1/credits", headers={"Authorization": f"Bearer {key}"})
    balance: int = response.json()["credits"]
    return balance


def test_hub_is_found_by_url_prefix(hub_server: LiveHub, make: Make) -> None:
    """The same key is two accounts in two hubs, and URLs in responses stay in their hub."""
    make("a"), make("b")
    generation = post(f"{hub_server.url}/hubs/a").json()
    assert generation["images"][0]["url"].startswith(f"{hub_server.url}/hubs/a/images/")
    assert [credits(f"{hub_server.url}/hubs/{name}") for name in "ab"] == [112, 120]
    assert httpx.get(generation["images"][0]["url"]).status_code == 200
    assert (
        httpx.get(generation["images"][0]["url"].replace("/hubs/a/", "/hubs/b/")).status_code == 404
    )


def test_hub_is_found_by_its_key(hub_server: LiveHub, make: Make) -> None:
    """A key that only one hub has leads there without a prefix."""
    hub = make("by-key")
    key = hub_server.server.call(lambda: hub.add_key("low"))
    assert credits(hub_server.url, key) == 24
    queued = post(hub_server.url, key, **{"async": True}).json()
    assert queued["poll_url"].startswith(f"{hub_server.url}/hubs/by-key/api/v1/generations/")
    bearer = {"Authorization": f"Bearer {key}"}
    assert httpx.get(queued["poll_url"], headers=bearer).json()["status"] == "succeeded"
    assert credits(f"{hub_server.url}/hubs/by-key", key) == 16


def test_other_requests_go_to_the_default_hub(hub_server: LiveHub, make: Make) -> None:
    """A request without prefix or own key goes to `default`, which also has a prefix."""
    make("other")
    before = credits(hub_server.url, RICH)
    post(f"{hub_server.url}/hubs/default", RICH)
    assert credits(hub_server.url, RICH) == before - 8


def test_key_is_invalid_in_another_hub(hub_server: LiveHub, make: Make) -> None:
    hub = make("a")
    make("b")
    key = hub_server.server.call(lambda: hub.add_key("low"))
    response = httpx.get(
        f"{hub_server.url}/hubs/b/api/v1/credits", headers={"Authorization": f"Bearer {key}"}
    )
    assert response.json()["error"]["code"] == "invalidApiKey"


@pytest.mark.parametrize("path", ["api/v1/models", "images/clx1/1.png"])
def test_unknown_hub_is_not_found(hub_server: LiveHub, make: Make, path: str) -> None:
    """An unknown hub is 404; a client without a key does not learn the names of other hubs."""
    make("checkout")
    response = httpx.get(f"{hub_server.url}/hubs/chekout/{path}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "notFound")
    assert response.json()["error"]["message"] == "there is no hub 'chekout'"
    long = httpx.get(f"{hub_server.url}/hubs/{10_000 * 'x'}/{path}").json()["error"]["message"]
    assert len(long) < 200


def test_unknown_name_is_compared_with_some_names_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for an unknown hub costs the same with 10,000 hubs."""
    compared: list[int] = []
    monkeypatch.setattr(
        hub_registry, "suggest", lambda name, known: str(compared.append(len([*known])))
    )
    spec = read_spec(resource_path("openapi.yaml"))
    registry = HubRegistry(HubBackend("default", spec))
    for number in range(2000):
        registry.add(HubBackend(f"hub-{number}", spec))
    with pytest.raises(MockhubError):
        registry.get("hub-")
    assert compared == [1000]


def test_hubs_share_nothing(hub_server: LiveHub, make: Make) -> None:
    """Each hub has its own faults, clock, script, journal and credits."""
    first, second = make("first"), make("second")
    hub_server.server.call(lambda: first.faults.arm(parse_directives("status=503")))
    hub_server.server.call(lambda: first.clock.advance(3_600_000))
    assert post(f"{hub_server.url}/hubs/first").status_code == 503
    assert post(f"{hub_server.url}/hubs/second").status_code == 200
    assert hub_server.server.call(lambda: [len(first.journal), len(second.journal)]) == [1, 1]
    assert [first.clock.now(), second.clock.now()] == [PUBLISHED + 3_600_000, PUBLISHED]


def test_64_threads_do_not_interfere(hub_server: LiveHub, make: Make) -> None:
    """64 concurrent clients, each in its own hubs, see only their own requests."""

    def work(number: int) -> list[tuple[str, object]]:
        mixed_up = []
        for round in range(4):
            name = f"w{number}-{round}"
            hub = make(name, seed=number)
            url, count = f"{hub_server.url}/hubs/{name}", number % 5 + 1
            headers = {"Authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=url, headers=headers, verify=False, timeout=60) as client:
                prompts = [f"{name} {i}" for i in range(count)]
                generations = [
                    client.post("/api/v1/images/generations", json={**BODY, "prompt": p}).json()
                    for p in prompts
                ]
                left = client.get("/api/v1/credits").json()["credits"]
            prompts_seen = [
                hub.generations[generation["id"]].request.prompt for generation in generations
            ]
            is_mixed_up = (
                left != 120 - 8 * count
                or prompts_seen != prompts
                or hub_server.server.call(lambda hub=hub: len(hub.journal)) != count + 1
                or len(hub.generations) != count + 1
            )
            mixed_up += [(name, generations)] if is_mixed_up else []
        return mixed_up

    with ThreadPoolExecutor(64) as pool:
        assert [wrong for many in pool.map(work, range(64)) for wrong in many] == []


def test_same_seed_gives_the_same_hub(hub_server: LiveHub, make: Make) -> None:
    """The same seed and requests give the same ids, times, keys and image bytes."""

    def run(name: str, seed: int) -> str:
        url = f"{hub_server.url}/hubs/{name}"
        make(name, seed=seed)
        generation = post(url, n=2).json()
        images = [httpx.get(image["url"]).content for image in generation["images"]]
        return repr((generation, images)).replace(f"/hubs/{name}/", "/")

    assert run("one", 7) == run("two", 7)
    assert run("three", 7) != run("four", 8)


def test_fork_is_an_independent_copy(hub_server: LiveHub, make: Make) -> None:
    """A fork has the same credits, keys, generations, faults and time, then changes alone."""
    hub = make("trunk")
    queued = post(
        f"{hub_server.url}/hubs/trunk", prompt="[[duration=60s]]", **{"async": True}
    ).json()
    hub_server.server.call(
        lambda: hub.faults.arm(parse_directives("status=503 nth=2 on=create_generation"))
    )
    post(f"{hub_server.url}/hubs/trunk")
    hub_server.server.call(lambda: hub_server.app.api.hub_registry.add(hub.fork("branch")))
    branch = hub_server.app.api.hub_registry.get("branch")
    hub_server.server.call(lambda: branch.clock.advance(60_000))
    bearer = {"Authorization": f"Bearer {KEY}"}
    states = [
        httpx.get(f"{hub_server.url}/hubs/{name}/api/v1/generations/{queued['id']}", headers=bearer)
        for name in ("trunk", "branch")
    ]
    assert [state.json()["status"] for state in states] == ["processing", "succeeded"]
    statuses = [post(f"{hub_server.url}/hubs/{name}").status_code for name in ("trunk", "branch")]
    assert statuses == [503, 503]
    assert post(f"{hub_server.url}/hubs/branch").status_code == 200
    assert [credits(f"{hub_server.url}/hubs/{name}") for name in ("trunk", "branch")] == [104, 96]
    hub_server.server.call(lambda: hub_server.app.api.hub_registry.delete("branch"))


def test_deleted_hub_is_gone(hub_server: LiveHub, make: Make) -> None:
    """A deleted hub is 404, its keys are invalid, and the default hub cannot be deleted."""
    hub = make("gone")
    key = hub_server.server.call(lambda: hub.add_key("low"))
    hub_server.server.call(lambda: hub_server.app.api.hub_registry.delete("gone"))
    assert httpx.get(f"{hub_server.url}/hubs/gone/api/v1/models").status_code == 404
    assert post(hub_server.url, key).status_code == 401
    with pytest.raises(MockhubError, match="is the default one"):
        hub_server.server.call(lambda: hub_server.app.api.hub_registry.delete("default"))


def test_shared_key_leads_to_the_next_hub(hub_server: LiveHub) -> None:
    """A key that several hubs have leads to the default one, or else to the first one."""
    spec = hub_server.backend.spec
    scenario = load_scenario(resource_path("fixtures/scenarios/default.yaml"))
    registry = HubRegistry(HubBackend("default", spec))
    first, second = (registry.add(build_hub(scenario, name, spec)) for name in ("first", "second"))
    digest = key_digest(KEY.encode())
    assert registry.find_by_key(digest) is first
    registry.add(first.fork("first"))
    assert registry.get("first") is registry.find_by_key(digest)
    registry.delete("first")
    assert registry.find_by_key(digest) is second
    default = registry.add(build_hub(scenario, "default", spec))
    assert registry.find_by_key(digest) is default
    default.save_snapshot()
    registry.reset("default")
    assert registry.find_by_key(digest) is default


def test_shared_key_leads_to_the_first_hub_also_after_a_replacement() -> None:
    spec = read_spec(resource_path("openapi.yaml"))
    registry = HubRegistry(HubBackend("default", spec))
    second = [registry.add(HubBackend(name, spec)) for name in ("first", "second")][1]
    second.create_account("one", credits=10)
    key = second.add_key("one")
    digest = key_digest(key.encode())
    assert registry.find_by_key(digest) is second
    replacement = registry.add(second.fork("first"))
    assert [hub.name for hub in registry] == ["default", "first", "second"]
    assert registry.find_by_key(digest) is replacement
    registry.add(HubBackend("first", spec))
    assert registry.find_by_key(digest) is second
