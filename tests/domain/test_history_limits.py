"""`max_generations` bounds the generations and the ledger of a hub, however it is set."""

from __future__ import annotations

import msgspec
import pytest

from mockhub._resources import resource_path
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.exceptions import ApiError
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import scenario_from_json
from mockhub.spec.generation_request import GenerationRequest
from tests.support.live_server import PUBLISHED, RICH, read_spec, serve_hub

SPEC = read_spec(resource_path("openapi.yaml"))
SYNC = GenerationRequest("gpt-image-2", "A lighthouse", "1024x1024", "auto", 1, False)
ASYNC = GenerationRequest("gpt-image-2", "A lighthouse", "1024x1024", "auto", 1, True)
LIMIT = 10
ENTRIES = 4 * LIMIT


def new_hub(max_generations: int = 100_000) -> HubBackend:
    hub = HubBackend("h", SPEC, clock=ManualClock(PUBLISHED), max_generations=max_generations)
    hub.grant(hub.add_account("a"), 100_000)
    return hub


def generate(hub: HubBackend, count: int, request: GenerationRequest = SYNC) -> list[str]:
    return [hub.create_generation(hub.accounts["a"], request).id for _ in range(count)]


def sizes(hub: HubBackend) -> tuple[int, int]:
    return len(hub.generations), len(hub.accounts["a"].entries)


def test_limit_at_creation_bounds_both() -> None:
    hub = new_hub(LIMIT)
    ids = generate(hub, 200)
    assert sizes(hub) == (LIMIT, ENTRIES)
    assert [*hub.generations] == ids[-LIMIT:]
    assert hub.audit() == []


def test_lowering_the_limit_evicts_at_once() -> None:
    hub = new_hub()
    ids = generate(hub, 200)
    hub.set_max_generations(LIMIT)
    assert sizes(hub) == (LIMIT, ENTRIES)
    assert [*hub.generations] == ids[-LIMIT:]
    assert hub.accounts["a"].balance == 100_000 - 200 * 8
    assert hub.audit() == []


def test_raising_the_limit_keeps_more() -> None:
    hub = new_hub(LIMIT)
    hub.set_max_generations(20)
    generate(hub, 200)
    assert sizes(hub) == (20, 80)


def test_limit_of_a_scenario_bounds_both() -> None:
    content = {"max_generations": LIMIT, "accounts": {"a": {"grants": [{"credits": 10_000}]}}}
    entry = {"account": "a", "request": {"model": "gpt-image-2", "prompt": "x"}}
    scenario = scenario_from_json("own", {**content, "generations": 30 * [entry]})
    hub = build_hub(scenario, "h", SPEC, clock=ManualClock(PUBLISHED))
    generate(hub, 100)
    assert sizes(hub) == (LIMIT, ENTRIES)


def test_fork_and_reset_keep_the_limit() -> None:
    hub = new_hub()
    hub.set_max_generations(LIMIT)
    hub.save_snapshot()
    hub.set_max_generations(1)
    fork = hub.fork("fork")
    hub.reset()
    for limited_hub, expected in ((hub, LIMIT), (fork, 1)):
        generate(limited_hub, 200)
        assert sizes(limited_hub) == (expected, 4 * expected)


def test_control_plane_limits_a_running_hub() -> None:
    with serve_hub(control=True) as hub:
        assert all(hub.generate({}, key=RICH).is_success for _ in range(20))
        url = "/_mockhub/hubs/default"
        updated = hub.client.patch(url, json={"max_generations": 3}).json()
        assert sum(updated["generations"].values()) == 3
        entries = hub.client.get(f"{url}/accounts/rich/entries").json()["entries"]
        assert len(entries) == 12


def test_running_generations_are_never_evicted() -> None:
    """Only ended generations are evicted, the one that ended first before the others."""
    hub = new_hub(2)
    hub.provider = Provider([parse_outcome("duration=60s")])
    running = generate(hub, 5, ASYNC)
    hub.provider = Provider()
    ended = generate(hub, 5)
    assert [*hub.generations] == [*running, *ended[-2:]]
    hub.manual_clock().advance(60_000)
    (new,) = generate(hub, 1)
    assert len(hub.generations) == 2
    assert hub.generations.keys() < {*running, new}
    assert hub.audit() == []


def test_audit_accepts_partly_evicted_charges() -> None:
    """A generation that is paid from many lots has more entries than the ledger may keep."""
    hub = HubBackend("h", SPEC, clock=ManualClock(PUBLISHED), max_generations=1)
    account = hub.add_account("a")
    for hour in range(8):
        hub.grant(account, 1, expires_at=PUBLISHED + (hour + 1) * 3_600_000)
    generate(hub, 1)
    assert len(account.entries) == 4
    assert account.balance == 0
    assert hub.audit() == []


def test_bytes_of_generations_are_bounded() -> None:
    """The prompts, which may be long, count; the last generation is always kept."""
    hub = new_hub()
    hub.set_max_generations(100_000, 1_000_000)
    long = msgspec.structs.replace(SYNC, prompt=25_000 * "\N{GRINNING FACE}")
    generate(hub, 3)
    ids = generate(hub, 20, long)
    assert [*hub.generations] == ids[-9:]
    assert hub.ended_size == sum(one.size for one in hub.generations.values())
    hub.set_max_generations(100_000, 1)
    assert [*hub.generations] == ids[-1:]
    assert hub.audit() == []


def test_bytes_of_running_generations_are_bounded() -> None:
    """Beyond the bound a request is rejected and not charged (LED-5), until some have ended."""
    hub = new_hub()
    hub.provider = Provider((parse_outcome("duration=60s"),))
    hub.set_max_generations(100_000, 4000)
    running = generate(hub, 4, ASYNC)
    balance = hub.accounts["a"].balance
    with pytest.raises(ApiError, match="Nothing was charged") as caught:
        generate(hub, 1, ASYNC)
    assert (caught.value.status, caught.value.code) == (500, "generationFailed")
    assert (hub.accounts["a"].balance, [*hub.generations]) == (balance, running)
    hub.manual_clock().advance(60_000)
    generate(hub, 1, ASYNC)
    assert hub.running_size == sum(one.size for one in hub.generations.values() if not one.ended)
    assert hub.audit() == []


def test_bound_in_bytes_comes_from_the_scenario_and_the_control_plane() -> None:
    """A fork and a reset keep it."""
    content = {"max_generations_size": 5000, "accounts": {"a": {"grants": [{"credits": 10_000}]}}}
    hub = build_hub(scenario_from_json("own", content), "h", SPEC, clock=ManualClock(PUBLISHED))
    hub.save_snapshot()
    generate(hub, 100)
    assert len(hub.generations) == 4
    hub.reset()
    generate(hub.fork("fork"), 100)
    assert (hub.max_generations_size, hub.ended_size) == (5000, 0)
    with serve_hub(control=True) as running:
        url = "/_mockhub/hubs/default"
        updated = running.client.patch(url, json={"max_generations_size": 3000}).json()
        assert updated["max_generations_size"] == running.backend.max_generations_size == 3000
