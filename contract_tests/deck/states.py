"""What only a provision can show."""

from __future__ import annotations

import time

from .. import oracle
from ..checks import check
from ..reading import equal, expect, expect_error, field
from ..stage import Stage
from ..verdicts import Broken
from .funds import refused_for_money

_UNIT = oracle.unit()
_SLOW_SECONDS = 6  # longer than many a client waits, and far below the documented 800


@check("CRD-3", needs=("provision",), uses=("page",))
def states_two_keys_see_one_balance(stage: Stage) -> None:
    """Two keys of one user see one balance."""
    key = stage.key("second_key", account="valid")
    stage.good("page")
    expect(stage.target.get("credits", key=key), 200)
    equal(stage.credits(), stage.credits(key), "the balance", stage.target.exchanges[-1])


@check("LIM-1", needs=("provision",), cost=_UNIT)
def states_a_slow_generation_is_waited_for(stage: Stage) -> None:
    """A synchronous generation may take long, and is answered all the same."""
    prompt = stage.state("slow_generation", "prompt", seconds=_SLOW_SECONDS)
    begun = time.monotonic()
    exchange = stage.target.post(stage.body(prompt=prompt), cost=_UNIT)
    body = expect(exchange, 200)
    stage.claim([exchange])
    stage.facts["slow"] = field(body, "usage.credits", int, exchange)
    if time.monotonic() - begun < _SLOW_SECONDS / 2:
        raise Broken("it was not slow", exchange, expected=f"an answer after {_SLOW_SECONDS} s")


@check("LED-4", needs=("provision",), cost=_UNIT)
def states_one_credit_short_is_short(stage: Stage) -> None:
    """An account with one credit less than an image costs is refused, and keeps what it has."""
    key = stage.key("fresh_account", credits=_UNIT - 1)
    refused_for_money(stage, stage.body(), key)


# What the page leaves open.


@check("LED-7", needs=("provision",), cost=_UNIT)
def states_an_exact_balance_is_enough(stage: Stage) -> None:
    """An account with exactly the price of an image gets it, and has nothing left."""
    key = stage.key("fresh_account", credits=_UNIT)
    exchange = stage.target.post(stage.body(), key=key, cost=_UNIT)
    expect(exchange, 200)
    equal(0, stage.credits(key), "what is left", exchange)
    stage.claim([exchange])


@check("RET-5", needs=("provision",), uses=("page",))
def states_any_key_of_the_owner_reads(stage: Stage) -> None:
    """Any key of the owner reads a generation, not only the key that made it."""
    key = stage.key("second_key", account="valid")
    made = stage.good("page")
    body = expect(stage.target.get(f"generations/{made.id}", key=key), 200)
    equal(made.id, body.get("id"), "id", stage.target.exchanges[-1])
    if "other" in stage.profile.keys:
        foreign = stage.target.get(f"generations/{made.id}", key="other")
        expect_error(foreign, 404, "notFound")
