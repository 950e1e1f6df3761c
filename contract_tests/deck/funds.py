"""Accounts that cannot pay for what they ask: refused without a trace, also at once."""

from __future__ import annotations

from typing import Any

from .. import oracle
from ..checks import check
from ..exchange import Exchange
from ..made import Made
from ..reading import answered, equal, expect, expect_error, field, find_balance
from ..stage import Stage
from ..verdicts import Broken, Inconclusive, NotAsked

_UNIT = oracle.unit()
_RIVALS = 2  # requests sent at once beyond those that can be paid
_MOST = 6  # requests that may be paid at once


def short_of_credits(stage: Stage, role: str) -> int:
    """The credits of *role*, if they do not pay for one image."""
    credits = stage.credits(role)
    if credits >= _UNIT:
        raise Inconclusive(f"keys.{role} has {credits} credits, which pay for an image")
    return credits


def refused_for_money(stage: Stage, body: dict[str, Any], role: str, **more: Any) -> Exchange:
    """Hold a request to 402 insufficientCredits and to leaving the balance as it is."""
    before = stage.credits(role)
    with stage.free("a request answered 402", role):
        how = more or {"json": body}
        exchange = stage.target.post(key=role, cost=before, **how)
        if exchange.status == 429 and stage.target.get("credits", key=role).status == 200:
            raise Broken("HTTP 429 for want of credits", exchange, expected="402")
        expect_error(exchange, 402, "insufficientCredits")
    equal(before, stage.credits(role), f"the balance of {role} after 402", exchange)
    return exchange


@check("LED-4", "ERR-4", needs=("broke",), cost=_UNIT)
def ledger_refuses_who_cannot_pay(stage: Stage) -> None:
    """Not enough credits: 402 insufficientCredits, in JSON and in a form, for one image or four."""
    short_of_credits(stage, "broke")
    refused_for_money(stage, stage.body(), "broke")
    refused_for_money(stage, stage.body(n=4), "broke")
    refused_for_money(stage, {}, "broke", form=stage.form())


@check("LED-4", needs=("broke",), cost=_UNIT)
def ledger_draws_nothing_on_credit(stage: Stage) -> None:
    """A task that the balance cannot pay is refused, or fails; it is not drawn for free."""
    before = short_of_credits(stage, "broke")
    exchange = stage.target.post(stage.body(**{"async": True}), key="broke", cost=_UNIT)
    if answered(exchange).status == 402:
        return
    after = stage.credits("broke")
    if after < 0:
        raise Broken(f"the balance is {after}", exchange, expected=f"{before}, or 402")
    if exchange.status == 202:
        _not_drawn(stage, expect(exchange, 202), exchange)


def _not_drawn(stage: Stage, body: dict[str, Any], exchange: Exchange) -> None:
    made = Made("on credit", None, 1, "1024x1024", exchange)  # type: ignore[arg-type]
    for _ in range(3):
        poll = stage.target.get(f"generations/{made.id}", key="broke")
        if poll.status == 200 and expect(poll, 200).get("status") == "succeeded":
            raise Broken("a task was drawn that could not be paid", exchange, poll, expected="402")


def _few_credits(stage: Stage) -> int:
    """The credits of low, spent down to fewer than four images cost."""
    credits = stage.credits("low")
    for _ in range(2):
        if credits < 4 * _UNIT:
            return credits
        n = min(4, int(credits - 3 * _UNIT) // _UNIT)
        exchange = stage.target.post(stage.body(n=n), key="low", cost=n * _UNIT)
        expect(exchange, 200)
        stage.claim([exchange])
        equal(credits - n * _UNIT, stage.credits("low"), "the balance of low", exchange)
        credits -= n * _UNIT
    if credits >= 4 * _UNIT:
        raise NotAsked(f"keys.low has {credits} credits; expected enough for a few images")
    return credits


@check("LED-4", needs=("low",), cost=4 * _UNIT)
def ledger_prices_the_whole_request(stage: Stage) -> None:
    """An account that can pay for some of the images, but not for all, is refused."""
    credits = _few_credits(stage)
    if credits < _UNIT:
        raise Inconclusive(f"keys.low has {credits} credits; expected enough for an image")
    refused_for_money(stage, stage.body(n=4), "low")


@check("LED-1", "LED-4", needs=("low",), cost=3 * _UNIT)
def ledger_holds_under_concurrency(stage: Stage) -> None:
    """Requests at once: as many are paid as the balance allows, none is lost, none overdrawn."""
    start = stage.credits("low")
    n = next((n for n in (1, 2, 3, 4) if start // (n * _UNIT) <= _MOST), 4)
    payable = int(start // (n * _UNIT))
    if payable > _MOST:
        raise NotAsked(f"keys.low has {start} credits; expected enough for a few images")
    if payable < 1:
        raise Inconclusive(f"keys.low has {start} credits; expected enough for 1 to 6 images")
    others = {
        role: stage.credits(role) for role in ("valid", "other") if role in stage.profile.keys
    }
    exchanges = stage.target.volley(
        [stage.body(n=n) for _ in range(payable + _RIVALS)],
        key="low",
        costs=[n * _UNIT] * payable,  # nobody can pay for the others
    )
    stage.facts["low spent"] = start
    stage.claim(exchanges)
    paid = [exchange for exchange in exchanges if answered(exchange).status == 200]
    for exchange in exchanges:
        if exchange.status != 200:
            expect_error(exchange, 402, "insufficientCredits")
    _no_more_than_was_there(stage, start, n, paid, exchanges)
    each_its_own(paid)
    for role, before in others.items():
        equal(before, stage.credits(role), f"the balance of {role} while low paid", *paid[:1])


def _no_more_than_was_there(
    stage: Stage, start: int, n: int, paid: list[Exchange], exchanges: list[Exchange]
) -> None:
    cost, last = n * _UNIT, stage.target.get("credits", key="low")
    end = find_balance(expect(last, 200), last)
    if len(paid) * cost > start or end < 0:
        raise Broken(
            f"{len(paid)} requests of {cost} credits were paid from {start}; {end} are left",
            *paid, last, expected=f"at most {start // cost} paid, the others 402",
        )  # fmt: skip
    equal(start - len(paid) * cost, end, f"the balance after {len(paid)} requests", last, *paid)
    exact = 1 if stage.documented else 0  # that an exact balance is enough is inferred
    if end >= cost + exact:
        refused = [exchange for exchange in exchanges if exchange.status == 402]
        raise Broken(f"402 although {end} credits are left", *refused, expected="HTTP 200")


def each_its_own(exchanges: list[Exchange]) -> None:
    """Requests at once are answered with a generation each."""
    ids = [field(expect(one, one.status), "id", str, one) for one in exchanges]
    if len(set(ids)) < len(ids):
        raise Broken(
            "two requests were answered with one generation", *exchanges, expected="one each"
        )
