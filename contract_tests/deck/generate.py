"""Synchronous generation: the answer, its images, its price."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from .. import oracle
from ..checks import check
from ..exchange import Exchange
from ..made import Made
from ..reading import answered, equal, expect, field, kind, timestamp
from ..stage import Stage
from ..verdicts import Broken, Inconclusive, NotAsked, Verdict
from .request import _taken

_RATIO = re.compile("auto|[0-9]+:[0-9]+")
_QUARTER, _DAY, _CLOSE = 900, 24 * 3600, 8  # seconds
SYNC = (
    "page",
    "portrait",
    "auto",
    "two_k",
    "four_k",
    "page_form",
    "plain_form",
    "three",
    "many_references",
)
ALL = (*SYNC, "page_async", "several_async")


def each(stage: Stage, names: tuple[str, ...]) -> Iterator[Made]:
    """The generations of *names* that were accepted and ended.

    What could not be made is told at the end, when the others have been judged.
    """
    held: Verdict | None = None
    some = False
    for name in names:
        try:
            made = stage.made(name)
            answered(made.exchange)
        except (Inconclusive, NotAsked) as verdict:
            held = held or verdict
            continue
        if made.accepted and (made.exchange.status == 200 or made.ended):
            some = True
            yield made
    if held:
        raise held
    if not some:
        raise Inconclusive("no generation succeeded", stage.made(names[0]).exchange)


@check("GEN-1", "END-3", uses=("page", "portrait", "page_form"))
def generate_waits_for_completion(stage: Stage) -> None:
    """Without async, or with async false, the answer is 200 and its status succeeded."""
    for name in ("page", "page_form", "portrait"):
        _taken(stage, name)
        made = stage.made(name)
        if made.exchange.status == 400:
            continue
        equal(200, made.exchange.status, "the status", made.exchange)
        equal("succeeded", expect(made.exchange, 200).get("status"), "status", made.exchange)


@check("GEN-2", uses=SYNC)
def generate_answers_with_each_field(stage: Stage) -> None:
    """The answer has object, id, model, aspect_ratio, quality, images, usage and balance."""
    for made in each(stage, SYNC):
        common_fields(expect(made.exchange, made.exchange.status), made.exchange)
        field(made.body, "balance", dict, made.exchange)
        field(made.body, "usage.credits", int, made.exchange)


def common_fields(body: Any, exchange: Exchange) -> None:
    """What every published answer about a generation has."""
    equal("image_generation", field(body, "object", str, exchange), "object", exchange)
    equal(oracle.MODEL, field(body, "model", str, exchange), "model", exchange)
    for name in ("id", "status", "aspect_ratio", "quality"):
        field(body, name, str, exchange, empty=False)
    field(body, "images", list, exchange)
    field(body, "usage", dict, exchange)


@check("GEN-3", uses=ALL)
def generate_delivers_as_many_as_asked(stage: Stage) -> None:
    """n images for n requested, each {id, object: image, url, created_at}, and none twice."""
    for made in each(stage, ALL):
        images = field(made.final, "images", list, made.witness)
        equal(made.n, len(images), "the number of images", made.witness)
        image_fields(images, made.witness)


def image_fields(images: list[Any], exchange: Exchange) -> None:
    """Hold images to their documented fields."""
    for image in images:
        if not isinstance(image, dict):
            raise Broken(f"an image is {kind(image)}", exchange, expected="an object")
        equal("image", field(image, "object", str, exchange), "images.object", exchange)
        for name in ("id", "url"):
            field(image, name, str, exchange, empty=False)
        field(image, "created_at", str, exchange)
    if len({(image["id"], image["url"]) for image in images}) < len(images):
        raise Broken("the same image is delivered twice", exchange, expected="different images")


@check("GEN-4", uses=("page", "portrait", "page_form", "page_async"))
def generate_names_the_tier(stage: Stage) -> None:
    """quality in the answer is the tier: 1024x1024 with quality high is 1K."""
    for made in each(stage, ("page", "portrait", "page_form", "page_async")):
        for body, exchange in ((made.body, made.exchange), (made.final, made.witness)):
            quality = field(body, "quality", str, exchange)
            if quality not in oracle.TIERS or (made.size == "1024x1024" and quality != "1K"):
                raise Broken(f"quality is {quality!r}", exchange, expected="quality: 1K")


@check("GEN-5", uses=ALL)
def generate_names_the_ratio(stage: Stage) -> None:
    """aspect_ratio in the answer is the ratio of the size: 1024x1024 is 1:1."""
    for made in each(stage, ALL):
        for body, exchange in ((made.body, made.exchange), (made.final, made.witness)):
            ratio = field(body, "aspect_ratio", str, exchange)
            if made.size != "auto" and not oracle.same_ratio(made.size, ratio):
                raise Broken(
                    f"{made.size} is {ratio!r}", exchange, expected="the ratio of the size"
                )
            if made.size == "1024x1024":
                equal("1:1", ratio, "aspect_ratio", exchange)
            if made.size == "auto" and not _RATIO.fullmatch(ratio):
                raise Broken(f"aspect_ratio is {ratio!r}", exchange, expected="auto or a ratio")


@check("GEN-6", "MOD-3", uses=ALL)
def generate_costs_the_tier_times_the_images(stage: Stage) -> None:
    """usage.credits is the number of images times the credits of the tier."""
    for made in each(stage, ALL):
        used = field(made.final, "usage.credits", int, made.witness)
        tier = field(made.final, "quality", str, made.witness)
        unit = oracle.prices().get("1K" if made.size == "1024x1024" else tier)
        if unit is None:
            raise Broken(f"quality is {tier!r}", made.witness, expected="1K, 2K or 4K")
        equal(made.n * unit, used, f"usage.credits of {made.n} at {tier}", made.witness)


@check("MOD-4", uses=("auto",))
def generate_draws_1k_by_default(stage: Stage) -> None:
    """A request for size auto is of the default quality, 1K."""
    made = stage.good("auto")
    equal("1K", field(made.final, "quality", str, made.witness), "quality", made.witness)


@check("GEN-7", "CRD-2", uses=SYNC)
def generate_tells_the_balance(stage: Stage) -> None:
    """balance in the answer is the balance after this charge, in the documented shape."""
    for made in each(stage, SYNC):
        exchange = made.exchange
        told = field(expect(exchange, made.exchange.status), "balance.credits", int, exchange)
        field(made.body, "balance.account_type", str, exchange, empty=False)
        expiration(field(made.body, "balance", dict, exchange), exchange)
        if made.alone and made.before is not None and made.used is not None:
            equal(made.before - made.used, told, "balance.credits", exchange)
        if made.alone and made.after is not None:
            equal(made.after, told, "balance.credits beside GET /credits", exchange)


def expiration(balance: dict[str, Any], exchange: Exchange) -> None:
    """Hold next_expiration to a moment or null; the page shows only null."""
    if "next_expiration" not in balance:
        raise Broken("next_expiration is missing", exchange, expected="a timestamp or null")
    found = balance["next_expiration"]
    if found is None:
        return
    try:
        datetime.fromisoformat(found)
    except (TypeError, ValueError):
        raise Broken(
            f"next_expiration is {found!r}", exchange, expected="a timestamp or null"
        ) from None


@check("GEN-8", uses=("page", "page_form", "page_async", "several_async"))
def generate_tells_time_in_utc(stage: Stage) -> None:
    """Timestamps are ISO 8601 in UTC."""
    for made in each(stage, ("page", "page_form", "page_async", "several_async")):
        for exchange in (made.exchange, *made.polls):
            for what, value in _stamps(exchange):
                _not_of_a_zone(timestamp(value, what, exchange), exchange)


def _not_of_a_zone(moment: datetime, exchange: Exchange) -> None:
    """A time that is wrong by whole quarters of an hour is that of a zone, called UTC.

    It may be ahead or behind, and wrong by up to a day where the hour was moved without the day.
    A clock that differs otherwise is the implementation's own affair: mocks have such clocks.
    """
    ahead = moment.timestamp() - exchange.at
    quarters = round(ahead / _QUARTER)
    if quarters and abs(ahead) < _DAY and abs(ahead - quarters * _QUARTER) < _CLOSE:
        raise Broken(
            f"created_at is {quarters / 4:g} hours from the time of the answer",
            exchange,
            expected="the time in UTC",
        )


def _stamps(exchange: Exchange) -> list[tuple[str, Any]]:
    try:
        body = exchange.parsed()
    except ValueError:
        return []
    if not isinstance(body, dict) or exchange.status >= 400:
        return []
    found = [("created_at", body["created_at"])] if "created_at" in body else []
    images = body.get("images")
    for image in images if isinstance(images, list) else []:
        if isinstance(image, dict) and "created_at" in image:
            found.append(("images.created_at", image["created_at"]))
    return found


# What the page leaves open.


@check("GEN-10", uses=ALL)
def generate_serves_the_images(stage: Stage) -> None:
    """Image URLs are absolute, need no key, and serve an image of the requested size."""
    from ..pictures import measure

    for made in each(stage, ALL):
        images = field(made.final, "images", list, made.witness)
        if len({field(image, "url", str, made.witness) for image in images}) < len(images):
            raise Broken("two images have one address", made.witness, expected="one each")
        for image in images:
            exchange = stage.target.get(field(image, "url", str, made.witness), key=None)
            if not image["url"].startswith(("http://", "https://")) or exchange.status != 200:
                raise Broken(
                    "the image cannot be fetched", exchange, made.witness, expected="HTTP 200"
                )
            found = measure(exchange.content)
            wanted = oracle.size_of(made.size)
            if found is None or (wanted is not None and found != wanted):
                raise Broken(f"the image is {found}", exchange, made.witness, expected=f"{wanted}")


@check("GEN-11", uses=ALL)
def generate_gives_each_image_its_id(stage: Stage) -> None:
    """Image ids are unique, within a generation and across them."""
    seen: dict[str, Made] = {}
    for made in each(stage, ALL):
        for image in field(made.final, "images", list, made.witness):
            name = field(image, "id", str, made.witness)
            if name in seen:
                raise Broken(f"the image id {name!r} comes twice", made.witness, seen[name].witness)
            seen[name] = made


@check(
    "GEN-12",
    uses=("page", "portrait", "auto", "two_k", "four_k", "above_1k", "above_2k", "wide"),
)
def generate_takes_the_tier_from_the_pixels(stage: Stage) -> None:
    """Up to 1536x1024 is 1K, up to 2048x2048 is 2K, beyond is 4K."""
    for name in (
        "page",
        "portrait",
        "auto",
        "two_k",
        "four_k",
        "above_1k",
        "above_2k",
        "wide",
    ):
        _taken(stage, name)
        made = stage.good(name)
        tier = field(made.final, "quality", str, made.witness)
        equal(oracle.tier_of(made.size), tier, f"quality of {made.size}", made.witness)


@check("GEN-5", level="inferred", uses=("wide", "auto"))
def generate_names_a_listed_ratio(stage: Stage) -> None:
    """2688x1152 is 21:9, as listed."""
    made = stage.good("wide")
    equal(
        "21:9", field(made.final, "aspect_ratio", str, made.witness), "aspect_ratio", made.witness
    )
