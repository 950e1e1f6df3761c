"""Snapshots, resets and clocks of a hub, and the requests that wait in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from threading import Event

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub._timestamps import SECOND, format_timestamp
from mockhub.domain.clock import ManualClock, SystemClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.domain.hub_state import HubState
from mockhub.domain.keys import key_digest
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.domain.snapshot import copy_state
from mockhub.exceptions import ApiError, MockhubError
from mockhub.faults.grammar import parse_directives
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import bundled_scenarios, load_scenario
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.generation_request import GenerationRequest
from tests.support.live_server import KEY, PUBLISHED, LiveHub, read_spec, serve_hub

SPEC: ApiSpec = read_spec(resource_path("openapi.yaml"))
REQUEST = GenerationRequest("gpt-image-2", "A lighthouse", "1024x1024", "auto", 1, True)


@pytest.fixture
def hub() -> HubBackend:
    return build_hub(
        load_scenario(bundled_scenarios()["default"]), "default", SPEC, clock=ManualClock(PUBLISHED)
    )


def spend(hub: HubBackend) -> str:
    return hub.create_generation(hub.accounts["documentation"], REQUEST).id


def test_reset_restores_the_snapshot(hub: HubBackend) -> None:
    """Credits, keys, generations, faults, provider, clock and ids are as in the snapshot."""
    first = spend(hub)
    hub.add_key("documentation", raw="gih_live_new")
    hub.keys.revoke(key_digest(KEY.encode()))
    hub.faults.arm(parse_directives("reset"))
    hub.provider = Provider([parse_outcome("fail")])
    hub.manual_clock().advance(SECOND)
    hub.image_format = "webp"
    hub.reset()
    account = hub.authenticate(key_digest(KEY.encode()))
    assert account.balance == 120
    assert key_digest(b"gih_live_new") not in hub.keys
    assert hub.faults.armed == {}
    assert (hub.clock.now(), hub.image_format, len(hub.journal)) == (PUBLISHED, "png", 0)
    assert spend(hub) == first
    assert hub.audit() == []


def test_reset_can_be_repeated(hub: HubBackend) -> None:
    """Changes after a reset do not reach the snapshot."""
    for _ in range(2):
        spend(hub)
        hub.reset()
        assert hub.accounts["documentation"].balance == 120


def test_every_attribute_of_a_hub_is_state_or_listed_here(hub: HubBackend) -> None:
    """An attribute outside of HubState is not copied, so each one is listed."""
    state = {field.name for field in fields(HubState)}
    outside = {"name", "spec", "journal", "on_key_added", "listeners", "epoch", "clock_listeners"}
    assert vars(hub).keys() - state == outside | {
        "completion_listeners",
        "saved_state",
        "_timeout_ms",
    }


def mutable_parts(value: object) -> Iterator[object]:
    """Yield every object within *value* that can change."""
    if isinstance(value, (dict, list, deque, ManualClock)) or is_dataclass(value):
        yield value
    if isinstance(value, dict):
        parts: Iterable[object] = value.values()
    elif isinstance(value, (list, deque)):
        parts = value
    else:
        parts = [getattr(value, f.name) for f in fields(value)] if is_dataclass(value) else ()  # type: ignore[arg-type]
    for part in parts:
        yield from mutable_parts(part)


def test_snapshot_shares_nothing_mutable(hub: HubBackend) -> None:
    spend(hub)
    hub.faults.arm(parse_directives("reset x2"))
    first, second = ([*mutable_parts(state)] for state in (hub.snapshot(), hub.snapshot()))
    assert len(first) == len(second) > 30
    assert {*map(id, first)}.isdisjoint(map(id, second))


def test_unknown_types_are_not_copied_silently() -> None:
    with pytest.raises(TypeError, match="cannot copy Event"):
        copy_state({"a": [Event()]})


def test_reset_needs_a_snapshot() -> None:
    with pytest.raises(MockhubError, match="'bare' has no snapshot to reset to"):
        HubBackend("bare", SPEC).reset()


def test_reset_removes_keys_added_after_the_snapshot(hub: HubBackend) -> None:
    """A key that was added after the snapshot is unknown after a reset."""
    registry = HubRegistry(HubBackend("default", SPEC))
    twin = registry.add(hub.fork("twin"))
    twin.save_snapshot()
    raw = twin.add_key("rich")
    assert registry.find_by_key(key_digest(raw.encode())) is twin
    registry.reset("twin")
    assert registry.find_by_key(key_digest(raw.encode())) is registry.default
    assert registry.find_by_key(key_digest(KEY.encode())) is twin


def test_credit_totals_count_since_the_snapshot(hub: HubBackend) -> None:
    """Grants, charges, refunds and expiries of present and deleted hubs add up."""
    registry = HubRegistry(hub)
    assert hub.credit_totals() == {"grant": 0, "charge": 0, "refund": 0, "expiry": 0}
    hub.provider = Provider([parse_outcome("fail")])
    spend(hub)
    hub.settle()
    hub.grant(hub.accounts["poor"], 7, expires_at=PUBLISHED)
    totals = {"grant": 7, "charge": -8, "refund": 8, "expiry": -7}
    assert hub.credit_totals() == totals
    registry.reset("default")
    assert (dict(registry.totals_of_deleted_hubs), hub.credit_totals()["charge"]) == (totals, 0)


def test_next_event_completes_a_generation(hub: HubBackend) -> None:
    """The clock moves to the time at which something is due, and no further."""
    hub.provider = Provider([parse_outcome("duration=40s")])
    id = spend(hub)
    assert hub.advance_to_next_event() == PUBLISHED + 40 * SECOND
    assert hub.generations[id].status == "succeeded"
    assert hub.advance_to_next_event() == PUBLISHED + 40 * SECOND


def test_key_expires_at_its_time(hub: HubBackend) -> None:
    """A key is valid until it expires, and its expiry is the next event."""
    digest = key_digest(KEY.encode())
    hub.keys.set_expiry(digest, PUBLISHED + SECOND)
    assert hub.authenticate(digest).id == "documentation"
    hub.advance_to_next_event()
    with pytest.raises(ApiError) as caught:
        hub.authenticate(digest)
    assert caught.value.code == "expiredApiKey"


def test_revoked_key_is_invalid(hub: HubBackend) -> None:
    digest = key_digest(KEY.encode())
    hub.keys.revoke(digest)
    with pytest.raises(ApiError) as caught:
        hub.authenticate(digest)
    assert caught.value.code == "invalidApiKey"


def test_clock_cannot_be_replaced_by_an_earlier_one(hub: HubBackend) -> None:
    """A clock can be replaced by one that is ahead, not by one that is behind."""
    hub.set_clock(SystemClock())
    with pytest.raises(MockhubError, match="would turn time back"):
        hub.set_clock(ManualClock(PUBLISHED))
    with pytest.raises(MockhubError, match="is the system's"):
        hub.manual_clock()


def test_replaced_clock_no_longer_notifies_the_hub(hub: HubBackend) -> None:
    """Listeners of the hub are called by its present clock only."""
    old, seen = hub.manual_clock(), []
    hub.set_clock(ManualClock(PUBLISHED))
    hub.listeners.append(lambda: seen.append(format_timestamp(hub.clock.now())))
    old.advance(SECOND)
    hub.manual_clock().advance(SECOND)
    assert seen == ["2026-04-30T08:00:01.000Z"]


# -- while a request waits ---------------------------------------------------------------------


@pytest.fixture
def held_hub() -> Iterator[LiveHub]:
    with serve_hub(clock=ManualClock(PUBLISHED, mode="hold")) as running:
        running.backend.provider = Provider([parse_outcome("duration=60s")])
        yield running


def start_waiting_request(held_hub: LiveHub, pool: ThreadPoolExecutor) -> Future[httpx.Response]:
    """Send a synchronous request and return when it has been charged and waits."""
    started = Event()
    commit = held_hub.backend.commit

    def commit_and_signal(*arguments: object) -> None:
        commit(*arguments)  # type: ignore[arg-type]
        started.set()

    held_hub.backend.commit = commit_and_signal  # type: ignore[method-assign]
    response = pool.submit(held_hub.generate, {})
    assert started.wait(10)
    return response


@pytest.mark.parametrize("how", ["reset", "cancel_waits"])
def test_reset_closes_the_connection_of_a_waiting_request(held_hub: LiveHub, how: str) -> None:
    """A request that waits in a hub that is reset or deleted loses its connection."""
    with ThreadPoolExecutor(1) as pool:
        response = start_waiting_request(held_hub, pool)
        held_hub.server.call(getattr(held_hub.backend, how))
        with pytest.raises(httpx.TransportError):
            response.result(10)


def test_waiting_request_follows_a_replaced_clock(held_hub: LiveHub) -> None:
    """A request that waits on a held clock ends when the clock is replaced by one that jumps."""
    with ThreadPoolExecutor(1) as pool:
        response = start_waiting_request(held_hub, pool)
        held_hub.server.call(
            lambda: held_hub.backend.set_clock(ManualClock(PUBLISHED, mode="autojump"))
        )
        assert response.result(10).status_code == 200
    assert held_hub.backend.clock.now() == PUBLISHED + 60 * SECOND
