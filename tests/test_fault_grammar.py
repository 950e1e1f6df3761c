"""The grammar of faults: what is read, what is refused, and what is counted."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockhub.resources import path
from mockhub.spec.errors import MockhubError
from mockhub.spec.law import OPERATIONS
from mockhub.world.board import Board
from mockhub.world.clock import duration
from mockhub.world.faults import (
    PROVIDER,
    WIRE,
    Directive,
    in_prefer,
    in_prompt,
    outcome,
    parse,
    restrict,
)
from mockhub.world.ids import Ids
from mockhub.world.provider import Outcome
from mockhub.world.scenarios import load

VALUES = {"deliver": "3", "take": "2s", "polls": "3", "status": "503", "delay": "2s", "drip": "2s"}


def spelt(word: str) -> str:
    return f"{word}={VALUES[word]}" if word in VALUES else word


@pytest.mark.parametrize("word", sorted(PROVIDER | WIRE))
def test_every_word_is_read_and_told_alike(word: str) -> None:
    """Each word is read, and spelt by the journal as it may be read again."""
    (directive,) = parse(spelt(word))
    assert word == directive.word
    assert (directive,) == parse(str(directive))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop@after", Directive("drop", phase="after")),
        ("status=429 x3", Directive("status", 429, times=3)),
        ("delay=150ms p=0.25", Directive("delay", 150, p=0.25)),
        ("delay=1.5 nth=2", Directive("delay", 1500, nth=2)),
        ("hang on=get_credits", Directive("hang", on="get_credits")),
        ("garble", Directive("garble", phase="after")),
        ("take=2h", Directive("take", 7_200_000)),
        ("deliver=0", Directive("deliver", 0)),
    ],
)
def test_values_and_modifiers_are_read(text: str, expected: Directive) -> None:
    """Times are milliseconds, counts are counts, and a modifier belongs to the word before it."""
    assert (expected,) == parse(text)


@pytest.mark.parametrize("between", [" ", ",", ";", ", ", " ; ", "\n", "\t"])
def test_several_stand_in_a_row(between: str) -> None:
    """Blanks, commas and semicolons separate directives and their modifiers."""
    text = between.join(["fail", "x2", "drop@after", "p=0.5"])
    assert (Directive("fail", times=2), Directive("drop", phase="after", p=0.5)) == parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "an empty directive"),
        (" , ", "an empty directive"),
        ("fial", "did you mean 'fail'?"),
        ("FAIL", "did you mean 'fail'?"),
        ("xyzzy", "known are delay, deliver"),
        ("x2", "expected a directive before it"),
        ("p=0.5 drop", "expected a directive before it"),
        ("drop=1", "drop takes no value"),
        ("status", "needs a value, such as status=503"),
        ("status=", "expected a whole number, such as status=503"),
        ("status=abc", "expected a whole number"),
        ("status=200", "expected a status from 400 to 599"),
        ("status=600", "expected a status from 400 to 599"),
        ("status=" + 5000 * "5", "expected a status from 400 to 599"),
        ("deliver=-1", "expected a whole number"),
        ("deliver=²", "expected a whole number"),
        ("polls=0", "expected 1 or more"),
        ("take=fast", "expected one such as 2s"),
        ("take=-1s", "expected one such as 2s"),
        ("take=" + 400 * "9", "expected at most"),
        ("drop@never", "expected @before or @after"),
        ("fail@after", "takes no @after"),
        ("garble@before", "can only be @after"),
        ("drop x0", "expected a whole number from 1"),
        ("drop nth=0", "expected a whole number from 1"),
        ("drop nth=²", "expected a whole number from 1"),
        ("drop p=2", "expected a chance from 0 to 1"),
        ("drop p=nan", "expected a chance from 0 to 1"),
        ("drop on=get_credit", "did you mean 'get_credits'?"),
        ("fail on=get_credits", "expected create_generation"),
    ],
)
def test_a_mistake_is_explained(text: str, says: str) -> None:
    """What is wrong is named with what is allowed, or the closest known word."""
    with pytest.raises(MockhubError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 6000


@given(st.text(max_size=60) | st.text(alphabet="dropfailstu=@x123 ,;pnth.", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends the parser otherwise than by directives or a MockhubError."""
    for reader in (parse, in_prompt, in_prefer):
        with suppress(MockhubError):
            assert all(isinstance(one, Directive) for one in reader(text))


DIRECTIVES = st.builds(
    lambda word, phase, times, p, nth, on: (
        spelt(word)
        + (phase if word in WIRE - {"garble", "truncate", "drip"} else "")
        + (f" x{times}" if times else "")
        + (f" p={p}" if p is not None else "")
        + (f" nth={nth}" if nth else "")
        + (f" on={on}" if on and word in WIRE else "")
    ),
    st.sampled_from(sorted(PROVIDER | WIRE)),
    st.sampled_from(["", "@before", "@after"]),
    st.none() | st.integers(1, 10**12),
    st.none() | st.floats(0, 1),
    st.none() | st.integers(1, 10**12),
    st.none() | st.sampled_from(sorted(OPERATIONS)),
)


@given(st.lists(DIRECTIVES, min_size=1, max_size=5))
def test_what_is_allowed_is_read(texts: list[str]) -> None:
    """Any words with any of their modifiers in a row give as many directives."""
    assert len(texts) == len(parse(" ".join(texts)))


@given(st.integers(0, 10**9))
def test_durations_are_read_exactly(milliseconds: int) -> None:
    """A duration in milliseconds, or seconds with a point, is read to the millisecond."""
    assert milliseconds == duration(f"{milliseconds}ms") == duration(f"{milliseconds / 1000:.3f}")


def test_prompts_hold_directives_in_brackets() -> None:
    """[[...]] holds directives for making it; on=get_generation is for polling it."""
    made, polled = in_prompt("A [[fail]] cat [[drop on=get_generation]]")
    assert ("fail", "create_generation") == (made.word, made.on)
    assert ("drop", "get_generation") == (polled.word, polled.on)
    assert () == in_prompt("A cat [drop] [ [drop] ] [[x ]x] [[")


@pytest.mark.parametrize("prompt", [16_000 * "[[", 10_000 * "[[ ", 16_000 * "]]", 4_000 * "[[x "])
def test_brackets_are_read_in_one_pass(prompt: str) -> None:
    """A prompt full of brackets is read like any other, not once a bracket."""
    looked = [0]

    class Counting(str):
        def find(self, *arguments: object) -> int:
            looked[0] += 1
            return str.find(self, *arguments)  # type: ignore[arg-type]

    assert () == in_prompt(Counting(prompt))
    assert looked[0] <= 2


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("[[fial]]", "did you mean 'fail'?"),
        ("[[]]", "an empty directive"),
        ("[[drop on=get_credits]]", "expected create_generation or get_generation"),
        ("[[fail]", "is not closed"),
        ("a [[ drop@after", "is not closed"),
    ],
)
def test_a_mistake_in_a_prompt_is_explained(prompt: str, says: str) -> None:
    """A wrong word, a wrong place or a missing bracket is refused, never ignored."""
    with pytest.raises(MockhubError, match=".") as caught:
        in_prompt(prompt)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("code=402", 402),
        ('code="503"', 503),
        ("respond-async, code=500", 500),
        ("dynamic=true; code=404", 404),
    ],
)
def test_prefer_names_a_status(header: str, status: int) -> None:
    """Prefer: code=NNN, as Prism has it, is status=NNN; other preferences are not ours."""
    assert (Directive("status", status),) == in_prefer(header)
    assert () == in_prefer("return=minimal, encode=1")


def test_an_outcome_is_the_providers_alone() -> None:
    """A provider's outcome takes the provider's words and refuses the wire's."""
    assert Outcome(deliver=2, take=3000) == outcome("deliver=2 take=3s")
    with pytest.raises(MockhubError, match="not the provider's doing"):
        outcome("drop")


# -- the board ------------------------------------------------------------------------------------


def strikes(board: Board, calls: int, operation: str = "get_credits", seed: int = 0) -> list[str]:
    """What strikes each of some calls, as one text a call."""
    chance = Ids(seed).chance
    struck = (board.on_arrival(operation, chance) for _ in range(calls))
    return [" ".join(str(one) for one in call) for call in struck]


def armed(*texts: str) -> Board:
    board = Board()
    board.arm(one for text in texts for one in parse(text))
    return board


def counted(found: Iterable[str]) -> str:
    return "".join("x" if one else "." for one in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop", "xxxxxx"),
        ("drop x2", "xx...."),
        ("drop nth=3", "..x..."),
        ("drop p=0", "......"),
        ("drop p=1", "xxxxxx"),
        ("drop on=get_credits x1", "x....."),
        ("drop on=list_models", "......"),
        ("fail", "......"),
    ],
)
def test_calls_are_counted(text: str, expected: str) -> None:
    """xN strikes N times, nth=N at the Nth call, on= on one operation only."""
    assert expected == counted(strikes(armed(text), 6))


def test_chance_is_seeded() -> None:
    """The same seed gives the same strikes, another seed others, about as often as told."""
    found = counted(strikes(armed("drop p=0.3"), 1000, seed=7))
    assert found == counted(strikes(armed("drop p=0.3"), 1000, seed=7))
    assert found != counted(strikes(armed("drop p=0.3"), 1000, seed=8))
    assert 250 < found.count("x") < 350


def test_one_fatal_fault_a_request() -> None:
    """What ends a request uses up no other fault that would: they come one after the other."""
    found = strikes(armed("status=503 x2", "drop x1"), 4)
    assert ["status=503@before", "status=503@before", "drop@before", ""] == found


def test_a_row_is_armed_in_one_breath() -> None:
    """The same word twice in one arming stands in a row."""
    found = strikes(armed("status=503 x1 status=429 x1"), 3)
    assert ["status=503@before", "status=429@before", ""] == found
    found = strikes(armed("status=503 nth=1 status=429 nth=2"), 3)
    assert ["status=503@before", "status=429@before", ""] == found


def test_a_delay_goes_with_what_ends_the_request() -> None:
    """What does not end a request strikes beside what does."""
    assert ["delay=2000ms@before drop@after"] == strikes(armed("delay=2s drop@after"), 1)


def test_arming_again_starts_anew() -> None:
    """Armed again, a fault has its whole number of times again, and its new value."""
    board = armed("status=503 x2")
    assert "xx." == counted(strikes(board, 3))
    board.arm(parse("status=503 x2"))
    assert "xx." == counted(strikes(board, 3))
    board.arm(parse("status=429 x2"))
    assert ["status=429@before"] == strikes(board, 1)
    board.arm(parse("status=500@after x1"))
    assert ["status=429@before", "status=500@after", ""] == strikes(board, 3)


def test_a_copy_goes_on_by_itself() -> None:
    """A copied board has come as far as the first, and goes on alone."""
    board = armed("drop x3")
    strikes(board, 1)
    twin = board.copy()
    assert "xx." == counted(strikes(twin, 3))
    assert "xx." == counted(strikes(board, 3))


def test_clearing_forgets_everything() -> None:
    """A cleared board strikes nobody and has counted nothing."""
    board = armed("drop")
    (limited,) = parse("drop x1")
    chance = Ids(0).chance
    found = [board.carried([limited], "get_credits", chance, by="me") for _ in range(2)]
    assert [(limited,), ()] == found
    board.clear()
    assert "..." == counted(strikes(board, 3))
    assert (limited,) == board.carried([limited], "get_credits", chance, by="me")


def test_the_provider_is_asked_by_paid_generations_only() -> None:
    """A provider's word waits for a generation, and a prompt for its own."""
    board = Board()
    board.arm([restrict(one, prompt="cat") for one in parse("fail x1")])
    chance = Ids(0).chance
    assert "..." == counted(strikes(board, 3, "create_generation"))
    assert () == board.on_generation("a dog", chance)
    assert "fail" == str(board.on_generation("a cat", chance)[0])
    assert () == board.on_generation("a cat", chance)


def test_a_wrong_scenario_names_the_line(tmp_path: object) -> None:
    """A wrong directive in a scenario is told with file, line, place and the closest word."""
    file = path("fixtures/scenarios/outage.yaml")
    broken = file.read_text("utf-8").replace("status=503", "statsu=503")
    target = tmp_path / "broken.yaml"  # type: ignore[operator]
    target.write_text(broken, "utf-8")
    with pytest.raises(MockhubError) as caught:
        load(target)
    line = 1 + broken.split("\n").index(next(s for s in broken.split("\n") if "statsu" in s))
    assert f"broken.yaml:{line}: #/faults/0: " in str(caught.value)
    assert "did you mean 'status'?" in str(caught.value)
