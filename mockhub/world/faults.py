"""Misbehaviour on request: one grammar for all doors.

    fail · deliver=3 · take=800s · polls=3 · stuck                          what the provider does
    status=503 · delay=2s · drop · truncate · garble · hang · drip=2s       what the wire does

A directive may say when (``@before`` the world moved, or ``@after`` it), how often (``x3``), how
likely (``p=0.1``), on which operation (``on=get_credits``) and at which call (``nth=2``). Several
are separated by blanks, commas or semicolons. `docs/faults.md` tells the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError
from mockhub.spec.law import OPERATIONS
from mockhub.world.clock import duration
from mockhub.world.provider import GOOD, Outcome

Phase = Literal["before", "after"]

PROVIDER = frozenset({"fail", "deliver", "take", "polls", "stuck"})
WIRE = frozenset({"status", "delay", "drop", "truncate", "garble", "hang", "drip"})
_BARE = frozenset({"fail", "stuck", "drop", "truncate", "garble", "hang"})
_SPOILS_THE_ANSWER = frozenset({"truncate", "garble", "drip"})
_ENDS_THE_REQUEST = frozenset({"status", "drop", "hang"})
_TIMED = frozenset({"take", "delay", "drip"})
_STATUSES = range(400, 600)

MAKING, POLLING = "create_generation", "get_generation"  # what has a prompt

_UNCLOSED = re.compile(rf"\[\[\s*({'|'.join(sorted(PROVIDER | WIRE))})\b[^\]]*\]?")
_PREFER = re.compile(r"(?:^|[,;\s])code=\"?([^,;\s\"]*)")
_TIMES = re.compile(r"x([0-9]+)")
MODIFIERS = ("p", "on", "nth")
_LARGEST = 1_000_000_000


class Directive(NamedTuple):
    """One misbehaviour: its word and value, and when it applies."""

    word: str
    value: int = 0  # images, milliseconds, polls or a status, by the word
    phase: Phase = "before"
    times: int | None = None
    p: float = 1.0
    on: str | None = None
    nth: int | None = None
    prompt: str | None = None

    @property
    def ends(self) -> bool:
        """Whether nothing else can befall a request that it strikes."""
        return self.word in _ENDS_THE_REQUEST

    @property
    def limited(self) -> bool:
        """Whether calls have to be counted to know which ones it strikes."""
        return self.times is not None or self.nth is not None or self.p < 1

    def __str__(self) -> str:
        value = "" if self.word in _BARE else f"={_spelt(self)}"
        return f"{self.word}{value}" + ("" if self.word in PROVIDER else f"@{self.phase}")


def parse(text: str) -> tuple[Directive, ...]:
    """Read directives; the one parser of all five doors.

    Raises:
        MockhubError: naming the word, and the closest known one.
    """
    found: list[Directive] = []
    for token in re.split(r"[\s,;]+", text.strip()):
        if not token:
            continue
        if found and (changed := _modified(found[-1], token)):
            found[-1] = changed
        else:
            found.append(_directive(token))
    if not found:
        raise MockhubError(f"an empty directive; expected one of {_known()}")
    return tuple(found)


def in_prompt(prompt: str) -> tuple[Directive, ...]:
    """The directives within ``[[...]]`` of a prompt, for making or polling what it asks for.

    Raises:
        MockhubError: as `parse` does, or if brackets with a known word in them are not closed.
    """
    if "[[" not in prompt:
        return ()
    within, around = _bracketed(prompt)
    found = [one for text in within for one in parse(text)]
    if unclosed := _UNCLOSED.search(around):
        raise MockhubError(f"{unclosed[0][:40]!r} is not closed; expected ]] behind it")
    for one in found:
        if one.on not in (None, MAKING, POLLING):
            raise MockhubError(f"on={one.on}: expected {MAKING} or {POLLING} in a prompt")
    return tuple(one._replace(on=one.on or MAKING) for one in found)


def _bracketed(prompt: str) -> tuple[list[str], str]:
    """What stands within ``[[...]]``, and the rest; in one pass, however many there are."""
    within, around, at = [], [], 0
    while (start := prompt.find("[[", at)) >= 0:
        end = prompt.find("]]", start + 2)
        if end < 0:
            break
        within.append(prompt[start + 2 : end])
        around.append(prompt[at:start])
        at = end + 2
    return within, " ".join([*around, prompt[at:]])


def in_prefer(header: str) -> tuple[Directive, ...]:
    """The status that a ``Prefer: code=NNN`` header asks for; raises MockhubError."""
    match = _PREFER.search(header)
    return parse(f"status={match[1]}") if match else ()


def _directive(token: str) -> Directive:
    rest, at, phase = token.partition("@")
    word, equals, value = rest.partition("=")
    if word not in PROVIDER | WIRE:
        if word in MODIFIERS or _TIMES.fullmatch(word):
            raise MockhubError(f"{token!r} says when; expected a directive before it")
        hint = nearest(word.lower(), PROVIDER | WIRE) or f"; known are {_known()}"
        raise MockhubError(f"{word[:40]!r} is no directive{hint}")
    if (word in _BARE) == bool(equals):
        wanted = "takes no value" if word in _BARE else "needs a value, such as " + _EXAMPLES[word]
        raise MockhubError(f"{token!r}: {word} {wanted}")
    return Directive(word, _value(word, value), _phase(word, phase if at else None, token))


def _phase(word: str, phase: str | None, token: str) -> Phase:
    if phase not in (None, "before", "after"):
        raise MockhubError(f"{token!r}: @{phase} is not a phase; expected @before or @after")
    if word in PROVIDER and phase:
        raise MockhubError(f"{token!r}: {word} is the provider's doing and takes no @{phase}")
    if word in _SPOILS_THE_ANSWER:
        if phase == "before":
            raise MockhubError(f"{token!r}: {word} spoils the answer and can only be @after")
        return "after"
    return "after" if phase == "after" else "before"


_EXAMPLES = {
    "deliver": "deliver=3",
    "take": "take=800s",
    "polls": "polls=3",
    "status": "status=503",
    "delay": "delay=2s",
    "drip": "drip=2s",
}


def _value(word: str, text: str) -> int:
    if word in _BARE:
        return 0
    if word in _TIMED:
        return duration(text)
    number = _whole(text)
    if number is None:
        raise MockhubError(f"{word}={text}: expected a whole number, such as {_EXAMPLES[word]}")
    if word == "status" and number not in _STATUSES:
        raise MockhubError(
            f"status={text}: expected a status from {_STATUSES.start} to {_STATUSES.stop - 1}"
        )
    if word == "polls" and number < 1:
        raise MockhubError("polls=0: expected 1 or more; the poll at which the generation ends")
    return number


def _modified(directive: Directive, token: str) -> Directive | None:
    """*directive* with a modifier, or None if *token* is no modifier."""
    if match := _TIMES.fullmatch(token):
        return restrict(directive, times=match[1])
    name, equals, value = token.partition("=")
    if not equals or name not in MODIFIERS:
        return None
    return restrict(directive, **{name: value})


def restrict(directive: Directive, **conditions: object) -> Directive:
    """*directive* under ``times``, ``p``, ``on``, ``nth`` or ``prompt``; raises MockhubError."""
    checked: dict[str, Any] = {
        name: _condition(name, value) for name, value in conditions.items() if value is not None
    }
    restricted = directive._replace(**checked)
    word, on = directive.word, restricted.on
    if word in PROVIDER and on not in (None, MAKING):
        raise MockhubError(f"{word} on={on}: it is the provider's doing; expected {MAKING}")
    if restricted.prompt is not None and on not in (None, MAKING, POLLING):
        raise MockhubError(f"on={on} has no prompt; expected {MAKING} or {POLLING}")
    return restricted


def _whole(text: str) -> int | None:
    """A whole number written in ASCII digits, or None; huge ones are all the same."""
    if not text.isascii() or not text.isdigit():
        return None
    return int(text) if len(text) < len(str(_LARGEST)) else _LARGEST


def _condition(name: str, value: object) -> object:
    if name in ("times", "nth"):
        number = _whole(str(value))
        if number:
            return number
        raise MockhubError(f"{name}={value}: expected a whole number from 1")
    if name == "p":
        try:
            chance = float(str(value))
        except ValueError:
            chance = -1
        if 0 <= chance <= 1:
            return chance
        raise MockhubError(f"p={value}: expected a chance from 0 to 1")
    if name == "on" and value not in OPERATIONS:
        hint = nearest(str(value), OPERATIONS)
        raise MockhubError(f"on={value}: expected one of {', '.join(sorted(OPERATIONS))}{hint}")
    return str(value)


def _known() -> str:
    return ", ".join(sorted(PROVIDER | WIRE))


def _spelt(directive: Directive) -> str:
    return f"{directive.value}ms" if directive.word in _TIMED else str(directive.value)


def outcome(text: str) -> Outcome:
    """One outcome of the provider, such as ``deliver=3 take=2s``.

    Raises:
        MockhubError: if *text* says anything that is not the provider's doing.
    """
    found = parse(text)
    for directive in found:
        if directive.word not in PROVIDER:
            allowed = ", ".join(sorted(PROVIDER))
            raise MockhubError(
                f"{directive.word!r} is not the provider's doing; allowed: {allowed}"
            )
        if directive.limited or directive.on:
            raise MockhubError(f"{text!r}: an outcome is of one generation; expected no modifiers")
    return shape(GOOD, found)


def shape(outcome: Outcome, directives: Iterable[Directive]) -> Outcome:
    """*outcome* as the provider's directives among *directives* change it."""
    for directive in directives:
        word = directive.word
        if word in PROVIDER:
            change: dict[str, Any] = {word: True if word in _BARE else directive.value}
            outcome = outcome._replace(**change)
    return outcome
