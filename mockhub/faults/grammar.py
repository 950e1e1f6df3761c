"""Misbehaviour on request: one grammar for all doors.

    fail · deliver=3 · duration=800s · polls=3 · never                          what the provider does
    status=503 · delay=2s · reset · truncate · corrupt · hang · drip=2s       what the wire does

A directive may say when (``@before`` the world moved, or ``@after`` it), how often (``x3``), how
likely (``p=0.1``), on which operation (``on=get_credits``) and at which call (``nth=2``). Several
are separated by blanks, commas or semicolons. `docs/faults.md` tells the rest.
"""  # noqa: E501

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from mockhub._text import suggest
from mockhub._timestamps import parse_duration
from mockhub.exceptions import MockhubError
from mockhub.spec.operations import OperationId

Phase = Literal["before", "after"]

PROVIDER_FAULTS = frozenset({"fail", "deliver", "duration", "polls", "never"})
TRANSPORT_FAULTS = frozenset({"status", "delay", "reset", "truncate", "corrupt", "hang", "drip"})
FLAGS = frozenset({"fail", "never", "reset", "truncate", "corrupt", "hang"})
_RESPONSE_FAULTS = frozenset({"truncate", "corrupt", "drip"})
_TERMINAL = frozenset({"status", "reset", "hang"})
_DURATION_FAULTS = frozenset({"duration", "delay", "drip"})
_STATUS_RANGE = range(400, 600)


_UNCLOSED_PATTERN = re.compile(
    rf"\[\[\s*({'|'.join(sorted(PROVIDER_FAULTS | TRANSPORT_FAULTS))})\b[^\]]*\]?"
)
_PREFER_PATTERN = re.compile(r"(?:^|[,;\s])code=\"?([^,;\s\"]*)")
_TIMES_PATTERN = re.compile(r"x([0-9]+)")
MODIFIERS = ("p", "on", "nth")
_MAX_NUMBER = 1_000_000_000


class Directive(NamedTuple):
    """One misbehaviour: its word and value, and when it applies."""

    name: str
    value: int = 0  # images, milliseconds, polls or a status, by the word
    phase: Phase = "before"
    times: int | None = None
    p: float = 1.0
    operation: str | None = None
    nth: int | None = None
    prompt: str | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether nothing else can befall a request that it strikes."""
        return self.name in _TERMINAL

    @property
    def needs_counting(self) -> bool:
        """Whether calls have to be counted to know which ones it strikes."""
        return self.times is not None or self.nth is not None or self.p < 1

    def __str__(self) -> str:
        value = "" if self.name in FLAGS else f"={_format_value(self)}"
        return f"{self.name}{value}" + ("" if self.name in PROVIDER_FAULTS else f"@{self.phase}")


def parse_directives(text: str) -> tuple[Directive, ...]:
    """Read directives; the one parser of all five doors.

    Raises:
        MockhubError: naming the word, and the closest known one.
    """
    found: list[Directive] = []
    for token in re.split(r"[\s,;]+", text.strip()):
        if not token:
            continue
        if found and (changed := _with_modifier(found[-1], token)):
            found[-1] = changed
        else:
            found.append(_parse_directive(token))
    if not found:
        raise MockhubError(f"an empty directive; expected one of {_known_names()}")
    return tuple(found)


def parse_prompt(prompt: str) -> tuple[Directive, ...]:
    """The directives within ``[[...]]`` of a prompt, for making or polling what it asks for.

    Raises:
        MockhubError: as `parse` does, or if brackets with a known word in them are not closed.
    """
    if "[[" not in prompt:
        return ()
    inside, outside = _split_brackets(prompt)
    found = [one for text in inside for one in parse_directives(text)]
    if unclosed := _UNCLOSED_PATTERN.search(outside):
        raise MockhubError(f"{unclosed[0][:40]!r} is not closed; expected ]] behind it")
    for one in found:
        if one.operation not in (None, OperationId.CREATE_GENERATION, OperationId.GET_GENERATION):
            raise MockhubError(
                f"on={one.operation}: expected {OperationId.CREATE_GENERATION} or {OperationId.GET_GENERATION} in a prompt"  # noqa: E501
            )
    return tuple(
        one._replace(operation=one.operation or OperationId.CREATE_GENERATION) for one in found
    )


def _split_brackets(prompt: str) -> tuple[list[str], str]:
    """What stands within ``[[...]]``, and the rest; in one pass, however many there are."""
    inside, outside, at = [], [], 0
    while (start := prompt.find("[[", at)) >= 0:
        end = prompt.find("]]", start + 2)
        if end < 0:
            break
        inside.append(prompt[start + 2 : end])
        outside.append(prompt[at:start])
        at = end + 2
    return inside, " ".join([*outside, prompt[at:]])


def parse_prefer_header(header: str) -> tuple[Directive, ...]:
    """The status that a ``Prefer: code=NNN`` header asks for; raises MockhubError."""
    match = _PREFER_PATTERN.search(header)
    return parse_directives(f"status={match[1]}") if match else ()


def _parse_directive(token: str) -> Directive:
    rest, at, phase = token.partition("@")
    name, equals, value = rest.partition("=")
    if name not in PROVIDER_FAULTS | TRANSPORT_FAULTS:
        if name in MODIFIERS or _TIMES_PATTERN.fullmatch(name):
            raise MockhubError(f"{token!r} says when; expected a directive before it")
        hint = (
            suggest(name.lower(), PROVIDER_FAULTS | TRANSPORT_FAULTS)
            or f"; known are {_known_names()}"
        )
        raise MockhubError(f"unknown directive {name[:40]!r}{hint}")
    if (name in FLAGS) == bool(equals):
        problem = "takes no value" if name in FLAGS else "needs a value, such as " + _EXAMPLES[name]
        raise MockhubError(f"{token!r}: {name} {problem}")
    return Directive(
        name, _parse_value(name, value), _parse_phase(name, phase if at else None, token)
    )


def _parse_phase(name: str, phase: str | None, token: str) -> Phase:
    if phase not in (None, "before", "after"):
        raise MockhubError(f"{token!r}: @{phase} is not a phase; expected @before or @after")
    if name in PROVIDER_FAULTS and phase:
        raise MockhubError(f"{token!r}: {name} is the provider's doing and takes no @{phase}")
    if name in _RESPONSE_FAULTS:
        if phase == "before":
            raise MockhubError(f"{token!r}: {name} spoils the answer and can only be @after")
        return "after"
    return "after" if phase == "after" else "before"


_EXAMPLES = {
    "deliver": "deliver=3",
    "duration": "duration=800s",
    "polls": "polls=3",
    "status": "status=503",
    "delay": "delay=2s",
    "drip": "drip=2s",
}


def _parse_value(name: str, text: str) -> int:
    if name in FLAGS:
        return 0
    if name in _DURATION_FAULTS:
        return parse_duration(text)
    number = _parse_whole_number(text)
    if number is None:
        raise MockhubError(f"{name}={text}: expected a whole number, such as {_EXAMPLES[name]}")
    if name == "status" and number not in _STATUS_RANGE:
        raise MockhubError(
            f"status={text}: expected a status from {_STATUS_RANGE.start} to {_STATUS_RANGE.stop - 1}"  # noqa: E501
        )
    if name == "polls" and number < 1:
        raise MockhubError("polls=0: expected 1 or more; the poll at which the generation ends")
    return number


def _with_modifier(directive: Directive, token: str) -> Directive | None:
    """*directive* with a modifier, or None if *token* is no modifier."""
    if match := _TIMES_PATTERN.fullmatch(token):
        return with_conditions(directive, times=match[1])
    name, equals, value = token.partition("=")
    if not equals or name not in MODIFIERS:
        return None
    return with_conditions(directive, **{name: value})


def with_conditions(directive: Directive, **conditions: object) -> Directive:
    """*directive* under ``times``, ``p``, ``on``, ``nth`` or ``prompt``; raises MockhubError."""
    changes: dict[str, Any] = {
        ("operation" if name == "on" else name): _parse_condition(name, value)
        for name, value in conditions.items()
        if value is not None
    }
    restricted = directive._replace(**changes)
    fault, operation = directive.name, restricted.operation
    if fault in PROVIDER_FAULTS and operation not in (None, OperationId.CREATE_GENERATION):
        raise MockhubError(
            f"{fault} on={operation}: it is the provider's doing; expected {OperationId.CREATE_GENERATION}"  # noqa: E501
        )
    if restricted.prompt is not None and operation not in (
        None,
        OperationId.CREATE_GENERATION,
        OperationId.GET_GENERATION,
    ):
        raise MockhubError(
            f"on={operation} has no prompt; expected {OperationId.CREATE_GENERATION} or {OperationId.GET_GENERATION}"  # noqa: E501
        )
    return restricted


def _parse_whole_number(text: str) -> int | None:
    """A whole number written in ASCII digits, or None; huge ones are all the same."""
    if not text.isascii() or not text.isdigit():
        return None
    return int(text) if len(text) < len(str(_MAX_NUMBER)) else _MAX_NUMBER


def _parse_condition(name: str, value: object) -> object:
    if name in ("times", "nth"):
        number = _parse_whole_number(str(value))
        if number:
            return number
        raise MockhubError(f"{name}={value}: expected a whole number from 1")
    if name == "p":
        try:
            probability = float(str(value))
        except ValueError:
            probability = -1
        if 0 <= probability <= 1:
            return probability
        raise MockhubError(f"p={value}: expected a chance from 0 to 1")
    if name == "on" and value not in set(OperationId):
        hint = suggest(str(value), OperationId)
        raise MockhubError(f"on={value}: expected one of {', '.join(sorted(OperationId))}{hint}")
    return str(value)


def _known_names() -> str:
    return ", ".join(sorted(PROVIDER_FAULTS | TRANSPORT_FAULTS))


def _format_value(directive: Directive) -> str:
    return f"{directive.value}ms" if directive.name in _DURATION_FAULTS else str(directive.value)
