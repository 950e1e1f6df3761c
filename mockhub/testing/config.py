"""Recipes: how a test wants its world to begin, and the worlds made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypedDict, get_args

from mockhub._resources import resource_path
from mockhub._text import suggest
from mockhub._timestamps import parse_timestamp
from mockhub.domain.accounts import Account
from mockhub.domain.clock import Clock, ClockMode, ManualClock, SystemClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import Directive, parse_directives
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import Scenario, find_scenario
from mockhub.spec.api_spec import ApiSpec, load_spec

DEFAULT_SCENARIO = "plain"
_MAX_PROTOTYPES = 256  # as many marks as tests have that run beside each other

DEFAULT_START_TIME = "2026-04-30T08:00:00Z"

_CLOCK_MODES: tuple[str, ...] = get_args(ClockMode)


class HubOptions(TypedDict, total=False):
    """What a marker, `running` and `ASGI` take."""

    scenario: str | Path
    credits: int
    clock: str
    seed: int
    faults: str | Iterable[str]
    provider: str | Iterable[str]


@dataclass(frozen=True)
class HubConfig:
    """How a world begins.

    Attributes:
        scenario: one that comes along, or a file.
        credits: the balance of the first account, instead of the scenario's.
        clock: ``system``, ``autojump``, ``hold``, a time to start at, or a time and a manner.
        seed: what ids, keys, chance and pictures are made from.
        faults: directives to arm, such as ``reset@after x1``.
        provider: one outcome a generation, such as ``deliver=3``; the last one repeats.
    """

    scenario: str = DEFAULT_SCENARIO
    credits: int | None = None
    clock: str | None = None
    seed: int | None = None
    faults: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any], *, source: str) -> HubConfig:
        """A recipe of *options*, checked.

        Raises:
            MockhubError: naming *where*, the option, its value and what is allowed.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                hint = suggest(name, known)
                raise MockhubError(
                    f"{source}: {name!r} is not an option{hint}; known are {', '.join(known)}"
                )
        checked: dict[str, Any] = {}
        for name, value in options.items():
            try:
                checked[name] = _VALIDATORS[name](value)
            except MockhubError as error:
                raise MockhubError(f"{source}: {name}={value!r}: {error}") from None
        return cls(**checked)


def _validate_int(value: Any, minimum: int | None = None) -> int:
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or (minimum is not None and value < minimum)
    ):
        raise MockhubError(
            "expected a whole number" + ("" if minimum is None else f" from {minimum}")
        )
    return value


def _validate_scenario(value: Any) -> str:
    if not isinstance(value, str | Path):
        raise MockhubError("expected the name of a scenario, or a YAML file")
    find_scenario(str(value))
    return str(value)


def _validate_clock(value: Any) -> str:
    if not isinstance(value, str):
        raise MockhubError(f"expected a text such as 'hold' or {DEFAULT_START_TIME!r}")
    _parse_clock(value)
    return value


def _validate_texts(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, Iterable):
        texts = tuple(texts)
        if all(isinstance(text, str) for text in texts):
            return texts
    raise MockhubError("expected directives such as 'reset@after', in one text or a list")


def _validate_faults(value: Any) -> tuple[str, ...]:
    texts = _validate_texts(value)
    parse_all_directives(texts)
    return texts


def _validate_provider(value: Any) -> tuple[str, ...]:
    texts = _validate_texts(value)
    parse_provider(texts)
    return texts


_VALIDATORS: Mapping[str, Any] = {
    "scenario": _validate_scenario,
    "credits": lambda value: _validate_int(value, 0),
    "clock": _validate_clock,
    "seed": _validate_int,
    "faults": _validate_faults,
    "provider": _validate_provider,
}


def parse_all_directives(texts: Iterable[str]) -> tuple[Directive, ...]:
    """All directives of several texts; raises MockhubError."""
    return tuple(directive for text in texts for directive in parse_directives(text))


def parse_provider(texts: Iterable[str]) -> Provider:
    """A provider of one outcome a text; raises MockhubError."""
    return Provider(parse_outcome(text) for text in texts)


def _parse_clock(text: str) -> Clock:
    """A clock of ``system``, ``autojump``, ``hold``, a time, or a time and a manner."""
    if text == "system":
        return SystemClock()
    words = text.split()
    mode = words.pop() if words and words[-1] in _CLOCK_MODES else "autojump"
    if len(words) > 1 or not text:
        raise MockhubError(f"{text!r} is no clock; expected 'system', a time, 'autojump' or 'hold'")
    try:
        start = parse_timestamp(words[0] if words else DEFAULT_START_TIME)
    except MockhubError:
        hint = suggest(words[0], ("system", *_CLOCK_MODES))
        raise MockhubError(
            f"{words[0]!r} is no clock{hint}; expected 'system', 'autojump', 'hold', or a time such "  # noqa: E501
            f"as {DEFAULT_START_TIME}"
        ) from None
    return ManualClock(start, mode="hold" if mode == "hold" else "autojump")


@cache
def default_spec() -> ApiSpec:
    """The law, read once a process."""
    return load_spec(resource_path("openapi.yaml"))


@lru_cache(maxsize=_MAX_PROTOTYPES)
def prototype_hub(config: HubConfig) -> HubBackend:
    """The world of a recipe, to be forked: reading and building it is done once."""
    scenario = find_scenario(config.scenario)
    clock = _initial_clock(config, scenario)
    backend = build_hub(scenario, "prototype", default_spec(), clock=clock, seed=config.seed)
    if not backend.accounts:
        raise MockhubError(f"{scenario.path}: accounts: a hub of a test needs one or more")
    if config.credits is not None:
        scenario = _with_credits(scenario, backend, config.credits)
        backend = build_hub(scenario, "prototype", default_spec(), clock=clock, seed=config.seed)
    backend.faults.arm(parse_all_directives(config.faults))
    if config.provider:
        backend.provider = parse_provider(config.provider)
    return backend


def _initial_clock(config: HubConfig, scenario: Scenario) -> Clock | None:
    if config.clock is not None:
        return _parse_clock(config.clock)
    return None if "clock" in scenario.content else _parse_clock(DEFAULT_START_TIME)


def _with_credits(scenario: Scenario, backend: HubBackend, credits: int) -> Scenario:
    """*scenario* with the first account's grants such that *credits* are left of them."""
    accounts = dict(scenario.content["accounts"])
    first_id = next(iter(accounts))
    grant = {"credits": credits + credits_spent(backend.accounts[first_id])}
    accounts[first_id] = {**accounts[first_id], "grants": [grant]}
    return replace(scenario, content={**scenario.content, "accounts": accounts})


def credits_spent(account: Account) -> int:
    """What an account has ever paid for images, refunds taken off."""
    return -account.totals["charge"] - account.totals["refund"]
