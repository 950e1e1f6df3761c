"""Money: charged once, refunded exactly, refused without a trace."""

from __future__ import annotations

from typing import Any

from .. import oracle
from ..checks import check
from ..exchange import Exchange
from ..reading import answered, balance_object, equal, expect, expect_error, field, find_balance
from ..recipes import RECIPES
from ..stage import Made, Stage
from ..verdicts import Broken, Inconclusive, NotAsked
from .generate import ALL, each, expiration, image_fields
from .tasks import _ends

_UNIT = oracle.unit()
_RIVALS = 2  # requests sent at once beyond those that can be paid
_MOST = 6  # requests that may be paid at once


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
            _took(made, made.n * _unit_of(made))
    for group in stage.facts.get("groups", []):
        _group(group)


def _unit_of(made: Made) -> int:
    tier = made.final.get("quality")
    known = oracle.prices().get(tier) if isinstance(tier, str) else None
    return known if known and made.size != "1024x1024" else _UNIT


def _took(made: Made, cost: int) -> None:
    _stays(made)
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
        _together(stage, made, made.n * _unit_of(made))


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


def _stays(made: Made) -> None:
    """Reading a task that has ended moves no credits, in either direction."""
    if made.alone and made.after is not None and made.later not in (None, made.after):
        raise Broken(
            f"the balance was {made.after}, and {made.later} when the task had been read again",
            *made.polls[-2:],
            expected=f"{made.after} credits still",
        )


def _restored(made: Made) -> None:
    _stays(made)
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
    delivered, unit = stage.profile.partial.delivered, _unit_of(made)
    images = field(made.final, "images", list, made.witness)
    equal(delivered, len(images), "the number of images", made.witness)
    image_fields(images, made.witness)
    used = field(made.final, "usage.credits", int, made.witness)
    equal(delivered * unit, used, "usage.credits", made.witness)
    if made.alone and made.before is not None and made.after is not None:
        _took(made, delivered * unit)
    elif not made.alone:
        _together(stage, made, (made.n - delivered) * unit)
    read = stage.target.get(f"generations/{made.id}")
    if read.status == 200:
        told = field(expect(read, 200), "usage.credits", int, read)
        equal(delivered * unit, told, "usage.credits when read back", read)
        equal(delivered, len(field(expect(read, 200), "images", list, read)), "images", read)


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
    _each_its_own(paid)
    for role, before in others.items():
        equal(before, stage.credits(role), f"the balance of {role} while low paid", *paid[:1])


def _each_its_own(exchanges: list[Exchange]) -> None:
    """Requests at once are answered with a generation each."""
    ids = [field(expect(one, one.status), "id", str, one) for one in exchanges]
    if len(set(ids)) < len(ids):
        raise Broken(
            "two requests were answered with one generation", *exchanges, expected="one each"
        )


@check("LED-1", "GEN-3", uses=("portrait",), cost=3 * _UNIT)
def ledger_charges_tasks_at_once(stage: Stage) -> None:
    """Two tasks submitted at once keep what each asked for, and each is charged."""
    before = stage.credits()
    tall = stage.made("portrait").accepted
    asked = [(1, "1024x1024"), (2, "1024x1536" if tall else "1024x1024")]
    bodies = [stage.body(n=n, size=size, **{"async": True}) for n, size in asked]
    worst = [n * oracle.dearest() for n, _ in asked]  # which tier a tall image is of is open
    exchanges = stage.target.volley(bodies, key="valid", costs=worst)
    tasks = [
        Made(f"at once: {n} of {size}", RECIPES["page_async"], n, size, exchange)
        for (n, size), exchange in zip(asked, exchanges, strict=True)
    ]
    for made in tasks:
        expect(made.exchange, 202)
        stage.follow(made)
    _each_its_own(exchanges)
    cost = 0
    for made in tasks:
        _ends(stage, made)
        _as_asked(made, made.n * _unit_of(made))
        cost += made.n * _unit_of(made)
    after = stage.credits_settled(before - cost)
    equal(before - cost, after, "the balance after both", *exchanges)


def _as_asked(made: Made, cost: int) -> None:
    requested = field(made.body, "usage.credits_requested", int, made.exchange)
    equal(cost, requested, "usage.credits_requested", made.exchange)
    equal(cost, field(made.final, "usage.credits", int, made.witness), "usage", made.witness)
    images = field(made.final, "images", list, made.witness)
    equal(made.n, len(images), "the number of images", made.witness)
    ratio = field(made.final, "aspect_ratio", str, made.witness)
    if not oracle.same_ratio(made.size, ratio):
        raise Broken(f"{made.size} is {ratio!r}", made.witness, expected="the size's ratio")


@check("CRD-3", "LED-1", needs=("other",), uses=(*ALL, "form_task"))
def ledger_charges_nobody_else(stage: Stage) -> None:
    """While one user pays, another user's credits stay where they are."""
    seen = False
    for made in stage.in_order:
        if made.bystander is not None and made.bystanding is not None:
            seen = True
            equal(made.bystander, made.bystanding, "another user's balance", made.witness)
    if not seen:
        raise Inconclusive("no generation was made")


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


@check("LED-1", uses=ALL)
def ledger_takes_nothing_else(stage: Stage) -> None:
    """Reads, polls and requests that are refused cost nothing."""
    _nothing_else(stage, ("a request answered 402",))


def _nothing_else(stage: Stage, but: tuple[str, ...] = ()) -> None:
    seen = [free for free in stage.freebies if free.what not in but]
    for free in seen:
        if free.before != free.after and free.exchange.status not in (200, 202):
            raise Broken(
                f"{free.what} moved the balance of {free.role} from {free.before} to {free.after}",
                free.exchange,
                expected=f"{free.before} credits still",
            )
    if not seen:
        raise NotAsked("no request was refused")


@check("LED-1", "CRD-3", uses=ALL)
def ledger_adds_up(stage: Stage) -> None:
    """The balance is the start minus what the generations cost, and nobody else paid."""
    made = [one for one in stage.in_order if one.accepted]
    if any(one.used is None and (one.ended or one.exchange.status == 200) for one in made):
        raise Inconclusive("a generation did not tell what it cost")
    if any(one.exchange.status == 202 and not (one.ended or one.refused) for one in made):
        raise Inconclusive("a task has not ended")
    if stage.accepted_unasked():
        raise Inconclusive("requests were accepted that should have been refused")
    if "valid" in stage.starts and made:
        expected = stage.starts["valid"] - sum(one.used or 0 for one in made)
        exchange = stage.target.get("credits")
        found = find_balance(expect(exchange, 200), exchange)
        equal(expected, found, "the balance", exchange)
    if "other" in stage.starts:
        exchange = stage.target.get("credits", key="other")
        found = find_balance(expect(exchange, 200), exchange)
        equal(stage.starts["other"], found, "the balance of another user", exchange)


# What the page leaves open.


@check("CRD-4", uses=("page",))
def credits_are_read_for_nothing(stage: Stage) -> None:
    """Reading the balance never changes it, nor does any request answered 4xx."""
    first = stage.credits()
    known = stage.made("page").id or "clx_no_such_generation"
    for path in ("credits", f"generations/{known}", "generations/clx_no_such_generation"):
        exchange = stage.target.get(path)
        equal(first, stage.credits(), f"the balance after GET {path}", exchange)
    _nothing_else(stage)


@check("CRD-2", level="inferred")
def credits_are_not_nested(stage: Stage) -> None:
    """The balance object itself is the answer."""
    exchange = stage.target.get("credits")
    for error in oracle.open_answer("get_credits", 200).iter_errors(expect(exchange, 200)):
        raise Broken(f"not as the law says: {error.message[:200]}", exchange)


@check("LED-1", level="inferred", uses=("page",), cost=_UNIT)
def ledger_makes_a_repeated_request_anew(stage: Stage) -> None:
    """The same request twice is two generations, each of which is charged."""
    first, before = stage.good("page"), stage.credits()
    recipe = RECIPES["page"]
    exchange = stage.target.post(recipe.fields(recipe.prompt), cost=_UNIT)
    body = expect(exchange, 200)
    stage.follow(Made("page again", recipe, 1, "1024x1024", exchange, ended=True))
    if body.get("id") == first.id:
        raise Broken("the second has the first one's id", exchange, expected="another id")
    equal(before - _UNIT, stage.credits(), "the balance after the second", exchange)


@check("LED-5", needs=("broke",), cost=_UNIT)
def ledger_leaves_no_trace_of_a_refusal(stage: Stage) -> None:
    """402 charges nothing and leaves no generation behind."""
    short_of_credits(stage, "broke")
    body = expect(refused_for_money(stage, stage.body(), "broke"), 402)
    name = body.get("id") or (body.get("error") or {}).get("generation_id")
    if isinstance(name, str):
        expect_error(stage.target.get(f"generations/{name}", key="broke"), 404, "notFound")


@check("LED-6", uses=ALL)
def ledger_is_the_sum_of_its_generations(stage: Stage) -> None:
    """The balance equals the start minus the sum of usage.credits, and is never negative."""
    ledger_adds_up(stage)
    for role in stage.starts:
        if stage.credits(role) < 0:
            raise Broken(f"the balance of {role} is negative", stage.target.exchanges[-1])


@check("LED-7", needs=("low",))
def ledger_takes_an_exact_balance(stage: Stage) -> None:
    """A balance exactly equal to the price is enough."""
    if not stage.facts.get("low spent"):
        raise Inconclusive("keys.low had no credits to spend")
    start, end = stage.facts["low spent"], stage.credits("low")
    if start % _UNIT:
        raise Inconclusive(f"keys.low had {start} credits, no multiple of {_UNIT}")
    equal(0, end, "what is left of an exact balance", stage.target.exchanges[-1])
