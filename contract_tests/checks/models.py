"""The model list: models, prices, defaults and limits (MOD-1 to MOD-8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mockhub.spec.operations import OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import assert_equal, expect, require_field, require_json
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import Failed

_TIER_PATTERN = re.compile(r"[0-9]+K", re.IGNORECASE)
_RATIO_PATTERN = re.compile(r"auto|[0-9]+:[0-9]+")
_MIN_VALUES = 3  # one may be a default, two a default and its like
_LIMIT_FIELD = "reference_image_limit"


def documented_model(context: CheckContext) -> tuple[dict[str, Any], Exchange]:
    """What the list says of the documented model."""
    exchange = context.model_list()
    if exchange.status != 200:
        expect(exchange, 200)
    for found in _objects(require_json(exchange)):
        if oracle.MODEL in (found.get("id"), found.get("model"), found.get("name")):
            return found, exchange
        inner = found.get(oracle.MODEL)
        if isinstance(inner, dict):
            return {"id": oracle.MODEL, **inner}, exchange
    raise Failed(f"{oracle.MODEL} is not listed", exchange, expected=f"a model {oracle.MODEL}")


@check("MOD-2", "END-1")
def models_include_documented_model(context: CheckContext) -> None:
    """gpt-image-2 is listed, with provider openai and by its own name."""
    found, exchange = documented_model(context)
    texts = {text.casefold() for text in _texts(found)}
    if not any("openai" in text for text in texts):
        raise Failed("no provider openai", exchange, expected="provider: openai")
    for key in ("name", "display_name", "displayName", "title", "label"):
        name = found.get(key)
        if isinstance(name, str) and _normalized(name) != "gptimage2":
            raise Failed(f"{key} is {name!r}", exchange, expected="GPT IMAGE 2")
    provider = found.get("provider")
    if isinstance(provider, str):
        assert_equal("openai", provider, "provider", exchange)


@check("MOD-3")
def models_show_prices(context: CheckContext) -> None:
    """Credits per image: 8 at 1K, 10 at 2K, 12 at 4K."""
    found, exchange = documented_model(context)
    listed_prices = _listed_prices(found)
    for tier, credits in oracle.prices().items():
        if tier in listed_prices and credits not in listed_prices[tier]:
            raise Failed(
                f"{tier} costs {sorted(listed_prices[tier])}",
                exchange,
                expected=f"{credits} credits",
            )
    numbers = {int(number) for text in _texts(found) for number in re.findall(r"[0-9]+", text)}
    missing = [credits for tier, credits in oracle.prices().items() if tier not in listed_prices]
    if absent := set(missing) - numbers:
        raise Failed(f"nothing costs {sorted(absent)}", exchange, expected=str(oracle.prices()))


@check("MOD-4")
def models_show_defaults(context: CheckContext) -> None:
    """Where default options are told, they are auto and 1K."""
    found, exchange = documented_model(context)
    defaults = {name: value for name, value in found.items() if "default" in name.lower()}
    texts = set(_texts(defaults))
    ratios = {text for text in texts if _RATIO_PATTERN.fullmatch(text)}
    tiers = {text for text in texts if _TIER_PATTERN.fullmatch(text)}
    if ratios - {"auto"} or tiers - {"1K"}:
        raise Failed(f"the defaults are {sorted(texts)}", exchange, expected="auto, 1K")


@check("MOD-5")
def models_show_qualities(context: CheckContext) -> None:
    """The supported qualities are 1K, 2K and 4K."""
    found, exchange = documented_model(context)
    qualities = found.get("supported_qualities")
    if isinstance(qualities, list) and all(isinstance(quality, str) for quality in qualities):
        assert_equal(sorted(oracle.TIERS), sorted(qualities), "supported_qualities", exchange)
    _assert_values(found, _TIER_PATTERN, set(oracle.TIERS), "supported qualities", exchange)


@check("MOD-6")
def models_show_aspect_ratios(context: CheckContext) -> None:
    """The supported ratios are auto and the fifteen of the page."""
    found, exchange = documented_model(context)
    _assert_values(found, _RATIO_PATTERN, set(oracle.ratios()), "supported ratios", exchange)


@check("MOD-7")
def models_show_reference_limit(context: CheckContext) -> None:
    """reference_image_limit of gpt-image-2 is 16."""
    found, exchange = documented_model(context)
    limits = [value[_LIMIT_FIELD] for value in _objects(found) if _LIMIT_FIELD in value]
    if not limits:
        raise Failed(f"{_LIMIT_FIELD} is missing", exchange, expected=f"{_LIMIT_FIELD}: 16")
    for limit in limits:
        assert_equal(oracle.reference_limit(), limit, _LIMIT_FIELD, exchange)


@check("MOD-1")
def models_show_capabilities(context: CheckContext) -> None:
    """Each model has an id, a provider, ratios, qualities, a reference limit and prices."""
    found, exchange = documented_model(context)
    if not any(_LIMIT_FIELD in value for value in _objects(found)):
        raise Failed(f"{_LIMIT_FIELD} is missing", exchange, expected=_LIMIT_FIELD)
    for name, pattern in (("qualities", _TIER_PATTERN), ("ratios", _RATIO_PATTERN)):
        if len({text for text in _texts(found) if pattern.fullmatch(text)}) < _MIN_VALUES:
            raise Failed(f"no {name} are told", exchange, expected=f"supported {name}")
    texts = (*found, *_texts(found))
    if not any(word in text.casefold() for text in texts for word in ("provider", "openai")):
        raise Failed("no provider is told", exchange, expected="provider")
    if not _listed_prices(found):
        models_show_prices(context)


@check("MOD-4", fixtures=("auto",))
def generate_defaults_to_1k(context: CheckContext) -> None:
    """A request for size auto is of the default quality, 1K."""
    generation = context.completed("auto")
    assert_equal(
        "1K",
        require_field(generation.final_body, "quality", str, generation.final_exchange),
        "quality",
        generation.final_exchange,
    )


@check("MOD-8")
def models_match_response_schema(context: CheckContext) -> None:
    """The list is {object: list, data: [...]} with the fields that the law names."""
    exchange = context.model_list()
    for error in oracle.response_validator(OperationId.LIST_MODELS, 200).iter_errors(
        expect(exchange, 200)
    ):
        raise Failed(
            f"{_pointer(error)}: {error.message}", exchange, expected="the schema of the model list"
        )


def _pointer(error: Any) -> str:
    return "/".join(str(part) for part in error.instance_path) or "the body"


def _assert_values(
    found: dict[str, Any],
    pattern: re.Pattern[str],
    expected: set[str],
    name: str,
    exchange: Exchange,
) -> None:
    lists = [
        words for words in _value_lists(found) if all(pattern.fullmatch(word) for word in words)
    ]
    for words in lists:
        if set(words) != expected:
            raise Failed(
                _difference(name, set(words), expected), exchange, expected=f"{sorted(expected)}"
            )
    if not lists:
        listed = {text for text in _texts(found) for text in pattern.findall(text)}
        if not expected <= listed:
            raise Failed(
                _difference(name, listed, expected), exchange, expected=f"{sorted(expected)}"
            )


def _difference(name: str, listed: set[str], expected: set[str]) -> str:
    missing, unexpected = sorted(expected - listed), sorted(listed - expected)
    return (
        f"{name}:"
        + (f" {missing} missing" if missing else "")
        + (f" {unexpected} too many" if unexpected else "")
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


def _value_lists(value: Any) -> Iterator[list[str]]:
    """Every list of words that is no default; of objects, their ids count."""
    if isinstance(value, dict):
        for name, item in value.items():
            if "default" not in name.lower():
                yield from _value_lists(item)
    elif isinstance(value, list):
        words = [_value_name(item) for item in value]
        if len(words) > 1 and all(word is not None for word in words):
            yield [word for word in words if word is not None]
        for item in value:
            yield from _value_lists(item)


def _value_name(item: Any) -> str | None:
    if isinstance(item, dict):
        named = (item.get(name) for name in ("id", "name", "value", "quality", "ratio", "tier"))
        item = next((word for word in named if isinstance(word, str)), None)
    return item if isinstance(item, str) else None


def _listed_prices(value: Any) -> dict[str, set[int]]:
    """The numbers that stand beside each tier."""
    prices: dict[str, set[int]] = {}
    for found in _objects(value):
        for name, item in found.items():
            numbers = [item] if type(item) in (int, float) else _credit_numbers(item)
            if name in oracle.TIERS and numbers:
                prices.setdefault(name, set()).update(numbers)
        tiers = [item for item in found.values() if isinstance(item, str) and item in oracle.TIERS]
        if len(tiers) == 1 and (numbers := _credit_numbers(found)):
            prices.setdefault(tiers[0], set()).update(numbers)
    return prices


def _credit_numbers(value: Any) -> list[Any]:
    """The numbers of an object whose names speak of money."""
    if not isinstance(value, dict):
        return []
    return [
        number
        for name, number in value.items()
        if type(number) in (int, float) and re.search("credit|price|cost", name, re.IGNORECASE)
    ]


def _normalized(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.casefold())
