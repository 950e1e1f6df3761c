"""The model list: models, prices, defaults and limits (MOD-1 to MOD-8).

The documentation names only the field reference_image_limit, so the checks search the whole list
for values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mockhub.spec.operations import OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import (
    FailedCases,
    assert_equal,
    assert_matches_schema,
    expect,
    require_json,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.generation_assertions import assert_final
from mockhub.verify.outcomes import Failed

_TIER_PATTERN = re.compile(r"[0-9]+K", re.IGNORECASE)
_RATIO_PATTERN = re.compile(r"auto|[0-9]+:[0-9]+")
_MIN_VALUES = 3  # more than the defaults have
_LIMIT_FIELD = "reference_image_limit"
_NAME_FIELDS = ("name", "display_name", "displayName", "title", "label")
_VALUE_FIELDS = ("id", "name", "value", "quality", "ratio", "tier")


@check("MOD-2", "END-1")
def models_include_documented_model(context: CheckContext) -> None:
    """List gpt-image-2 with its name and with provider openai."""
    model, exchange = _documented_model(context)
    if not any("openai" in text.casefold() for text in _texts(model)):
        raise Failed("no provider openai", exchange, expected="provider: openai")
    names = {field: model[field] for field in _NAME_FIELDS if isinstance(model.get(field), str)}
    if names and not {oracle.model_name(), oracle.MODEL}.intersection(names.values()):
        for field, name in names.items():
            raise Failed(f"{field} is {name!r}", exchange, expected=oracle.model_name())
    provider = model.get("provider")
    if isinstance(provider, str):
        assert_equal(provider, "openai", "provider", exchange)


@check("MOD-3")
def models_show_prices(context: CheckContext) -> None:
    """List 8 credits per image at 1K, 10 at 2K and 12 at 4K."""
    model, exchange = _documented_model(context)
    listed_prices = _listed_prices(model)
    for tier, credits in oracle.prices().items():
        if tier in listed_prices and credits not in listed_prices[tier]:
            listed = sorted(listed_prices[tier])
            raise Failed(f"{tier} costs {listed}", exchange, expected=f"{credits} credits")
    numbers = {int(number) for text in _texts(model) for number in re.findall(r"[0-9]+", text)}
    missing = [credits for tier, credits in oracle.prices().items() if tier not in listed_prices]
    if absent := set(missing) - numbers:
        raise Failed(f"nothing costs {sorted(absent)}", exchange, expected=str(oracle.prices()))


@check("MOD-4")
def models_show_defaults(context: CheckContext) -> None:
    """List auto and 1K as the default options, if defaults are listed."""
    model, exchange = _documented_model(context)
    defaults = {name: value for name, value in model.items() if "default" in name.lower()}
    texts = set(_texts(defaults))
    ratios = {text for text in texts if _RATIO_PATTERN.fullmatch(text)}
    tiers = {text for text in texts if _TIER_PATTERN.fullmatch(text)}
    if ratios - {"auto"} or tiers - {"1K"}:
        raise Failed(f"the defaults are {sorted(texts)}", exchange, expected="auto, 1K")


@check("MOD-5")
def models_show_qualities(context: CheckContext) -> None:
    """List 1K, 2K and 4K as the supported qualities."""
    model, exchange = _documented_model(context)
    qualities = model.get("supported_qualities")
    if isinstance(qualities, list) and all(isinstance(quality, str) for quality in qualities):
        assert_equal(sorted(qualities), sorted(oracle.TIERS), "supported_qualities", exchange)
    _assert_values(model, _TIER_PATTERN, set(oracle.TIERS), "supported qualities", exchange)


@check("MOD-6")
def models_show_aspect_ratios(context: CheckContext) -> None:
    """List auto and the fifteen documented ratios as the supported ratios."""
    model, exchange = _documented_model(context)
    _assert_values(model, _RATIO_PATTERN, set(oracle.ratios()), "supported ratios", exchange)


@check("MOD-7")
def models_show_reference_limit(context: CheckContext) -> None:
    """List 16 as reference_image_limit of gpt-image-2."""
    model, exchange = _documented_model(context)
    limits = [value[_LIMIT_FIELD] for value in _objects(model) if _LIMIT_FIELD in value]
    if not limits:
        raise Failed(f"{_LIMIT_FIELD} is missing", exchange, expected=f"{_LIMIT_FIELD}: 16")
    for limit in limits:
        assert_equal(limit, oracle.reference_limit(), _LIMIT_FIELD, exchange)


@check("MOD-1")
def models_show_capabilities(context: CheckContext) -> None:
    """List id, provider, ratios, qualities, reference limit and prices of each model."""
    model, exchange = _documented_model(context)
    if not any(_LIMIT_FIELD in value for value in _objects(model)):
        raise Failed(f"{_LIMIT_FIELD} is missing", exchange, expected=_LIMIT_FIELD)
    texts = set(_texts(model))
    for name, pattern in (("qualities", _TIER_PATTERN), ("ratios", _RATIO_PATTERN)):
        if sum(bool(pattern.fullmatch(text)) for text in texts) < _MIN_VALUES:
            raise Failed(f"no {name} are listed", exchange, expected=f"supported {name}")
    if not any(word in text.casefold() for text in texts for word in ("provider", "openai")):
        raise Failed("no provider is listed", exchange, expected="provider")
    if not _listed_prices(model):
        models_show_prices(context)


@check("MOD-4", fixtures=("auto",))
def generate_defaults_to_1k(context: CheckContext) -> None:
    """Generate in the default quality, 1K, for size auto."""
    assert_final(context.completed("auto"), "quality", "1K")


@check("MOD-8")
def models_match_response_schema(context: CheckContext) -> None:
    """Return {object: list, data: [...]} with the fields of the API spec."""
    assert_matches_schema(context.model_list(), OperationId.LIST_MODELS)


@check("MOD-3", "MOD-5", "MOD-6", "MOD-7", last=True, pays_nothing=True)
def models_are_unchanged_at_end(context: CheckContext) -> None:
    """List the documented prices, values and limit at the end of the run and with a key, too."""
    assertions = (
        ("MOD-3", models_show_prices),
        ("MOD-5", models_show_qualities),
        ("MOD-6", models_show_aspect_ratios),
        ("MOD-7", models_show_reference_limit),
    )
    with FailedCases() as failures:
        for key, case in ((None, "after the generations"), ("valid", "with a key")):
            context.model_list(again=True, key=key)
            for clause, show in assertions:
                with failures.case(case, clause):
                    show(context)


def _documented_model(context: CheckContext) -> tuple[JsonObject, Exchange]:
    """Return the entry of the documented model in the list."""
    exchange = context.model_list()
    if exchange.status != 200:
        expect(exchange, 200)
    for model in _objects(require_json(exchange)):
        if oracle.MODEL in (model.get("id"), model.get("model"), model.get("name")):
            return model, exchange
        inner = model.get(oracle.MODEL)
        if isinstance(inner, dict):
            return {"id": oracle.MODEL, **inner}, exchange
    raise Failed(f"{oracle.MODEL} is not listed", exchange, expected=f"a model {oracle.MODEL}")


def _assert_values(
    model: JsonObject,
    pattern: re.Pattern[str],
    expected: set[str],
    name: str,
    exchange: Exchange,
) -> None:
    """Require each list of values that match *pattern* to be *expected*."""
    lists = [
        set(values)
        for values in _value_lists(model)
        if all(pattern.fullmatch(value) for value in values)
    ]
    if not lists:  # the values may be keys, or one text; further values may belong to other lists
        listed = {text for text in _texts(model) for text in pattern.findall(text)}
        lists = [listed if expected - listed else expected]
    for values in lists:
        if values != expected:
            missing, unexpected = sorted(expected - values), sorted(values - expected)
            difference = f"{missing} missing" if missing else f"{unexpected} unexpected"
            raise Failed(f"{name}: {difference}", exchange, expected=f"{sorted(expected)}")


def _walk(value: object) -> Iterator[object]:
    """Iterate over *value* and everything within it."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _walk(item)


def _objects(value: object) -> Iterator[JsonObject]:
    return (node for node in _walk(value) if isinstance(node, dict))


def _texts(value: object) -> Iterator[str]:
    """Iterate over every text, number and key within *value*, as text."""
    for node in _walk(value):
        if isinstance(node, dict):
            yield from map(str, node)
        elif isinstance(node, str | int | float):
            yield str(node)


def _value_lists(value: object) -> Iterator[list[str]]:
    """Iterate over the lists of values, except defaults; objects count by their id."""
    if isinstance(value, dict):
        for name, item in value.items():
            if "default" not in name.lower():
                yield from _value_lists(item)
    elif isinstance(value, list):
        values = [text for item in value if (text := _value_name(item)) is not None]
        if len(values) == len(value) > 1:
            yield values
        for item in value:
            yield from _value_lists(item)


def _value_name(item: object) -> str | None:
    if isinstance(item, dict):
        named = (item.get(name) for name in _VALUE_FIELDS)
        item = next((text for text in named if isinstance(text, str)), None)
    return item if isinstance(item, str) else None


def _listed_prices(value: object) -> dict[str, set[float]]:
    """Return the numbers that are listed for each tier."""
    prices: dict[str, set[float]] = {}
    for entry in _objects(value):
        for name, item in entry.items():
            numbers = [item] if type(item) in (int, float) else _credit_numbers(item)
            if name in oracle.TIERS and numbers:
                prices.setdefault(name, set()).update(numbers)
        tiers = [item for item in entry.values() if isinstance(item, str) and item in oracle.TIERS]
        if len(tiers) == 1 and (numbers := _credit_numbers(entry)):
            prices.setdefault(tiers[0], set()).update(numbers)
    return prices


def _credit_numbers(value: object) -> list[float]:
    """Return the numbers of an object in fields that are named after credits."""
    if not isinstance(value, dict):
        return []
    return [
        number
        for name, number in value.items()
        if type(number) in (int, float) and re.search("credit|price|cost", name, re.IGNORECASE)
    ]
