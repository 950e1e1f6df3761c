"""Parse the expressions of `-k`, such as ``AUTH and not (AUTH-9 or revoked)``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from mockhub.exceptions import MockhubError
from mockhub.verify.clauses import clauses

_TOKEN = re.compile(r"\s*([()]|[\w.\-]+|\S)")
_CLAUSE_ID = re.compile(r"[a-z]+-[0-9]+")
_OPERATORS = ("and", "or", "not", "(", ")")

Filter = Callable[[set[str]], bool]


def compile_filter(text: str | None) -> Filter:
    """Return a predicate on the names of a check and its clauses.

    A word matches a clause by its whole id (``REQ-1``) or by its group (``REQ``). Any other word
    matches a check by a part of its name. The case of letters does not matter. Words are combined
    by `and`, `or`, `not` and parentheses, with Python's precedence.

    Raises:
        MockhubError: if *text* is not such an expression.
    """
    if not text:
        return lambda names: True
    matches = _Parser(text).parse()
    return lambda names: matches({name.lower() for name in names})


class _Parser:
    """A recursive-descent parser with one method for each level of precedence."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [match[1] for match in _TOKEN.finditer(text)]

    def parse(self) -> Filter:
        matches = self._or()
        if self.tokens:
            raise self._error("and, or")
        return matches

    def _or(self) -> Filter:
        left = self._and()
        while self._accept("or"):
            left = _either(left, self._and())
        return left

    def _and(self) -> Filter:
        left = self._not()
        while self._accept("and"):
            left = _both(left, self._not())
        return left

    def _not(self) -> Filter:
        if self._accept("not"):
            operand = self._not()
            return lambda names: not operand(names)
        if self._accept("("):
            inner = self._or()
            if not self._accept(")"):
                raise self._error("and, or, )")
            return inner
        if not self.tokens or not _is_word(self.tokens[0]):
            raise self._error("a clause, a group or a part of a check name, not, (")
        word = self.tokens.pop(0).lower()
        return lambda names: any(_matches(word, name) for name in names)

    def _accept(self, token: str) -> bool:
        matches = self.tokens[:1] == [token]
        del self.tokens[: int(matches)]
        return matches

    def _error(self, expected: str) -> MockhubError:
        actual = f"{self.tokens[0]!r}" if self.tokens else "the end"
        return MockhubError(
            f"-k {self.text!r} is not a valid expression: found {actual}, expected {expected}; "
            "for example AUTH and not AUTH-9"
        )


def _is_word(token: str) -> bool:
    return token not in _OPERATORS and re.fullmatch(r"[\w.\-]+", token) is not None


def _matches(word: str, name: str) -> bool:
    if _CLAUSE_ID.fullmatch(name):
        return word in (name, name.partition("-")[0])
    return name.startswith(f"{word}_") if word in _groups() else word in name


@cache
def _groups() -> set[str]:
    return {clause_id.partition("-")[0].lower() for clause_id in clauses()}


def _either(left: Filter, right: Filter) -> Filter:
    return lambda names: left(names) or right(names)


def _both(left: Filter, right: Filter) -> Filter:
    return lambda names: left(names) and right(names)
