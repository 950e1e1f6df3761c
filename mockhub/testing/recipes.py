"""Recipes: how a test wants its world to begin, and the worlds made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypedDict, get_args

from mockhub.cli import find_scenario
from mockhub.resources import path
from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError
from mockhub.spec.law import Law, load_law
from mockhub.world.accounts import Account
from mockhub.world.clock import Clock, Manner, ManualClock, SystemClock, from_text
from mockhub.world.faults import Directive, outcome, parse
from mockhub.world.hub import Hub as World
from mockhub.world.provider import Provider
from mockhub.world.scenarios import Scenario, build

PLAIN = "plain"
_TEMPLATES = 256  # as many marks as tests have that run beside each other

START = "2026-04-30T08:00:00Z"

_MANNERS: tuple[str, ...] = get_args(Manner)


class Options(TypedDict, total=False):
    """What a marker, `running` and `ASGI` take."""

    scenario: str | Path
    credits: int
    clock: str
    seed: int
    arm: str | Iterable[str]
    provider: str | Iterable[str]


@dataclass(frozen=True)
class Recipe:
    """How a world begins.

    Attributes:
        scenario: one that comes along, or a file.
        credits: the balance of the first account, instead of the scenario's.
        clock: ``system``, ``jump``, ``hold``, a time to start at, or a time and a manner.
        seed: what ids, keys, chance and pictures are made from.
        arm: directives to arm, such as ``drop@after x1``.
        provider: one outcome a generation, such as ``deliver=3``; the last one repeats.
    """

    scenario: str = PLAIN
    credits: int | None = None
    clock: str | None = None
    seed: int | None = None
    arm: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()

    @classmethod
    def read(cls, options: Mapping[str, Any], *, where: str) -> Recipe:
        """A recipe of *options*, checked.

        Raises:
            MockhubError: naming *where*, the option, its value and what is allowed.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                hint = nearest(name, known)
                raise MockhubError(
                    f"{where}: {name!r} is not an option{hint}; known are {', '.join(known)}"
                )
        checked: dict[str, Any] = {}
        for name, value in options.items():
            try:
                checked[name] = _READERS[name](value)
            except MockhubError as error:
                raise MockhubError(f"{where}: {name}={value!r}: {error}") from None
        return cls(**checked)


def _whole(value: Any, least: int | None = None) -> int:
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or (least is not None and value < least)
    ):
        raise MockhubError("expected a whole number" + ("" if least is None else f" from {least}"))
    return value


def _scenario(value: Any) -> str:
    if not isinstance(value, str | Path):
        raise MockhubError("expected the name of a scenario, or a YAML file")
    find_scenario(str(value))
    return str(value)


def _clock(value: Any) -> str:
    if not isinstance(value, str):
        raise MockhubError(f"expected a text such as 'hold' or {START!r}")
    _make_clock(value)
    return value


def _texts(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, Iterable):
        texts = tuple(texts)
        if all(isinstance(text, str) for text in texts):
            return texts
    raise MockhubError("expected directives such as 'drop@after', in one text or a list")


def _arm(value: Any) -> tuple[str, ...]:
    texts = _texts(value)
    directives(texts)
    return texts


def _provider(value: Any) -> tuple[str, ...]:
    texts = _texts(value)
    outcomes(texts)
    return texts


_READERS: Mapping[str, Any] = {
    "scenario": _scenario,
    "credits": lambda value: _whole(value, 0),
    "clock": _clock,
    "seed": _whole,
    "arm": _arm,
    "provider": _provider,
}


def directives(texts: Iterable[str]) -> tuple[Directive, ...]:
    """All directives of several texts; raises MockhubError."""
    return tuple(directive for text in texts for directive in parse(text))


def outcomes(texts: Iterable[str]) -> Provider:
    """A provider of one outcome a text; raises MockhubError."""
    return Provider(outcome(text) for text in texts)


def _make_clock(text: str) -> Clock:
    """A clock of ``system``, ``jump``, ``hold``, a time, or a time and a manner."""
    if text == "system":
        return SystemClock()
    words = text.split()
    manner = words.pop() if words and words[-1] in _MANNERS else "jump"
    if len(words) > 1 or not text:
        raise MockhubError(f"{text!r} is no clock; expected 'system', a time, 'jump' or 'hold'")
    try:
        start = from_text(words[0] if words else START)
    except MockhubError:
        hint = nearest(words[0], ("system", *_MANNERS))
        raise MockhubError(
            f"{words[0]!r} is no clock{hint}; expected 'system', 'jump', 'hold', or a time such "
            f"as {START}"
        ) from None
    return ManualClock(start, manner="hold" if manner == "hold" else "jump")


@cache
def the_law() -> Law:
    """The law, read once a process."""
    return load_law(path("openapi.yaml"))


@lru_cache(maxsize=_TEMPLATES)
def template(recipe: Recipe) -> World:
    """The world of a recipe, to be forked: reading and building it is done once."""
    scenario = find_scenario(recipe.scenario)
    clock = _start(recipe, scenario)
    world = build(scenario, "template", the_law(), clock=clock, seed=recipe.seed)
    if not world.accounts:
        raise MockhubError(f"{scenario.path}: accounts: a hub of a test needs one or more")
    if recipe.credits is not None:
        scenario = _with_credits(scenario, world, recipe.credits)
        world = build(scenario, "template", the_law(), clock=clock, seed=recipe.seed)
    world.faults.arm(directives(recipe.arm))
    if recipe.provider:
        world.provider = outcomes(recipe.provider)
    return world


def _start(recipe: Recipe, scenario: Scenario) -> Clock | None:
    if recipe.clock is not None:
        return _make_clock(recipe.clock)
    return None if "clock" in scenario.content else _make_clock(START)


def _with_credits(scenario: Scenario, world: World, credits: int) -> Scenario:
    """*scenario* with the first account's grants such that *credits* are left of them."""
    accounts = dict(scenario.content["accounts"])
    first = next(iter(accounts))
    grant = {"credits": credits + spent(world.accounts[first])}
    accounts[first] = {**accounts[first], "grants": [grant]}
    return replace(scenario, content={**scenario.content, "accounts": accounts})


def spent(account: Account) -> int:
    """What an account has ever paid for images, refunds taken off."""
    return -account.totals["charge"] - account.totals["refund"]
