"""Helpers that format values for messages and suggest known words."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint at the known word that *name* was probably meant to be, or nothing."""
    matches = get_close_matches(name, [*map(str, known)], 1)
    return f"; did you mean {matches[0]!r}?" if matches else ""
