"""The model list; of its field names the page fixes only reference_image_limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .. import oracle
from ..checks import check
from ..exchange import Exchange
from ..reading import equal, expect, read_json
from ..stage import Stage
from ..verdicts import Broken

_TIER = re.compile(r"[0-9]+K", re.IGNORECASE)
_RATIO = re.compile(r"auto|[0-9]+:[0-9]+")
_SEVERAL = 3  # one may be a default, two a default and its like
_LIMIT = "reference_image_limit"


def listing(stage: Stage) -> Exchange:
    """The model list, fetched once without a key."""
    found: Exchange = stage.remember("models", lambda: stage.target.get("models", key=None))
    return found


def entry(stage: Stage) -> tuple[dict[str, Any], Exchange]:
    """What the list says of the documented model."""
    exchange = listing(stage)
    if exchange.status != 200:
        expect(exchange, 200)
    for found in _objects(read_json(exchange)):
        if oracle.MODEL in (found.get("id"), found.get("model"), found.get("name")):
            return found, exchange
        inner = found.get(oracle.MODEL)
        if isinstance(inner, dict):
            return {"id": oracle.MODEL, **inner}, exchange
    raise Broken(f"{oracle.MODEL} is not listed", exchange, expected=f"a model {oracle.MODEL}")


@check("END-1", "AUTH-1")
def models_need_no_key(stage: Stage) -> None:
    """GET /api/v1/models answers 200 without a key."""
    if listing(stage).status != 200:
        expect(listing(stage), 200)
    read_json(listing(stage))


@check("END-1", "MOD-2")
def models_list_the_model(stage: Stage) -> None:
    """gpt-image-2 is listed, with provider openai and by its own name."""
    found, exchange = entry(stage)
    texts = {text.casefold() for text in _texts(found)}
    if not any("openai" in text for text in texts):
        raise Broken("no provider openai", exchange, expected="provider: openai")
    for field in ("name", "display_name", "displayName", "title", "label"):
        name = found.get(field)
        if isinstance(name, str) and _plain(name) != "gptimage2":
            raise Broken(f"{field} is {name!r}", exchange, expected="GPT IMAGE 2")
    provider = found.get("provider")
    if isinstance(provider, str):
        equal("openai", provider, "provider", exchange)


@check("END-1", "AUTH-1")
def models_do_not_mind_a_key(stage: Stage) -> None:
    """The list is the same with a valid key."""
    expected = read_json(listing(stage))
    exchange = stage.target.get("models", key="valid")
    if exchange.status != 200:
        expect(exchange, 200)
    equal(oracle.MODEL in str(expected), oracle.MODEL in exchange.text, "the model in it", exchange)


@check("AUTH-11")
def models_ignore_an_unknown_key(stage: Stage) -> None:
    """The list is public whatever Authorization header comes along."""
    for header in ("Bearer gih_live_" + "0" * 32, "Bearer x", "Basic eDp5", "nonsense"):
        expect(stage.target.get("models", key=None, headers={"Authorization": header}), 200)


@check("MOD-3")
def models_tell_the_price(stage: Stage) -> None:
    """Credits per image: 8 at 1K, 10 at 2K, 12 at 4K."""
    found, exchange = entry(stage)
    told = _prices(found)
    for tier, credits in oracle.prices().items():
        if tier in told and credits not in told[tier]:
            raise Broken(
                f"{tier} costs {sorted(told[tier])}", exchange, expected=f"{credits} credits"
            )
    numbers = {int(number) for text in _texts(found) for number in re.findall(r"[0-9]+", text)}
    missing = [credits for tier, credits in oracle.prices().items() if tier not in told]
    if lacking := set(missing) - numbers:
        raise Broken(f"nothing costs {sorted(lacking)}", exchange, expected=str(oracle.prices()))


@check("MOD-4")
def models_tell_the_defaults(stage: Stage) -> None:
    """Where default options are told, they are auto and 1K."""
    found, exchange = entry(stage)
    told = {name: value for name, value in found.items() if "default" in name.lower()}
    texts = set(_texts(told))
    ratios = {text for text in texts if _RATIO.fullmatch(text)}
    tiers = {text for text in texts if _TIER.fullmatch(text)}
    if ratios - {"auto"} or tiers - {"1K"}:
        raise Broken(f"the defaults are {sorted(texts)}", exchange, expected="auto, 1K")


@check("MOD-5")
def models_tell_the_qualities(stage: Stage) -> None:
    """The supported qualities are 1K, 2K and 4K."""
    found, exchange = entry(stage)
    told = found.get("supported_qualities")
    if isinstance(told, list) and all(isinstance(word, str) for word in told):
        equal(sorted(oracle.TIERS), sorted(told), "supported_qualities", exchange)
    _listed(found, _TIER, set(oracle.TIERS), "supported qualities", exchange)


@check("MOD-6")
def models_tell_the_ratios(stage: Stage) -> None:
    """The supported ratios are auto and the fifteen of the page."""
    found, exchange = entry(stage)
    _listed(found, _RATIO, set(oracle.ratios()), "supported ratios", exchange)


@check("MOD-7")
def models_tell_the_reference_limit(stage: Stage) -> None:
    """reference_image_limit of gpt-image-2 is 16."""
    found, exchange = entry(stage)
    limits = [value[_LIMIT] for value in _objects(found) if _LIMIT in value]
    if not limits:
        raise Broken(f"{_LIMIT} is missing", exchange, expected=f"{_LIMIT}: 16")
    for limit in limits:
        equal(oracle.reference_limit(), limit, _LIMIT, exchange)


@check("MOD-1")
def models_tell_what_each_can(stage: Stage) -> None:
    """Each model has an id, a provider, ratios, qualities, a reference limit and prices."""
    found, exchange = entry(stage)
    if not any(_LIMIT in value for value in _objects(found)):
        raise Broken(f"{_LIMIT} is missing", exchange, expected=_LIMIT)
    for what, pattern in (("qualities", _TIER), ("ratios", _RATIO)):
        if len({text for text in _texts(found) if pattern.fullmatch(text)}) < _SEVERAL:
            raise Broken(f"no {what} are told", exchange, expected=f"supported {what}")
    told = (*found, *_texts(found))
    if not any(word in text.casefold() for text in told for word in ("provider", "openai")):
        raise Broken("no provider is told", exchange, expected="provider")
    if not _prices(found):
        models_tell_the_price(stage)


@check("MOD-8")
def models_have_the_shape_of_the_law(stage: Stage) -> None:
    """The list is {object: list, data: [...]} with the fields that the law names."""
    exchange = listing(stage)
    for error in oracle.open_answer("list_models", 200).iter_errors(expect(exchange, 200)):
        raise Broken(f"{_at(error)}: {error.message}", exchange, expected="the law's model list")


def _at(error: Any) -> str:
    return "/".join(str(part) for part in error.instance_path) or "the body"


def _listed(
    found: dict[str, Any], pattern: re.Pattern[str], wanted: set[str], what: str, exchange: Exchange
) -> None:
    lists = [words for words in _lists(found) if all(pattern.fullmatch(word) for word in words)]
    for words in lists:
        if set(words) != wanted:
            raise Broken(
                _difference(what, set(words), wanted), exchange, expected=f"{sorted(wanted)}"
            )
    if not lists:
        told = {text for text in _texts(found) for text in pattern.findall(text)}
        if not wanted <= told:
            raise Broken(_difference(what, told, wanted), exchange, expected=f"{sorted(wanted)}")


def _difference(what: str, told: set[str], wanted: set[str]) -> str:
    lacks, more = sorted(wanted - told), sorted(told - wanted)
    return (
        f"{what}:" + (f" {lacks} missing" if lacks else "") + (f" {more} too many" if more else "")
    )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _objects(item)


def _texts(value: Any) -> Iterator[str]:
    """Every text, number and key in *value*, as text."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, (str, int, float)):
        yield str(value)


def _lists(value: Any) -> Iterator[list[str]]:
    """Every list of words that is no default; of objects, their ids count."""
    if isinstance(value, dict):
        for name, item in value.items():
            if "default" not in name.lower():
                yield from _lists(item)
    elif isinstance(value, list):
        words = [_word(item) for item in value]
        if len(words) > 1 and all(word is not None for word in words):
            yield [word for word in words if word is not None]
        for item in value:
            yield from _lists(item)


def _word(item: Any) -> str | None:
    if isinstance(item, dict):
        named = (item.get(name) for name in ("id", "name", "value", "quality", "ratio", "tier"))
        item = next((word for word in named if isinstance(word, str)), None)
    return item if isinstance(item, str) else None


def _prices(value: Any) -> dict[str, set[int]]:
    """The numbers that stand beside each tier."""
    told: dict[str, set[int]] = {}
    for found in _objects(value):
        for name, item in found.items():
            numbers = [item] if type(item) in (int, float) else _costs(item)
            if name in oracle.TIERS and numbers:
                told.setdefault(name, set()).update(numbers)
        tiers = [item for item in found.values() if isinstance(item, str) and item in oracle.TIERS]
        if len(tiers) == 1 and (numbers := _costs(found)):
            told.setdefault(tiers[0], set()).update(numbers)
    return told


def _costs(value: Any) -> list[Any]:
    """The numbers of an object whose names speak of money."""
    if not isinstance(value, dict):
        return []
    return [
        number
        for name, number in value.items()
        if type(number) in (int, float) and re.search("credit|price|cost", name, re.IGNORECASE)
    ]


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.casefold())
