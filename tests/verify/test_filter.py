"""The expressions of -k: precedence, and errors that show what is wrong."""

from __future__ import annotations

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.filter import compile_filter


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("auth", {"AUTH-1", "AUTH-9", "auth_rejects_revoked_key"}),
        ("AUTH and not AUTH-9", {"AUTH-1", "auth_rejects_revoked_key"}),
        ("MOD or AUTH-1 and AUTH-9", {"MOD-1"}),
        ("(MOD or AUTH) and not AUTH-9", {"MOD-1", "AUTH-1", "auth_rejects_revoked_key"}),
        ("not (MOD or auth)", {"LED-7"}),
        ("not not LED", {"LED-7"}),
        ("REVOKED", {"auth_rejects_revoked_key"}),
        (None, {"MOD-1", "AUTH-1", "AUTH-9", "LED-7", "auth_rejects_revoked_key"}),
    ],
)
def test_expression_selects_names(text: str | None, matched: set[str]) -> None:
    """Words match in any case; `not` binds closest, `or` loosest."""
    names = ("MOD-1", "AUTH-1", "AUTH-9", "LED-7", "auth_rejects_revoked_key")
    matches = compile_filter(text)
    assert {name for name in names if matches({name})} == matched


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("REQ-1", {"REQ-1"}),
        ("not REQ-1", {"REQ-10", "END-1", "append_tail"}),
        ("REQ", {"REQ-1", "REQ-10"}),
        ("end", {"END-1"}),
        ("tail", {"append_tail"}),
    ],
)
def test_clauses_match_as_a_whole(text: str, matched: set[str]) -> None:
    """REQ-1 is not a part of REQ-10, and a group is not a part of a word."""
    names = ("REQ-1", "REQ-10", "END-1", "append_tail")
    matches = compile_filter(text)
    assert {name for name in names if matches({name})} == matched


def test_word_may_match_any_name_of_a_check() -> None:
    """The names of one check are its own and those of its clauses."""
    assert compile_filter("AUTH and RET")({"AUTH-1", "RET-2"})


@pytest.mark.parametrize(
    ("text", "token", "expected"),
    [
        ("AUTH and", "the end", "a clause, a group or a part of a check name, not, ("),
        ("(AUTH", "the end", "and, or, )"),
        ("AUTH)", "')'", "and, or"),
        ("AUTH; import os", "';'", "and, or"),
        ("a b", "'b'", "and, or"),
        ("or a", "'or'", "a clause, a group or a part of a check name, not, ("),
        ("not", "the end", "a clause, a group or a part of a check name, not, ("),
        (" ", "the end", "a clause, a group or a part of a check name, not, ("),
        ("a or 'b'", '"\'"', "a clause, a group or a part of a check name, not, ("),
    ],
)
def test_invalid_expression_is_rejected(text: str, token: str, expected: str) -> None:
    """The error shows the first token that does not fit, and what may stand there."""
    with pytest.raises(MockhubError) as error:
        compile_filter(text)
    assert f"found {token}, expected {expected};" in str(error.value)
