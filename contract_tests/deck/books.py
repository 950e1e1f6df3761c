"""The books: they add up over everything that was asked, and nobody else has paid."""

from __future__ import annotations

from .. import oracle
from ..checks import check
from ..made import Made
from ..reading import equal, expect, expect_error, field, find_balance
from ..recipes import RECIPES
from ..stage import Stage
from ..verdicts import Broken, Inconclusive, NotAsked
from .funds import each_its_own, refused_for_money, short_of_credits
from .generate import ALL
from .ledger import unit_of
from .tasks import _ends

_UNIT = oracle.unit()


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
    each_its_own(exchanges)
    cost = 0
    for made in tasks:
        _ends(stage, made)
        _as_asked(made, made.n * unit_of(made))
        cost += made.n * unit_of(made)
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
