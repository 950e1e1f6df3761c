"""Credits are charged once and refunded exactly, and no balance is ever negative."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mockhub._resources import resource_path
from mockhub.domain.accounts import Account
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.ledger import Entry, InsufficientCredits, Lot, allocate, deallocate
from mockhub.domain.provider import Outcome, Provider
from mockhub.exceptions import ApiError
from mockhub.spec.generation_request import GenerationRequest
from tests.support.live_server import BODY, KEY, LOW, POOR, PUBLISHED, RICH, LiveHub, read_spec

HOUR = 3_600_000
SPEC = read_spec(resource_path("openapi.yaml"))


def entries(hub: LiveHub, account: str) -> list[tuple[str, int]]:
    ledger = hub.server.call(lambda: list(hub.backend.accounts[account].entries))
    return [(entry.kind, entry.credits) for entry in ledger]


def test_generation_is_charged_once(hub: LiveHub) -> None:
    """One charge at acceptance pays for one generation (LED-1)."""
    queued = hub.generate({"async": True, "prompt": "[[duration=60s]]", "n": 2}, key=LOW).json()
    assert entries(hub, "low") == [("grant", 24), ("charge", -16)]
    hub.server.call(lambda: hub.backend.clock.advance(60_000))
    for _ in range(3):
        assert hub.get(f"generations/{queued['id']}", LOW).json()["usage"] == {"credits": 16}
    assert entries(hub, "low") == [("grant", 24), ("charge", -16)]


@pytest.mark.parametrize(
    "prompt", ["[[fail]]", "[[deliver=0]]", "[[fail duration=700s]]", "[[never]]"]
)
def test_failed_generation_is_refunded_in_full(hub: LiveHub, prompt: str) -> None:
    """A failure is 500 generationFailed, and the balance is as before (LED-2, ERR-6)."""
    response = hub.generate({"prompt": prompt, "n": 3}, key=LOW)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "generationFailed")
    assert hub.credits(LOW) == 24
    assert entries(hub, "low") == [("grant", 24), ("charge", -24), ("refund", 24)]


@pytest.mark.parametrize(("deliver", "n"), [(1, 3), (2, 3), (3, 3), (7, 3), (1, 1)])
def test_missing_images_are_refunded(hub: LiveHub, deliver: int, n: int) -> None:
    """Of fewer images than requested, the missing ones are refunded (LED-3)."""
    generation = hub.generate({"prompt": f"[[deliver={deliver}]]", "n": n}, key=LOW).json()
    arrived = min(deliver, n)
    assert (
        generation["status"],
        len(generation["images"]),
        generation["usage"]["credits"],
    ) == ("succeeded", arrived, 8 * arrived)
    assert 24 - 8 * arrived == generation["balance"]["credits"] == hub.credits(LOW)


def test_402_names_balance_and_price(hub: LiveHub) -> None:
    """402 insufficientCredits says what is left and what is needed (LED-4, ERR-4)."""
    response = hub.generate({"n": 4}, key=LOW)
    assert (response.status_code, response.json()["error"]["code"]) == (402, "insufficientCredits")
    assert "24 left, 32 needed" in response.json()["error"]["message"]


def test_402_changes_nothing(hub: LiveHub) -> None:
    """A request that cannot be paid charges nothing and creates no generation (LED-5)."""
    before = len(hub.backend.generations)
    assert {hub.generate({}, key=POOR).status_code for _ in range(3)} == {402}
    assert (hub.credits(POOR), len(hub.backend.generations)) == (5, before)
    assert entries(hub, "poor") == [("grant", 5)]


def test_402_uses_up_no_outcome(hub: LiveHub) -> None:
    """A request that cannot be paid uses up none of the provider's outcomes (LED-5)."""
    script = Provider([Outcome(deliver=1), Outcome(deliver=2)])
    hub.server.call(lambda: setattr(hub.backend, "provider", script))
    hub.generate({}, key=POOR)
    assert [len(hub.generate({"n": 2}).json()["images"]) for _ in range(3)] == [1, 2, 2]


def test_exact_balance_is_enough(hub: LiveHub) -> None:
    """24 credits buy three images of 8 and leave 0 (LED-7)."""
    assert hub.generate({"n": 3}, key=LOW).json()["balance"]["credits"] == 0
    assert hub.generate({}, key=LOW).status_code == 402


def test_64_threads_spend_one_account(hub: LiveHub) -> None:
    """Concurrent requests lose no credits and overdraw nothing (LED-6)."""
    hub.server.call(lambda: hub.backend.grant(hub.backend.accounts["low"], 10_000 - 24))
    prompts = ["x", "x", "x", "[[fail]]", "[[deliver=1]]"]

    def spend_some(number: int) -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {LOW}"}
        with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as client:
            path = "/api/v1/images/generations"
            prompts_sent = [prompts[(number + i) % len(prompts)] for i in range(10)]
            return [client.post(path, json={**BODY, "n": 4, "prompt": p}) for p in prompts_sent]

    with ThreadPoolExecutor(64) as pool:
        responses = [response for many in pool.map(spend_some, range(64)) for response in many]
    spent = sum(a.json()["usage"]["credits"] for a in responses if a.status_code == 200)
    assert {response.status_code for response in responses} == {200, 402, 500}
    assert hub.credits(LOW) == 10_000 - spent
    assert 0 <= hub.credits(LOW) < 32
    assert hub.server.call(hub.backend.audit) == []
    ledger = hub.server.call(lambda: list(hub.backend.accounts["low"].entries))
    charged = {entry.generation for entry in ledger if entry.kind == "charge"}
    assert sum(response.status_code != 402 for response in responses) == len(charged)


def test_audit_accepts_a_late_refund_of_an_evicted_charge(hub_server: LiveHub) -> None:
    """A generation may end long after its charge was evicted; the audit still passes."""
    with hub_server.new_hub(mode="hold") as hub:
        (account,) = (
            account for account in hub.backend.accounts.values() if account.balance > 1000
        )
        hub.backend.set_max_generations(1)
        generation = hub.generate(
            {"prompt": "[[fail duration=100s]] x", "async": True}, key=RICH
        ).json()
        for _ in range(5):
            hub.generate(key=RICH, json={})
        hub.server.call(lambda: hub.backend.clock.advance(100_000))
        assert hub.get(f"generations/{generation['id']}", key=RICH).json()["status"] == "failed"
        assert "refund" in {entry.kind for entry in account.entries}
        assert hub.server.call(hub.backend.audit) == []


def test_concurrent_responses_have_distinct_balances(hub: LiveHub) -> None:
    """The balance in each response is the one after its own charge (GEN-7, LED-6)."""
    headers = {"Authorization": f"Bearer {KEY}"}

    def generate_and_get_balance(_: int) -> int:
        url = f"{hub.url}/api/v1/images/generations"
        balance: int = httpx.post(url, json=BODY, headers=headers).json()["balance"]["credits"]
        return balance

    with ThreadPoolExecutor(15) as pool:
        assert list(range(0, 120, 8)) == sorted(pool.map(generate_and_get_balance, range(15)))


# -- lots ------------------------------------------------------------------------------------------


def test_credits_that_expire_soonest_are_spent_first(hub: LiveHub) -> None:
    """Credits that expire soonest pay first; next_expiration moves on to the next lot (CRD-1)."""
    low = hub.backend.accounts["low"]
    for credits, hours in ((8, 3), (8, 1), (8, 2)):
        at = PUBLISHED + hours * HOUR
        hub.server.call(lambda c=credits, at=at: hub.backend.grant(low, c, expires_at=at))
    seen = []
    for _ in range(4):
        seen.append(hub.get("credits", LOW).json()["next_expiration"])
        hub.generate({}, key=LOW)
    assert [text and text[11:13] for text in seen] == ["09", "10", "11", None]


def test_refund_returns_to_its_lot(hub: LiveHub) -> None:
    """Refunded credits expire when the grant that bought them does (LED-2)."""
    low = hub.backend.accounts["low"]
    hub.server.call(lambda: hub.backend.grant(low, 16, expires_at=PUBLISHED + HOUR))
    queued = hub.generate(
        {"async": True, "n": 3, "prompt": "[[fail duration=60s]]"}, key=LOW
    ).json()
    before = hub.get("credits", LOW).json()
    assert (before["credits"], before["next_expiration"]) == (16, None)
    hub.server.call(lambda: hub.backend.clock.advance(60_000))
    after = hub.get("credits", LOW).json()
    assert (after["credits"], after["next_expiration"]) == (40, "2026-04-30T09:00:00.000Z")
    hub.server.call(lambda: hub.backend.clock.advance(HOUR))
    assert hub.credits(LOW) == 24
    assert hub.get(f"generations/{queued['id']}", LOW).json()["status"] == "failed"


def test_partial_refund_returns_to_the_lot_spent_last(hub: LiveHub) -> None:
    """Of two lots that paid, the one that expires later is refunded first (LED-3)."""
    low = hub.backend.accounts["low"]
    hub.server.call(lambda: hub.backend.grant(low, 8, expires_at=PUBLISHED + HOUR))
    generation = hub.generate({"n": 2, "prompt": "[[deliver=1]]"}, key=LOW).json()
    assert (generation["balance"]["credits"], generation["balance"]["next_expiration"]) == (
        24,
        None,
    )
    assert entries(hub, "low")[-3:] == [("charge", -8), ("charge", -8), ("refund", 8)]


def test_refund_to_an_expired_lot_expires_at_once(hub: LiveHub) -> None:
    """A refund does not outlive its grant, even if it comes later (LED-2)."""
    low = hub.backend.accounts["low"]
    hub.server.call(lambda: hub.backend.grant(low, 8, expires_at=PUBLISHED + HOUR))
    hub.generate({"async": True, "prompt": "[[fail duration=2h]]"}, key=LOW)
    hub.server.call(lambda: hub.backend.clock.advance(3 * HOUR))
    assert hub.credits(LOW) == 24
    assert entries(hub, "low")[-2:] == [("refund", 8), ("expiry", -8)]


def test_reading_the_next_event_keeps_the_expiry_of_a_spent_lot() -> None:
    """A refund to a lot that was empty when the next event was read still expires."""
    hub = HubBackend("h", SPEC, clock=ManualClock(PUBLISHED))
    account = hub.add_account("a")
    hub.grant(account, 8, expires_at=PUBLISHED + HOUR)
    hub.provider = Provider([Outcome(never=True)])
    request = GenerationRequest("gpt-image-2", "x", "1024x1024", "auto", 1, True)
    generation = hub.create_generation(account, request)
    assert hub.next_event() is None
    hub.complete(generation.id, failed=True)
    assert hub.next_event() == PUBLISHED + HOUR
    hub.manual_clock().advance(HOUR)
    assert hub.get_credits(account).credits == 0


LOTS = st.lists(
    st.tuples(st.none() | st.integers(0, 9), st.integers(0, 50)).map(tuple), max_size=6
).map(lambda lots: [Lot(i, expires, left) for i, (expires, left) in enumerate(lots)])


@given(LOTS, st.integers(1, 200))
def test_lots_pay_exactly_or_not_at_all(lots: list[Lot], credits: int) -> None:
    """Lots pay the exact sum, the soonest to expire first, or raise; a refund returns all of it."""
    left = {lot.id: lot for lot in lots}
    try:
        allocations = allocate(lots, credits)
    except InsufficientCredits:
        assert sum(lot.remaining for lot in lots) < credits
        return
    assert credits == sum(part for _, part in allocations)
    assert all(0 < part <= left[lot].remaining for lot, part in allocations)
    soonest = [left[lot].expires_at for lot, _ in allocations]
    assert soonest == sorted(soonest, key=lambda at: (at is None, at or 0))
    assert set(allocations) == set(deallocate(allocations, credits))


@given(LOTS, st.integers(1, 100), st.integers(0, 100))
def test_refund_never_exceeds_what_a_lot_paid(lots: list[Lot], credits: int, back: int) -> None:
    """A refund goes to the lots that paid, and to none more than it paid."""
    account = Account("a")
    for lot in lots:
        account.apply(Entry(0, "grant", lot.remaining, account.add_lot(lot.expires_at), None))
    if account.balance < credits:
        return
    allocations = account.allocate(credits)
    returned = deallocate(allocations, min(back, credits))
    spent = dict(allocations)
    assert min(back, credits) == sum(part for _, part in returned)
    assert all(part <= spent[lot] for lot, part in returned)


class LedgerMachine(RuleBasedStateMachine):
    """Whatever happens to an account, the audit passes and the balance is never negative."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(0)
        self.hub = HubBackend("books", SPEC, clock=self.clock)
        self.account = self.hub.add_account("a")
        self.running: list[str] = []

    @rule(credits=st.integers(0, 100), hours=st.none() | st.integers(0, 5))
    def grant(self, credits: int, hours: int | None) -> None:
        at = None if hours is None else self.clock.now() + hours * HOUR
        self.hub.grant(self.account, credits, expires_at=at)

    @rule(
        n=st.integers(1, 4),
        size=st.sampled_from(["auto", "2048x2048", "3840x2160"]),
        run_async=st.booleans(),
        deliver=st.none() | st.integers(0, 4),
        duration=st.integers(0, 3 * HOUR),
        end=st.sampled_from([{}, {"fail": True}, {"never": True}, {"polls": 2}]),
    )
    def generate(
        self, n: int, size: str, run_async: bool, deliver: int, duration: int, end: dict[str, int]
    ) -> None:
        before = self.hub.get_credits(self.account).credits
        price = SPEC.catalog.quote("gpt-image-2", size).credits_per_image * n
        self.hub.provider = Provider([Outcome(deliver=deliver, duration=duration, **end)])  # type: ignore[arg-type]
        request = GenerationRequest("gpt-image-2", "x", size, "auto", n, run_async)
        try:
            generation = self.hub.create_generation(self.account, request)
        except ApiError as error:
            assert (error.status, before < price) == (402, True)
            assert self.account.balance == before
            return
        assert before >= price
        assert before - generation.credits == self.account.balance or not generation.ended
        self.running.append(generation.id)

    @rule(hours=st.integers(0, 3), minutes=st.integers(0, 59))
    def wait(self, hours: int, minutes: int) -> None:
        self.clock.advance(hours * HOUR + minutes * 60_000)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def poll(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.running))
        before = self.hub.generations[id]
        after = self.hub.get_generation(self.account, id)
        assert not before.ended or after == before

    @precondition(lambda self: self.running)
    @rule(data=st.data(), failed=st.booleans())
    def finish(self, data: st.DataObject, failed: bool) -> None:
        assert self.hub.complete(data.draw(st.sampled_from(self.running)), failed=failed).ended

    @invariant()
    def audit_passes(self) -> None:
        self.hub.settle()
        assert self.hub.audit() == []
        generations = self.hub.generations.values()
        net = sum(g.credits if g.ended else g.credits_requested for g in generations)
        granted = sum(e.credits for e in self.account.entries if e.kind in ("grant", "expiry"))
        assert granted - net == self.account.balance >= 0


test_ledger_machine = LedgerMachine.TestCase
