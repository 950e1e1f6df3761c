"""Parse the expressions of -k."""

from __future__ import annotations

import re
from collections.abc import Callable

from mockhub.exceptions import MockhubError

_TOKEN = re.compile(r"\s*(\(|\)|[\w.\-]+)")


def compile_filter(text: str | None) -> Callable[[set[str]], bool]:
    """A test of names: parts of them, joined by and, or, not and brackets, in any case.

    Raises:
        MockhubError: if *text* is no such expression.
    """
    if not text:
        return lambda names: True
    tokens: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if not match:
            raise MockhubError(f"-k {text!r}: {text[position:]!r} is not understood")
        token = match[1]
        is_name = token not in ("and", "or", "not", "(", ")")
        tokens.append(f"has({token.lower()!r})" if is_name else token)
        position = match.end()
    try:
        code = compile(" ".join(tokens), "-k", "eval")
    except SyntaxError:
        raise MockhubError(
            f"-k {text!r} is not a valid expression; expected e.g. AUTH and not AUTH-9"
        ) from None

    def matches(names: set[str]) -> bool:
        lowered = [name.lower() for name in names]
        return bool(eval(code, {"has": lambda part: any(part in name for name in lowered)}))

    return matches
