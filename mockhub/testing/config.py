"""HubConfig: the options of a test's hub, and prototypes of hubs to fork."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, get_args

from mockhub._numbers import MAX_INTEGER
from mockhub._text import suggest
from mockhub._timestamps import parse_timestamp
from mockhub.client_report.detectors import FINDING_KINDS
from mockhub.domain.clock import Clock, ClockMode, ManualClock, SystemClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import Directive, parse_directives
from mockhub.scenarios.builder import build_hub, override
from mockhub.scenarios.loader import Scenario, find_scenario
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.spec.config_file import ConfigSchema, integer, mapping, sequence, string

if TYPE_CHECKING:
    from mockhub.recording.files import RecordedExchange

DEFAULT_SCENARIO = "plain"
DEFAULT_START_TIME = "2026-04-30T08:00:00Z"

_LISTS = ("faults", "provider", "expected_findings")
_MAX_PROTOTYPES = 256
_CLOCK_MODES: tuple[str, ...] = get_args(ClockMode)
_CLOCK_VALUES = (
    f"expected 'system', 'autojump', 'hold', or a start time such as {DEFAULT_START_TIME}"
)


class HubOptions(TypedDict, total=False):
    """The options of the marker ``mockhub``, `running`, `ASGI` and `HubServer.create_hub`.

    `HubConfig` describes them.
    """

    scenario: str | Path
    credits: int
    clock: str
    seed: int
    faults: str | Iterable[str]
    provider: str | Iterable[str]
    expected_findings: str | Iterable[str]
    prompt_faults: bool
    replay: str | Path
    replay_only: bool


@dataclass(frozen=True)
class HubConfig:
    """The initial state of a test's hub.

    Attributes:
        scenario: The name of a bundled scenario, or the path of a YAML file.
        credits: The balance of the first account, instead of the scenario's.
        clock: ``system``, or a start time, ``autojump`` or ``hold``, or a start time and one of
            the two.
        seed: The seed of ids, keys, random numbers and images, instead of the scenario's.
        faults: Faults to arm, such as ``reset@after x1``.
        provider: The outcomes of generations, one each, such as ``deliver=3``. The last one
            repeats.
        expected_findings: Kinds of findings that the test provokes, such as ``double_charge``;
            the report of the session leaves them out.
        prompt_faults: Whether ``[[...]]`` in a prompt injects faults, instead of the scenario's.
        replay: The directory of a recording, whose responses are sent to the requests in it.
        replay_only: Whether any other request gets a 404 that names the nearest recorded one.
    """

    scenario: str = DEFAULT_SCENARIO
    credits: int | None = None
    clock: str | None = None
    seed: int | None = None
    faults: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    expected_findings: tuple[str, ...] = ()
    prompt_faults: bool | None = None
    replay: str | None = None
    replay_only: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, source: str) -> HubConfig:
        """Validate *options*.

        Raises:
            MockhubError: naming *source*, the option, its value and what is allowed.
        """
        checked: dict[str, Any] = {}
        for name, option in options.items():
            value = _to_json(name, option)
            for _, message in _OPTIONS.errors({name: value}):
                place = f"{name}: " if name in HubOptions.__annotations__ else ""
                raise MockhubError(f"{source}: {place}{message}")
            checked[name] = tuple(value) if isinstance(value, list) else value
        if checked.get("replay_only") and "replay" not in checked:
            raise MockhubError(f"{source}: replay_only: needs a recording; expected replay too")
        return cls(**checked)


def _to_json(name: str, value: object) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return [value] if name in _LISTS else value
    return list(value) if isinstance(value, Iterable) else value


def parse_all_directives(texts: Iterable[str]) -> tuple[Directive, ...]:
    """Parse faults, one or more in each text; raises MockhubError."""
    return tuple(directive for text in texts for directive in parse_directives(text))


def parse_provider(texts: Iterable[str]) -> Provider:
    """Parse outcomes, one in each text; raises MockhubError."""
    return Provider(parse_outcome(text) for text in texts)


def load_replay(directory: str) -> tuple[RecordedExchange, ...]:
    """Load a recording; raises MockhubError."""
    from mockhub.recording.files import load_recording

    return load_recording(Path(directory))


def _parse_clock(text: str) -> Clock:
    if text == "system":
        return SystemClock()
    words = text.split()
    mode = words.pop() if words and words[-1] in _CLOCK_MODES else "autojump"
    if len(words) > 1 or not text:
        raise MockhubError(f"unknown clock {text!r}; {_CLOCK_VALUES}")
    try:
        start = parse_timestamp(words[0] if words else DEFAULT_START_TIME)
    except MockhubError as error:
        if words[0][0].isdigit():
            raise MockhubError(f"{error}; or {_CLOCK_VALUES}") from None
        hint = suggest(words[0], ("system", *_CLOCK_MODES))
        raise MockhubError(f"unknown clock {words[0]!r}{hint}; {_CLOCK_VALUES}") from None
    return ManualClock(start, mode="hold" if mode == "hold" else "autojump")


_TEXTS = sequence(
    "a string such as 'reset@after', or a list of them",
    {"description": "a string such as 'reset@after'", "type": "string"},
)
_OPTIONS = ConfigSchema(
    mapping(
        "options of a hub",
        {
            "scenario": string(
                "the name of a scenario, or the path of a YAML file", parser="scenario"
            ),
            "credits": integer(f"a whole number from 0 to {MAX_INTEGER}", 0),
            "clock": string(f"a string such as 'hold' or {DEFAULT_START_TIME!r}", parser="clock"),
            "seed": integer(f"a whole number from {-MAX_INTEGER} to {MAX_INTEGER}", -MAX_INTEGER),
            "faults": _TEXTS | {"parser": "faults"},
            "provider": _TEXTS | {"parser": "provider"},
            "expected_findings": sequence(
                "a kind of finding, or a list of them", {"enum": list(FINDING_KINDS)}
            ),
            "prompt_faults": {"description": "True or False", "type": "boolean"},
            "replay": string("the directory of a recording", parser="replay"),
            "replay_only": {"description": "True or False", "type": "boolean"},
        },
    ),
    {
        "scenario": find_scenario,
        "clock": _parse_clock,
        "faults": parse_all_directives,
        "provider": parse_provider,
        "replay": load_replay,
    },
    unknown_key="is not an option",
)


@cache
def default_spec() -> ApiSpec:
    """Load the bundled API spec, once a process."""
    return load_spec()


@lru_cache(maxsize=_MAX_PROTOTYPES)
def prototype_hub(config: HubConfig) -> HubBackend:
    """Build a hub to fork; the same config returns the same hub.

    Raises:
        MockhubError: if the scenario has no account.
    """
    scenario, spec = find_scenario(config.scenario), default_spec()
    if not scenario.content["accounts"]:
        raise MockhubError(f"{scenario.path}: accounts: the hub of a test needs at least one")
    return build_hub(
        override(
            scenario, spec, credits=config.credits, faults=config.faults, provider=config.provider
        ),
        "prototype",
        spec,
        clock=_initial_clock(config, scenario),
        seed=config.seed,
        prompt_faults=config.prompt_faults,
    )


def _initial_clock(config: HubConfig, scenario: Scenario) -> Clock | None:
    if config.clock is not None:
        return _parse_clock(config.clock)
    return None if "clock" in scenario.content else _parse_clock(DEFAULT_START_TIME)
