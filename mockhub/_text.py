"""Format values for messages and terminals, and suggest known words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches

_MAX_SHOWN_CHARS = 60
_MAX_SHOWN_BITS = 665  # 200 digits


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'minimum'?`` for the known word closest to *name*, or ``""``."""
    matches = get_close_matches(name, [*map(str, known)], 1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def printable(text: str) -> str:
    """Escape what a terminal could obey, such as control sequences in a prompt or a path."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def plural(count: int, noun: str) -> str:
    """Return such as ``1 test`` or ``2 tests``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


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
