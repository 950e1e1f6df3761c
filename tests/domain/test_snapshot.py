"""A hub that comes back to its start, lives by another clock, or is dropped."""

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
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.spec.generation_request import GenerationRequest
from tests.support.live_server import KEY, PUBLISHED, LiveHub, serve_hub

LAW: ApiSpec = load_spec(resource_path("openapi.yaml"))
ASKED = GenerationRequest("gpt-image-2", "A lighthouse", "1024x1024", "auto", 1, True)


@pytest.fixture
def hub() -> HubBackend:
    return build_hub(
        load_scenario(bundled_scenarios()["default"]), "default", LAW, clock=ManualClock(PUBLISHED)
    )


def spend(hub: HubBackend) -> str:
    return hub.create_generation(hub.accounts["documentation"], ASKED).id


def test_a_reset_brings_the_start_back(hub: HubBackend) -> None:
    """Credits, keys, generations, faults, provider, clock and ids are as at the start."""
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
    assert first == spend(hub)
    assert hub.audit() == []


def test_a_reset_can_be_repeated(hub: HubBackend) -> None:
    """What happens after a reset does not seep into the start."""
    for _ in range(2):
        spend(hub)
        hub.reset()
        assert hub.accounts["documentation"].balance == 120


def test_every_attribute_of_a_hub_is_state_or_listed_here(hub: HubBackend) -> None:
    """An attribute outside of HubState is not copied, so each one is named."""
    state = {field.name for field in fields(HubState)}
    outside = {"name", "spec", "journal", "on_key_added", "listeners", "epoch"}
    assert vars(hub).keys() - state == outside | {"_snapshot", "_timeout_ms"}


def mutable_parts(value: object) -> Iterator[object]:
    """Yield every object within *value* that can change."""
    if isinstance(value, (dict, list, deque, ManualClock)) or is_dataclass(value):
        yield value
    if isinstance(value, dict):
        parts: Iterable[object] = value.values()
    elif isinstance(value, (list, deque)):
        parts = value
    else:
        parts = [getattr(value, one.name) for one in fields(value)] if is_dataclass(value) else ()  # type: ignore[arg-type]
    for part in parts:
        yield from mutable_parts(part)


def test_a_snapshot_shares_nothing_that_can_change(hub: HubBackend) -> None:
    spend(hub)
    hub.faults.arm(parse_directives("reset x2"))
    first, second = ([*mutable_parts(state)] for state in (hub.snapshot(), hub.snapshot()))
    assert len(first) == len(second) > 30
    assert {*map(id, first)}.isdisjoint(map(id, second))


def test_unknown_types_are_not_copied_silently() -> None:
    with pytest.raises(TypeError, match="cannot copy Event"):
        copy_state({"a": [Event()]})


def test_a_hub_without_a_start_says_so() -> None:
    """A reset needs a start that was remembered."""
    with pytest.raises(MockhubError, match="'bare' has no snapshot to reset to"):
        HubBackend("bare", LAW).reset()


def test_the_store_forgets_keys_that_a_reset_undoes(hub: HubBackend) -> None:
    """A key that was made after the start leads nowhere after a reset; the first ones lead home."""
    store = HubRegistry(HubBackend("default", LAW))
    twin = store.add(hub.fork("twin"))
    twin.save_snapshot()
    raw = twin.add_key("rich")
    assert store.find_by_key(key_digest(raw.encode())) is twin
    store.reset("twin")
    assert store.find_by_key(key_digest(raw.encode())) is store.default
    assert store.find_by_key(key_digest(KEY.encode())) is twin


def test_moved_credits_are_counted_since_the_start(hub: HubBackend) -> None:
    """Grants, charges, refunds and expiries of each hub, and of those that are gone, add up."""
    store = HubRegistry(hub)
    assert hub.credit_totals() == {"grant": 0, "charge": 0, "refund": 0, "expiry": 0}
    hub.provider = Provider([parse_outcome("fail")])
    spend(hub)
    hub.settle()
    hub.grant(hub.accounts["poor"], 7, expires_at=PUBLISHED)
    moved = {"grant": 7, "charge": -8, "refund": 8, "expiry": -7}
    assert moved == hub.credit_totals()
    store.reset("default")
    assert (moved, 0) == (dict(store.totals_of_deleted_hubs), hub.credit_totals()["charge"])


def test_the_next_event_ends_a_job(hub: HubBackend) -> None:
    """The clock moves to the moment at which something falls due, and no further."""
    hub.provider = Provider([parse_outcome("duration=40s")])
    id = spend(hub)
    assert hub.advance_to_next_event() == PUBLISHED + 40 * SECOND
    assert hub.generations[id].status == "succeeded"
    assert hub.advance_to_next_event() == PUBLISHED + 40 * SECOND


def test_a_key_expires_at_its_moment(hub: HubBackend) -> None:
    """A key that is told to expire opens until then, and the next event is that moment."""
    digest = key_digest(KEY.encode())
    hub.keys.set_expiry(digest, PUBLISHED + SECOND)
    assert hub.authenticate(digest).id == "documentation"
    hub.advance_to_next_event()
    with pytest.raises(ApiError) as refused:
        hub.authenticate(digest)
    assert refused.value.code == "expiredApiKey"


def test_a_key_can_be_revoked(hub: HubBackend) -> None:
    """A revoked key is invalid from that moment."""
    digest = key_digest(KEY.encode())
    hub.keys.revoke(digest)
    with pytest.raises(ApiError) as refused:
        hub.authenticate(digest)
    assert refused.value.code == "invalidApiKey"


def test_time_does_not_run_backwards(hub: HubBackend) -> None:
    """A clock can be exchanged for one that stands later, not for one that stands earlier."""
    hub.set_clock(SystemClock())
    with pytest.raises(MockhubError, match="would turn time back"):
        hub.set_clock(ManualClock(PUBLISHED))
    with pytest.raises(MockhubError, match="is the system's"):
        hub.manual_clock()


def test_an_exchanged_clock_no_longer_tells_the_hub(hub: HubBackend) -> None:
    """Who listens to the hub hears its present clock only."""
    old, heard = hub.manual_clock(), []
    hub.set_clock(ManualClock(PUBLISHED))
    hub.listeners.append(lambda: heard.append(format_timestamp(hub.clock.now())))
    old.advance(SECOND)
    hub.manual_clock().advance(SECOND)
    assert heard == ["2026-04-30T08:00:01.000Z"]


# -- while a request waits ---------------------------------------------------------------------


@pytest.fixture
def held_hub() -> Iterator[LiveHub]:
    with serve_hub(clock=ManualClock(PUBLISHED, mode="hold")) as running:
        running.backend.provider = Provider([parse_outcome("duration=60s")])
        yield running


def waiting(held_hub: LiveHub, pool: ThreadPoolExecutor) -> Future[httpx.Response]:
    """A synchronous request that has been charged and waits for its images."""
    begun = Event()
    commit = held_hub.backend.commit

    def told(*arguments: object) -> None:
        commit(*arguments)  # type: ignore[arg-type]
        begun.set()

    held_hub.backend.commit = told  # type: ignore[method-assign]
    answer = pool.submit(held_hub.generate, {})
    assert begun.wait(10)
    return answer


@pytest.mark.parametrize("how", ["reset", "cancel_waits"])
def test_a_wait_ends_with_its_hub(held_hub: LiveHub, how: str) -> None:
    """A request that waits in a hub that is reset or dropped loses its connection, soon."""
    with ThreadPoolExecutor(1) as pool:
        answer = waiting(held_hub, pool)
        held_hub.server.call(getattr(held_hub.backend, how))
        with pytest.raises(httpx.TransportError):
            answer.result(10)


def test_a_wait_goes_on_by_a_new_clock(held_hub: LiveHub) -> None:
    """A held request follows the hub to a clock that jumps, and ends there."""
    with ThreadPoolExecutor(1) as pool:
        answer = waiting(held_hub, pool)
        held_hub.server.call(
            lambda: held_hub.backend.set_clock(ManualClock(PUBLISHED, mode="autojump"))
        )
        assert answer.result(10).status_code == 200
    assert held_hub.backend.clock.now() == PUBLISHED + 60 * SECOND
