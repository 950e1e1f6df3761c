"""Format values for messages and terminals, and suggest known words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches

_MAX_SHOWN_CHARS = 60
_MAX_SHOWN_BITS = 665  # 200 digits
_JOINERS = "\u200c\u200d"  # of Indic scripts and emoji
_KEPT_IN_JSON = "\n" + _JOINERS


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'minimum'?`` for the known word closest to *name*, or ``""``."""
    matches = get_close_matches(name, [*map(str, known)], 1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def printable(text: str, keep: str = "") -> str:
    r"""Escape what a terminal, a log or a CI system could obey, such as ``\x1b`` or a newline.

    Control characters, line separators, bidirectional overrides and lone surrogates are escaped.

    Args:
        text: Text of another party, such as a path, a prompt or an error message.
        keep: Characters that are not escaped, such as a newline in text of several lines.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in _JOINERS or char in keep else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def to_printable_json(content: object) -> str:
    """Format as indented JSON in which characters that are not printable are escaped."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in _KEPT_IN_JSON else json.dumps(char)[1:-1]
        for char in text
    )


def install_hint(extra: str) -> str:
    """Say how to install an extra. CONTRIBUTING.md lists what a release on an index changes."""
    return f"in a clone of mockhub, run pip install '.[{extra}]'"


def plural(count: int, noun: str) -> str:
    """Return such as ``1 test`` or ``2 tests``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def token_error(token: str) -> str:
    """Say, without the token, why a header cannot carry it; empty if it can."""
    if token.isascii() and token.isprintable() and token == token.strip():
        return ""
    return (
        "the token of the control plane has a line break, a space at an end, or a character "
        "that is not ASCII, which is lost in a header; expected printable ASCII characters"
    )


def format_value(value: object) -> str:
    """Return *value* as JSON, shortened: long texts are cut, containers are counted."""
    if isinstance(value, (dict, list)) and value:
        return f"an {'object' if isinstance(value, dict) else 'array'} of {len(value)}"
    suffix = ""
    if isinstance(value, str) and len(value) > _MAX_SHOWN_CHARS:
        value, suffix = value[:_MAX_SHOWN_CHARS], f"... ({len(value)} characters)"
    if isinstance(value, int) and value.bit_length() > _MAX_SHOWN_BITS:
        return "a number of more than 200 digits"  # Python may refuse to write it
    return json.dumps(value, ensure_ascii=False, default=str) + suffix
