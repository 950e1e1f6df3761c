"""The names of hubs, accounts and generations, which are a segment of a path."""

from __future__ import annotations

import re

from mockhub._text import format_value
from mockhub.exceptions import MockhubError

NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # as in control.yaml
NAME_DESCRIPTION = (
    "at most 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
)
KEY_NAME_PATTERN = r"^(?![.]{1,2}$)[^/]+$"
KEY_NAME_DESCRIPTION = "a string without a slash, other than . and .."


def require_name(place: str, value: object) -> None:
    """Raise MockhubError if *value* cannot be a name."""
    if not (isinstance(value, str) and re.fullmatch(NAME_PATTERN, value)):
        raise MockhubError(
            f"{place}: {format_value(value)} is not valid; expected {NAME_DESCRIPTION}"
        )
