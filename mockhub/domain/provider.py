"""The provider: a script of outcomes that decides how each generation goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import Directive, parse_directives
from mockhub.faults.types import FLAGS, PROVIDER_FAULTS


class Outcome(NamedTuple):
    """How one generation goes; each field is named like the fault that sets it."""

    deliver: int | None = None  # images; None: as many as requested
    duration: int = 0  # milliseconds until it ends
    polls: int | None = None  # ends at this poll instead, counted from 1
    fail: bool = False
    never: bool = False  # ends only when it is completed by hand

    @property
    def faults(self) -> tuple[str, ...]:
        """The provider outcomes that make it differ from a success, in the fault grammar."""
        if self == SUCCESS:  # nearly always
            return ()
        words = [name for name in ("fail", "never") if getattr(self, name)]
        words += [f"deliver={self.deliver}"] if self.deliver is not None else []
        words += [f"polls={self.polls}"] if self.polls is not None else []
        words += [f"duration={self.duration}ms"] if self.duration else []
        return tuple(words)

    def delivered_images(self, requested: int) -> int:
        """Return how many of the requested images are delivered."""
        if self.fail:
            return 0
        return requested if self.deliver is None else min(self.deliver, requested)


SUCCESS = Outcome()


@dataclass(init=False)
class Provider:
    """A script of outcomes, one for each generation; the last one repeats."""

    script: tuple[Outcome, ...]
    used: int

    def __init__(self, outcomes: Iterable[Outcome] = (SUCCESS,)) -> None:
        self.script = tuple(outcomes) or (SUCCESS,)
        self.used = 0

    def next(self) -> Outcome:
        """Return the outcome of the next generation."""
        script, used = self.script, self.used
        self.used = used + 1
        return script[used] if used < len(script) else script[-1]


def parse_outcome(text: str) -> Outcome:
    """Parse an outcome, such as ``deliver=3 duration=2s``.

    Raises:
        MockhubError: if *text* contains a transport fault or a modifier.
    """
    directives = parse_directives(text)
    for directive in directives:
        if directive.name not in PROVIDER_FAULTS:
            allowed = ", ".join(sorted(PROVIDER_FAULTS))
            raise MockhubError(
                f"{directive.name!r} is not a provider outcome; expected one of {allowed}"
            )
        if directive.needs_counting or directive.operation or directive.active_for is not None:
            raise MockhubError(f"{text!r}: an outcome takes no modifiers")
    return apply_to_outcome(SUCCESS, directives)


def apply_to_outcome(outcome: Outcome, directives: Iterable[Directive]) -> Outcome:
    """Return *outcome*, changed by those of *directives* that are provider outcomes."""
    for directive in directives:
        name = directive.name
        if name in PROVIDER_FAULTS:
            change: dict[str, Any] = {name: True if name in FLAGS else directive.value}
            outcome = outcome._replace(**change)
    return outcome
