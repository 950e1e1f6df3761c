"""The balance: how it is told, and what a generation takes from it, once."""

from __future__ import annotations

from .. import oracle
from ..checks import check
from ..made import Made
from ..reading import answered, balance_object, equal, expect, field
from ..stage import Stage
from ..verdicts import Broken, Inconclusive
from .generate import ALL, each, expiration

_UNIT = oracle.unit()


@check("END-2", "CRD-1", "CRD-2")
def credits_are_told(stage: Stage) -> None:
    """GET /api/v1/credits tells credits, account_type and next_expiration."""
    exchange = answered(stage.target.get("credits"))
    if exchange.status == 401:
        raise Inconclusive("the key keys.valid is refused; is it right?", exchange)
    balance = balance_object(expect(exchange, 200), exchange)
    if field(balance, "credits", int, exchange) < 0:
        raise Broken("credits are negative", exchange, expected="0 or more")
    field(balance, "account_type", str, exchange, empty=False)
    expiration(dict(balance), exchange)


@check("CRD-1", uses=("page",))
def credits_agree_with_the_answer(stage: Stage) -> None:
    """account_type and next_expiration are the same in both places."""
    made = stage.good("page")
    exchange = stage.target.get("credits")
    told, balance = balance_object(expect(exchange, 200), exchange), made.body.get("balance")
    if isinstance(balance, dict):
        for name in ("account_type", "next_expiration"):
            equal(balance.get(name), told.get(name), name, exchange, made.exchange)


@check("LED-1", "END-2", uses=ALL)
def ledger_charges_once(stage: Stage) -> None:
    """The final cost leaves the balance exactly once, for answers and for tasks."""
    for made in each(stage, ALL):
        if made.alone and None not in (made.before, made.after, made.used):
            took(made, made.n * unit_of(made))
    for group in stage.facts.get("groups", []):
        _group(group)


def unit_of(made: Made) -> int:
    """The credits of one image of *made*; which tier other sizes are of, the answer tells."""
    tier = made.final.get("quality")
    known = oracle.prices().get(tier) if isinstance(tier, str) else None
    return known if known and made.size != "1024x1024" else _UNIT


def took(made: Made, cost: int) -> None:
    """Hold a generation to what it took from the balance, once."""
    stays(made)
    taken = (made.before or 0) - (made.after or 0)
    if taken != cost:
        raise Broken(
            f"{taken} credits left the balance ({made.before} before, {made.after} after)",
            made.exchange,
            *made.polls[-1:],
            expected=f"{cost} credits taken, once",
        )


def _group(group: list[Made]) -> None:
    """Hold generations that were made side by side to what they cost together."""
    if len(group) < 2 or any(made.before is None or made.after is None for made in group):
        return
    if any(made.used is None and made.accepted for made in group):
        return
    taken = (group[0].before or 0) - (group[0].after or 0)
    cost = sum(made.used or 0 for made in group)
    if taken != cost:
        raise Broken(
            f"{taken} credits left the balance for generations that cost {cost} together",
            *(made.witness for made in group),
            expected=f"{cost} credits taken",
        )


def stays(made: Made) -> None:
    """Reading a task that has ended moves no credits, in either direction."""
    if made.alone and made.after is not None and made.later not in (None, made.after):
        raise Broken(
            f"the balance was {made.after}, and {made.later} when the task had been read again",
            *made.polls[-2:],
            expected=f"{made.after} credits still",
        )
