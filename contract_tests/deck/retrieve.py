"""Reading generations back, and who may."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from .. import oracle
from ..checks import check
from ..exchange import Exchange
from ..made import Made
from ..reading import answered, equal, expect, expect_error, field, read_object
from ..stage import Stage
from ..verdicts import Broken, Inconclusive
from .generate import common_fields, image_fields

_UNKNOWN = (
    "clx_mockhub_no_such_generation",
    "7",
    "no-such-generation",
    "00000000-0000-4000-8000-000000000000",
    "x" * 200,
)
READ = ("page", "page_form", "many_references", "portrait", "two_k", "page_async", "several_async")


def _known(stage: Stage, names: tuple[str, ...]) -> list[Made]:
    """The generations of *names* that were accepted and gave an id."""
    found = [made for name in names if (made := stage.made(name)).accepted and made.id]
    if not found:
        raise Inconclusive("no generation gave an id", stage.made(names[0]).exchange)
    return found


def reads(stage: Stage, made: Made) -> list[Exchange]:
    """Two reads of a generation, some time apart and made once; the first of all are together."""
    if "reads" not in stage.facts:
        known = _known(stage, READ)
        calls = [partial(stage.target.get, _path(one)) for one in known for _ in range(2)]
        found = list(stage.together(calls))
        stage.facts["reads"] = {
            one.name: found[2 * at : 2 * at + 2] for at, one in enumerate(known)
        }
    exchanges: list[Exchange] = stage.facts["reads"][made.name]
    return exchanges


def _path(made: Made) -> str:
    return f"generations/{quote(made.id or '', safe='')}"


@check("RET-1", "END-4", uses=READ)
def retrieve_reads_the_log_back(stage: Stage) -> None:
    """The id reads back its generation: the same id, status, tier, ratio and price."""
    for made in _known(stage, READ):
        for exchange in reads(stage, made):
            body = expect(exchange, 200)
            common_fields(body, exchange)
            for name in ("id", "status", "model", "aspect_ratio", "quality"):
                equal(made.final.get(name), body.get(name), name, exchange, made.witness)
            equal(made.used, field(body, "usage.credits", int, exchange), "usage.credits", exchange)


@check("RET-1", uses=READ)
def retrieve_reads_the_images_back(stage: Stage) -> None:
    """The saved images are those that were delivered, on every read."""
    for made in _known(stage, READ):
        for exchange in reads(stage, made):
            images = field(expect(exchange, 200), "images", list, exchange)
            image_fields(images, exchange)
            body = expect(exchange, 200)
            equal(_images(made.final), _images(body), "images", exchange, made.witness)
            same_times(made.final, body, exchange, made.witness)


def same_times(before: dict[str, Any], after: dict[str, Any], *exchanges: Exchange) -> None:
    """Hold what two reads tell in the same form to the same time."""
    pairs = [("created_at", before.get("created_at"), after.get("created_at"))]
    for one, two in zip(before.get("images") or (), after.get("images") or (), strict=False):
        if isinstance(one, dict) and isinstance(two, dict):
            pairs.append(("images.created_at", one.get("created_at"), two.get("created_at")))
    for what, old, new in pairs:
        if isinstance(old, str) and isinstance(new, str) and len(old) == len(new):
            equal(old, new, what, *exchanges)


def _images(body: dict[str, Any]) -> list[tuple[Any, str]]:
    """Ids and addresses; a signature in the query may differ from read to read."""
    images = body.get("images")
    return [
        (image.get("id"), urlsplit(str(image.get("url")))._replace(query="", fragment="").geturl())
        for image in (images if isinstance(images, list) else [])
        if isinstance(image, dict)
    ]


@check("RET-1", uses=READ)
def retrieve_keeps_generations_apart(stage: Stage) -> None:
    """No two generations share an id."""
    seen: dict[str, Made] = {}
    for made in _known(stage, READ):
        if made.id in seen:
            raise Broken(
                f"the id {made.id!r} was given twice", seen[made.id].exchange, made.exchange,
                expected="an id of its own",
            )  # fmt: skip
        seen[made.id or ""] = made


@check("RET-2", "ERR-5", needs=("other",), uses=("page", "page_async", "page_form"))
def retrieve_is_for_the_owner(stage: Stage) -> None:
    """Another user's generation is 404 notFound, finished or not, like one that does not exist."""
    for made in _known(stage, ("page", "page_form", "page_async")):
        for role in ("other", "low", "broke"):
            if role not in stage.profile.keys:
                continue
            peek = made.peeks.get(role)
            for exchange in (stage.target.get(_path(made), key=role), *([peek] if peek else [])):
                expect_error(exchange, 404, "notFound")
    exchange = stage.read(_known(stage, ("page", "page_async"))[0])
    if answered(exchange).status != 200:
        raise Broken("the owner cannot read it any more", exchange, expected="HTTP 200")


@check("RET-2", needs=("other", "provider_failure"), uses=("failure_async",))
def retrieve_of_a_failure_is_for_the_owner(stage: Stage) -> None:
    """A task that failed is another user's affair no more than one that succeeded."""
    for made in _known(stage, ("failure_async",)):
        expect_error(stage.target.get(_path(made), key="other"), 404, "notFound")


@check("RET-3", "ERR-5", uses=("page",))
def retrieve_of_an_unknown_id(stage: Stage) -> None:
    """An unknown id is 404 notFound."""
    known = stage.made("page").id or "clx_generation_log_id"
    last = known[-1]
    like = known[:-1] + ("q" if last != "q" else "p")
    digit = known[:-1] + ("7" if last != "7" else "8")
    near = (digit if last.isdigit() else like, known + "x", known[:-1], known[: len(known) // 2])
    for unknown in (*_UNKNOWN, *near):
        exchange = stage.target.get(f"generations/{quote(unknown, safe='')}")
        if exchange.status == 200 and read_object(exchange).get("id") == unknown:
            continue  # ids that are counted; it is one from before
        expect_error(exchange, 404, "notFound")


@check("RET-3", uses=("page",))
def retrieve_takes_no_wildcards(stage: Stage) -> None:
    """An id is taken literally: % or * finds nothing."""
    _known(stage, ("page",))
    for odd in ("%", "*", "_", "%_%"):
        exchange = answered(stage.target.get(f"generations/{quote(odd, safe='')}", open=True))
        if exchange.status == 200:
            raise Broken(f"the id {odd!r} finds a generation", exchange, expected="404 notFound")


# What the page leaves open.


@check("RET-2", level="inferred", needs=("other",), uses=("page",))
def retrieve_tells_strangers_nothing(stage: Stage) -> None:
    """The answer to a stranger is word for word that to an unknown id."""
    made = _known(stage, ("page",))[0]
    foreign = stage.target.get(_path(made), key="other")
    unknown = stage.target.get("generations/clx_no_such_generation", key="other")
    plain = foreign.text.replace(made.id or "", "ID")
    equal(
        unknown.text.replace("clx_no_such_generation", "ID"), plain, "the answer", foreign, unknown
    )


@check("RET-4", uses=READ)
def retrieve_tells_the_same_on_every_read(stage: Stage) -> None:
    """What was final stays as it was, to the letter."""
    for made in _known(stage, READ):
        first, again = reads(stage, made)
        same_times(made.body, expect(first, 200), first, made.exchange)
        equal(expect(first, 200), expect(again, 200), "a later read", again, first)


@check("RET-1", level="inferred", uses=READ)
def retrieve_has_the_shape_of_the_law(stage: Stage) -> None:
    """A generation that is read back is as the law describes it."""
    for made in _known(stage, READ):
        for exchange in reads(stage, made):
            for error in oracle.open_answer("get_generation", 200).iter_errors(
                expect(exchange, 200)
            ):
                raise Broken(f"not as the law says: {error.message[:200]}", exchange)
