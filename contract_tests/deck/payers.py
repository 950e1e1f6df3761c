"""Who pays, seen from other accounts than the one that pays for nearly all else."""

from __future__ import annotations

from .. import oracle
from ..checks import check
from ..reading import balance_object, equal, expect, field
from ..stage import Stage
from ..verdicts import NotAsked
from .generate import expiration

_UNIT = oracle.unit()


@check("CRD-2", "CRD-1")
def payers_read_whole_balances(stage: Stage) -> None:
    """Every account's balance has credits, account_type and next_expiration."""
    roles = [role for role in ("other", "low", "broke") if role in stage.starts]
    if not roles:
        raise NotAsked("the profile has one account only")
    for role in roles:
        exchange = stage.target.get("credits", key=role)
        balance = balance_object(expect(exchange, 200), exchange)
        field(balance, "credits", int, exchange)
        field(balance, "account_type", str, exchange, empty=False)
        expiration(dict(balance), exchange)


@check("CRD-3", "LED-1", needs=("other",), cost=_UNIT)
def payers_are_those_who_ask(stage: Stage) -> None:
    """What another user generates is taken from that user's balance, and from no other."""
    before, valid = stage.credits("other"), stage.credits()
    if before < _UNIT:
        raise NotAsked(f"keys.other has {before} credits, which do not pay for an image")
    exchange = stage.target.post(stage.body(), key="other", cost=_UNIT)
    used = field(expect(exchange, 200), "usage.credits", int, exchange)
    stage.claim([exchange])
    after = stage.credits_settled(before - used, "other")
    equal(before - used, after, "the balance of the user who asked", exchange)
    equal(valid, stage.credits(), "the balance of another user", exchange)
