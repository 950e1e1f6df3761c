"""Parse faults; every way to inject one uses this grammar.

    fail · deliver=3 · duration=800s · polls=3 · never                    provider outcomes
    status=503 · delay=2s · reset · hang · truncate · corrupt · drip=2s   transport faults

A transport fault may name its phase: ``@before`` the request is processed (the default) or
``@after``. Each fault may be followed by modifiers: how often it fires (``x3``), how likely
(``p=0.1``), on which operation (``on=get_credits``), at which request (``nth=2``) and, if it is
armed, for how long (``for=30s``). Blanks, commas or semicolons separate the words. `docs/faults.md`
has the details.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mockhub._text import suggest
from mockhub._timestamps import format_duration, parse_duration
from mockhub.exceptions import MockhubError
from mockhub.faults.types import (
    FAULTS,
    FLAGS,
    MAX_DIRECTIVES,
    MAX_DURATION,
    MAX_NUMBER,
    PROVIDER_FAULTS,
    Argument,
    FaultType,
    Phase,
)
from mockhub.spec.operations import OperationId

MODIFIERS = ("p", "on", "nth", "for")

_PREFER_PATTERN = re.compile(
    r"(?:^|[,;\s])code\s*(?:=\s*\"?([^,;\s\"]*)|(?=[,;]|$))", re.IGNORECASE
)
_TIMES_PATTERN = re.compile(r"x([0-9]+)")
_PROMPT_OPERATIONS = (
    OperationId.CREATE_GENERATION,
    OperationId.GET_GENERATION,
    OperationId.GET_IMAGE,
)
_MAX_SHOWN = 40


class Directive(NamedTuple):
    """One fault with its value, and the conditions under which it fires."""

    name: str
    value: int = 0  # images, milliseconds, polls or a status, depending on the fault
    phase: Phase = "before"
    times: int | None = None
    p: float = 1.0
    operation: OperationId | None = None
    nth: int | None = None
    prompt: str | None = None
    active_for: int | None = None  # milliseconds since it was armed

    @property
    def type(self) -> FaultType:
        return FAULTS[self.name]

    @property
    def is_terminal(self) -> bool:
        """Whether it ends the request, so that no other terminal fault fires."""
        return self.type.is_terminal

    @property
    def needs_counting(self) -> bool:
        """Whether requests have to be counted to know on which ones it fires."""
        return self.times is not None or self.nth is not None or self.p < 1

    def __str__(self) -> str:
        """Write the fault as it can be parsed again, without its conditions."""
        argument = self.type.argument
        value = f"={self.value}{'ms' if argument.is_duration else ''}" if argument else ""
        return f"{self.name}{value}" + (f"@{self.phase}" if self.type.phases else "")


def parse_directives(text: str) -> tuple[Directive, ...]:
    """Parse faults and their modifiers.

    Raises:
        MockhubError: naming the word that is wrong, and the closest known one.
    """
    if not isinstance(text, str):
        raise MockhubError(f"{text!r} is not valid; expected a string such as 'reset@after'")
    directives: list[Directive] = []
    for token in re.split(r"[\s,;]+", text.strip()):
        if not token:
            continue
        if directives and (changed := _with_modifier(directives[-1], token)):
            directives[-1] = changed
        else:
            directives.append(_parse_directive(token))
    if not directives:
        raise MockhubError(f"an empty directive; expected one of {_known_names()}")
    return at_most_max(directives)


def parse_prefer_header(header: str) -> tuple[Directive, ...]:
    """Parse the status that a ``Prefer: code=NNN`` header asks for, in any case (RFC 7240).

    Raises:
        MockhubError: if it is no status of an error.
    """
    match = _PREFER_PATTERN.search(header)
    if match is None:
        return ()
    try:
        return parse_directives(f"status={match[1] or ''}")
    except MockhubError as error:
        raise MockhubError(str(error).replace("status=", "code=")) from None


def with_conditions(directive: Directive, **conditions: object) -> Directive:
    """Add ``times``, ``p``, ``on``, ``nth``, ``for`` or ``prompt``; None adds nothing.

    Raises:
        MockhubError: if a value is wrong, contradicts another, or does not go with the fault.
    """
    changes: dict[str, Any] = {}
    for name, value in conditions.items():
        if value is not None:
            field = _CONDITION_FIELDS.get(name, name)
            changes[field] = _CONDITION_PARSERS[name](name, value)
            before = getattr(directive, field)
            if before not in (Directive._field_defaults[field], changes[field]):
                raise MockhubError(
                    f"{name}={value}: {directive.name} has {name}={before} already; expected one"
                )
    restricted = directive._replace(**changes)
    name, operation = restricted.name, restricted.operation
    if name in PROVIDER_FAULTS and operation not in (None, OperationId.CREATE_GENERATION):
        raise MockhubError(
            f"{name} on={operation}: {name} is a provider outcome; "
            f"expected {OperationId.CREATE_GENERATION}"
        )
    if restricted.prompt is not None:
        require_prompt_operation(restricted)
    return restricted


def at_most_max(directives: Iterable[Directive]) -> tuple[Directive, ...]:
    found = tuple(directives)
    if len(found) > MAX_DIRECTIVES:
        raise MockhubError(f"{len(found)} directives; expected at most {MAX_DIRECTIVES}")
    return found


def require_prompt_operation(directive: Directive) -> None:
    if directive.operation not in (None, *_PROMPT_OPERATIONS):
        expected = " or ".join(_PROMPT_OPERATIONS)
        raise MockhubError(f"on={directive.operation} has no prompt; expected {expected}")


def _parse_directive(token: str) -> Directive:
    rest, at, phase = token.partition("@")
    name, equals, value = rest.partition("=")
    if name not in FAULTS:
        if name in MODIFIERS or _TIMES_PATTERN.fullmatch(name):
            raise MockhubError(f"{token!r} is a modifier; expected a directive before it")
        hint = suggest(name.lower(), FAULTS) or f"; known are {_known_names()}"
        raise MockhubError(f"unknown directive {name[:_MAX_SHOWN]!r}{hint}")
    if equals and name in FLAGS:
        raise MockhubError(f"{token!r}: {name} takes no value")
    fault = FAULTS[name]
    return Directive(
        name,
        _parse_value(fault, value if equals else None),
        _parse_phase(fault, phase if at else None),
    )


def _parse_value(fault: FaultType, text: str | None) -> int:
    argument, name = fault.argument, fault.name
    if argument is None:
        return 0
    if text is None:
        raise MockhubError(f"{name} needs a value, such as {name}={argument.example}")
    if argument.is_duration:
        return _parse_duration(fault.name, argument, text)
    number = _parse_whole_number(text)
    if number is None or not argument.minimum <= number <= argument.maximum:
        limit = "" if argument.maximum == MAX_NUMBER else f" to {argument.maximum}"
        raise MockhubError(
            f"{name}={text[:_MAX_SHOWN]}: expected a whole number from {argument.minimum}{limit}, "
            f"such as {name}={argument.example}"
        )
    return number


def _parse_duration(name: str, argument: Argument, text: str) -> int:
    try:
        milliseconds = parse_duration(text)
        if milliseconds <= argument.maximum:
            return milliseconds
    except MockhubError:
        pass
    raise MockhubError(
        f"{name}={text[:_MAX_SHOWN]}: expected a duration of at most "
        f"{format_duration(argument.maximum)}, such as {name}={argument.example}"
    )


def _parse_phase(fault: FaultType, phase: str | None) -> Phase:
    if phase is None:
        return fault.phases[0] if fault.phases else "before"
    if not fault.phases:
        raise MockhubError(f"{fault.name} is a provider outcome and takes no @{phase}")
    for allowed in fault.phases:
        if phase == allowed:
            return allowed
    expected = " or ".join(f"@{allowed}" for allowed in fault.phases)
    raise MockhubError(f"{fault.name}@{phase}: expected {expected}")


def _with_modifier(directive: Directive, token: str) -> Directive | None:
    """Return *directive* with a modifier, or None if *token* is not one."""
    if match := _TIMES_PATTERN.fullmatch(token):
        if not _parse_whole_number(match[1]):
            raise MockhubError(f"{token}: expected a whole number from 1 after x")
        return with_conditions(directive, times=match[1])
    name, equals, value = token.partition("=")
    if not equals or name not in MODIFIERS:
        return None
    return with_conditions(directive, **{name: value})


def _parse_whole_number(text: str) -> int | None:
    """Parse ASCII digits; return None for anything else, and at most MAX_NUMBER."""
    if not text.isascii() or not text.isdigit():
        return None
    return int(text) if len(text) < len(str(MAX_NUMBER)) else MAX_NUMBER


def _parse_count(name: str, value: object) -> int:
    if number := _parse_whole_number(str(value)):
        return number
    raise MockhubError(f"{name}={value}: expected a whole number from 1")


def _parse_probability(name: str, value: object) -> float:
    try:
        probability = float(str(value))
    except ValueError:
        probability = -1
    if 0 <= probability <= 1:
        return probability
    raise MockhubError(f"{name}={value}: expected a probability from 0 to 1")


def _parse_active_for(name: str, value: object) -> int:
    return _parse_duration(
        name, Argument("30s", is_duration=True, maximum=MAX_DURATION), str(value)
    )


def _parse_operation(name: str, value: object) -> OperationId:
    try:
        return OperationId(str(value))
    except ValueError:
        expected = ", ".join(sorted(OperationId)) + suggest(str(value), OperationId)
        raise MockhubError(f"{name}={value}: expected one of {expected}") from None


_CONDITION_FIELDS = {"on": "operation", "for": "active_for"}
_CONDITION_PARSERS: dict[str, Callable[[str, object], object]] = {
    "times": _parse_count,
    "nth": _parse_count,
    "p": _parse_probability,
    "on": _parse_operation,
    "for": _parse_active_for,
    "prompt": lambda name, value: str(value),
}


def _known_names() -> str:
    return ", ".join(sorted(FAULTS))
