"""Parse the faults in a prompt, and leave other text in brackets alone."""

from __future__ import annotations

import re
from os.path import commonprefix

from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import (
    Directive,
    at_most_max,
    parse_directives,
    require_prompt_operation,
)
from mockhub.faults.types import FAULTS
from mockhub.spec.operations import OperationId

_UNCLOSED_PATTERN = re.compile(rf"\[\[\s*({'|'.join(sorted(FAULTS))})\b[^\]]*\]?")
_FIRST_WORD_PATTERN = re.compile(r"[\s,;]*([^\s,;=@]+)")
_SYNTAX_PATTERN = re.compile(r"[=@]|(?<=[\s,;])x[0-9]+")
_MIN_NEAR_MISS = 3  # letters; the shortest fault has four
_MAX_SHOWN = 40


def parse_prompt(prompt: str) -> tuple[Directive, ...]:
    """Parse the faults within ``[[...]]`` of a prompt; brackets with other text are not faults.

    They apply to the request with the prompt, or with ``on=get_generation`` to the polls of its
    generation, or with ``on=get_image`` to the downloads of its images.

    Raises:
        MockhubError: as `parse_directives` does, or if a bracket with a known word is not closed.
    """
    if "[[" not in prompt:
        return ()
    inside, outside = _split_brackets(prompt)
    found = [
        directive
        for text in inside
        if _begins_with_a_fault(text)
        for directive in parse_directives(text)
    ]
    if unclosed := _UNCLOSED_PATTERN.search(outside):
        raise MockhubError(f"{unclosed[0][:_MAX_SHOWN]!r} is not closed; expected ]] after it")
    for directive in found:
        require_prompt_operation(directive)
    return at_most_max(
        directive._replace(operation=directive.operation or OperationId.CREATE_GENERATION)
        for directive in found
    )


def _split_brackets(prompt: str) -> tuple[list[str], str]:
    """Return the texts within ``[[...]]`` and the rest, in one pass over the prompt."""
    inside, outside, position = [], [], 0
    while (start := prompt.find("[[", position)) >= 0:
        end = prompt.find("]]", start + 2)
        if end < 0:
            break
        inside.append(prompt[start + 2 : end])
        outside.append(prompt[position:start])
        position = end + 2
    return inside, " ".join([*outside, prompt[position:]])


def _begins_with_a_fault(text: str) -> bool:
    """Return whether the first word of a bracket is a fault, or a near miss of one.

    A near miss is in the wrong case, or has two letters swapped, or, before a value, a phase or a
    modifier, one letter too many, too few or wrong; and with the fault in its place the whole
    bracket can be parsed.
    """
    match = _FIRST_WORD_PATTERN.match(text)
    word, rest = (match[1], text[match.end() :]) if match else ("", text)
    if word in FAULTS or len(word) < _MIN_NEAR_MISS:
        return word in FAULTS
    has_syntax = _SYNTAX_PATTERN.search(rest) is not None
    return any(
        _is_near_miss(word.lower(), name, one_letter=has_syntax) and _can_be_parsed(name + rest)
        for name in FAULTS
    )


def _is_near_miss(word: str, name: str, *, one_letter: bool) -> bool:
    same = len(commonprefix([word, name]))
    if len(word) == len(name):
        swapped = word[same : same + 2] == name[same : same + 2][::-1]
        if swapped and word[same + 2 :] == name[same + 2 :]:  # also if the words are equal
            return True
    shorter, longer = sorted((word, name), key=len)
    skipped = 1 if len(shorter) == len(longer) else 0
    is_one_letter = len(longer) - len(shorter) <= 1
    return one_letter and is_one_letter and longer[same + 1 :] == shorter[same + skipped :]


def _can_be_parsed(text: str) -> bool:
    try:
        return bool(parse_directives(text))
    except MockhubError:
        return False
