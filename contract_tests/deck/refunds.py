"""Refunds: of a failure, and of images that were not delivered."""

from __future__ import annotations

from .. import oracle
from ..checks import check
from ..made import Made
from ..reading import answered, equal, expect, expect_error, field
from ..stage import Stage
from ..verdicts import Broken, Inconclusive
from .generate import image_fields
from .ledger import stays, took, unit_of
from .tasks import _ends

_UNIT = oracle.unit()


@check("LED-2", "ERR-6", needs=("provider_failure",), uses=("failure",))
def ledger_refunds_a_failure(stage: Stage) -> None:
    """The provider fails: 500 generationFailed, and the balance is as before."""
    made = stage.made("failure")
    expect_error(made.exchange, 500, "generationFailed")
    _restored(made)


@check("LED-2", needs=("provider_failure",), uses=("failure_async",))
def ledger_refunds_a_failed_task(stage: Stage) -> None:
    """The provider fails a task: everything is refunded, once."""
    made = stage.made("failure_async")
    if answered(made.exchange).status != 202:
        raise Inconclusive(f"the task was answered {made.exchange.status}", made.exchange)
    if not made.ended and not any(poll.status == 500 for poll in made.polls):
        raise Inconclusive("the task did not end", *made.polls[-1:])
    if made.final.get("status") == "succeeded":
        raise Inconclusive("the provider did not fail", made.witness)
    if made.alone:
        _restored(made)
    else:
        _together(stage, made, made.n * unit_of(made))


def _together(stage: Stage, made: Made, missing: int) -> None:
    """Hold a task that ran beside others to its refund: together they took what they cost."""
    for group in stage.facts.get("groups", []):
        if made not in group or any(one.before is None or one.after is None for one in group):
            continue
        taken = group[0].before - group[0].after - sum(one.used or 0 for one in group)
        if taken == missing:
            raise Broken(
                f"{missing} credits too many left the balance, which this task cost",
                made.witness,
                expected="what was not delivered refunded, once",
            )
        if taken:
            raise Inconclusive(f"{taken} credits too many left the balance", made.witness)
        return
    raise Inconclusive("the balance could not be read", made.exchange)


def _restored(made: Made) -> None:
    stays(made)
    if not made.alone or made.before is None or made.after is None:
        raise Inconclusive("the balance could not be read on its own", made.exchange)
    if made.before != made.after:
        raise Broken(
            f"the balance was {made.before} and is {made.after}",
            made.witness,
            expected=f"{made.before} credits, as before",
        )


@check("LED-2", needs=("provider_failure", "low"), cost=_UNIT)
def ledger_refunds_whoever_paid(stage: Stage) -> None:
    """The refund of a failure goes to the account that was charged."""
    prompt = stage.profile.provider_failure
    for role in ("low", "other"):
        if role not in stage.profile.keys or stage.credits(role) < _UNIT:
            continue
        before, valid = stage.credits(role), stage.credits()
        exchange = stage.target.post(stage.body(prompt=prompt), key=role, cost=_UNIT)
        if answered(exchange).status != 500:
            raise Inconclusive(f"the provider did not fail but {exchange.status}", exchange)
        equal(before, stage.credits_settled(before, role), f"the balance of {role}", exchange)
        equal(valid, stage.credits(), "the balance of another user", exchange)
        return
    raise Inconclusive("neither low nor other has credits for one image")


@check("LED-3", needs=("partial",), uses=("partial",))
def ledger_refunds_what_is_missing(stage: Stage) -> None:
    """Fewer images than requested: the rest is refunded, usage is for those delivered."""
    made = stage.made("partial")
    expect(made.exchange, 200)
    _partly(stage, made)
    told = field(made.body, "balance.credits", int, made.exchange)
    if made.after is not None and made.alone:
        equal(made.after, told, "balance.credits beside GET /credits", made.exchange)


@check("LED-3", needs=("partial",), uses=("partial_async",))
def ledger_refunds_what_a_task_misses(stage: Stage) -> None:
    """A task that delivers fewer images costs those, and the rest is refunded once."""
    made = stage.made("partial_async")
    expect(made.exchange, 202)
    _ends(stage, made)
    _partly(stage, made)


def _partly(stage: Stage, made: Made) -> None:
    assert stage.profile.partial
    delivered, unit = stage.profile.partial.delivered, unit_of(made)
    images = field(made.final, "images", list, made.witness)
    equal(delivered, len(images), "the number of images", made.witness)
    image_fields(images, made.witness)
    used = field(made.final, "usage.credits", int, made.witness)
    equal(delivered * unit, used, "usage.credits", made.witness)
    if made.alone and made.before is not None and made.after is not None:
        took(made, delivered * unit)
    elif not made.alone:
        _together(stage, made, (made.n - delivered) * unit)
    read = stage.target.get(f"generations/{made.id}")
    if read.status == 200:
        told = field(expect(read, 200), "usage.credits", int, read)
        equal(delivered * unit, told, "usage.credits when read back", read)
        equal(delivered, len(field(expect(read, 200), "images", list, read)), "images", read)
