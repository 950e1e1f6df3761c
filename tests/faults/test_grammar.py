"""The grammar of faults: what is read, what is refused, and what is counted."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockhub._resources import resource_path
from mockhub._timestamps import parse_duration
from mockhub.domain.ids import Ids
from mockhub.domain.provider import Outcome, parse_outcome
from mockhub.domain.snapshot import copy_state
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import (
    Directive,
    parse_directives,
    parse_prefer_header,
    parse_prompt,
    with_conditions,
)
from mockhub.faults.registry import FaultRegistry
from mockhub.faults.types import PROVIDER_FAULTS, TRANSPORT_FAULTS
from mockhub.scenarios.loader import load_scenario
from mockhub.spec.operations import OperationId

VALUES = {
    "deliver": "3",
    "duration": "2s",
    "polls": "3",
    "status": "503",
    "delay": "2s",
    "drip": "2s",
}


def spelt(word: str) -> str:
    return f"{word}={VALUES[word]}" if word in VALUES else word


@pytest.mark.parametrize("word", sorted(PROVIDER_FAULTS | TRANSPORT_FAULTS))
def test_every_word_is_read_and_told_alike(word: str) -> None:
    """Each word is read, and spelt by the journal as it may be read again."""
    (directive,) = parse_directives(spelt(word))
    assert word == directive.name
    assert (directive,) == parse_directives(str(directive))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reset@after", Directive("reset", phase="after")),
        ("status=429 x3", Directive("status", 429, times=3)),
        ("delay=150ms p=0.25", Directive("delay", 150, p=0.25)),
        ("delay=1.5 nth=2", Directive("delay", 1500, nth=2)),
        ("hang on=get_credits", Directive("hang", operation="get_credits")),
        ("corrupt", Directive("corrupt", phase="after")),
        ("duration=2h", Directive("duration", 7_200_000)),
        ("deliver=0", Directive("deliver", 0)),
    ],
)
def test_values_and_modifiers_are_read(text: str, expected: Directive) -> None:
    """Times are milliseconds, counts are counts, and a modifier belongs to the word before it."""
    assert (expected,) == parse_directives(text)


@pytest.mark.parametrize("between", [" ", ",", ";", ", ", " ; ", "\n", "\t"])
def test_several_stand_in_a_row(between: str) -> None:
    """Blanks, commas and semicolons separate directives and their modifiers."""
    text = between.join(["fail", "x2", "reset@after", "p=0.5"])
    assert (
        Directive("fail", times=2),
        Directive("reset", phase="after", p=0.5),
    ) == parse_directives(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "an empty directive"),
        (" , ", "an empty directive"),
        ("fial", "did you mean 'fail'?"),
        ("FAIL", "did you mean 'fail'?"),
        ("xyzzy", "known are corrupt, delay"),
        ("x2", "expected a directive before it"),
        ("p=0.5 reset", "expected a directive before it"),
        ("reset=1", "reset takes no value"),
        ("status", "needs a value, such as status=503"),
        ("status=", "expected a whole number from 400 to 599, such as status=503"),
        ("status=abc", "expected a whole number"),
        ("status=200", "expected a whole number from 400 to 599"),
        ("status=600", "expected a whole number from 400 to 599"),
        ("status=" + 5000 * "5", "expected a whole number from 400 to 599"),
        ("deliver=-1", "expected a whole number from 0, such as deliver=3"),
        ("deliver=²", "expected a whole number"),
        ("polls=0", "expected a whole number from 1, such as polls=3"),
        ("duration=fast", "expected one such as 2s"),
        ("duration=-1s", "expected one such as 2s"),
        ("duration=" + 400 * "9", "expected at most"),
        ("reset@never", "expected @before or @after"),
        ("fail@after", "takes no @after"),
        ("corrupt@before", "corrupt@before: expected @after"),
        ("reset x0", "expected a whole number from 1"),
        ("reset nth=0", "expected a whole number from 1"),
        ("reset nth=²", "expected a whole number from 1"),
        ("reset p=2", "expected a probability from 0 to 1"),
        ("reset p=nan", "expected a probability from 0 to 1"),
        ("reset on=get_credit", "did you mean 'get_credits'?"),
        ("fail on=get_credits", "expected create_generation"),
    ],
)
def test_a_mistake_is_explained(text: str, says: str) -> None:
    """What is wrong is named with what is allowed, or the closest known word."""
    with pytest.raises(MockhubError) as caught:
        parse_directives(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 6000


@given(st.text(max_size=60) | st.text(alphabet="resetfailu=@x123 ,;pnth.", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends the parser otherwise than by directives or a MockhubError."""
    for reader in (parse_directives, parse_prompt, parse_prefer_header):
        with suppress(MockhubError):
            assert all(isinstance(one, Directive) for one in reader(text))


DIRECTIVES = st.builds(
    lambda word, phase, times, p, nth, on: (
        spelt(word)
        + (phase if word in TRANSPORT_FAULTS - {"corrupt", "truncate", "drip"} else "")
        + (f" x{times}" if times else "")
        + (f" p={p}" if p is not None else "")
        + (f" nth={nth}" if nth else "")
        + (f" on={on}" if on and word in TRANSPORT_FAULTS else "")
    ),
    st.sampled_from(sorted(PROVIDER_FAULTS | TRANSPORT_FAULTS)),
    st.sampled_from(["", "@before", "@after"]),
    st.none() | st.integers(1, 10**12),
    st.none() | st.floats(0, 1),
    st.none() | st.integers(1, 10**12),
    st.none() | st.sampled_from(sorted(OperationId)),
)


@given(st.lists(DIRECTIVES, min_size=1, max_size=5))
def test_what_is_allowed_is_read(texts: list[str]) -> None:
    """Any words with any of their modifiers in a row give as many directives."""
    assert len(texts) == len(parse_directives(" ".join(texts)))


@given(st.integers(0, 10**9))
def test_durations_are_read_exactly(milliseconds: int) -> None:
    """A duration in milliseconds, or seconds with a point, is read to the millisecond."""
    assert (
        milliseconds
        == parse_duration(f"{milliseconds}ms")
        == parse_duration(f"{milliseconds / 1000:.3f}")
    )


def test_prompts_hold_directives_in_brackets() -> None:
    """[[...]] holds directives for making it; on=get_generation is for polling it."""
    made, polled = parse_prompt("A [[fail]] cat [[reset on=get_generation]]")
    assert (made.name, made.operation) == ("fail", "create_generation")
    assert (polled.name, polled.operation) == ("reset", "get_generation")
    assert parse_prompt("A cat [reset] [ [reset] ] [[x ]x] [[") == ()


@pytest.mark.parametrize("prompt", [16_000 * "[[", 10_000 * "[[ ", 16_000 * "]]", 4_000 * "[[x "])
def test_brackets_are_read_in_one_pass(prompt: str) -> None:
    """A prompt full of brackets is read like any other, not once a bracket."""
    looked = [0]

    class Counting(str):
        def find(self, *arguments: object) -> int:
            looked[0] += 1
            return str.find(self, *arguments)  # type: ignore[arg-type]

    assert parse_prompt(Counting(prompt)) == ()
    assert looked[0] <= 2


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("[[fial]]", "did you mean 'fail'?"),
        ("[[]]", "an empty directive"),
        ("[[reset on=get_credits]]", "expected create_generation or get_generation"),
        ("[[fail]", "is not closed"),
        ("a [[ reset@after", "is not closed"),
    ],
)
def test_a_mistake_in_a_prompt_is_explained(prompt: str, says: str) -> None:
    """A wrong word, a wrong place or a missing bracket is refused, never ignored."""
    with pytest.raises(MockhubError, match=".") as caught:
        parse_prompt(prompt)
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
    assert (Directive("status", status),) == parse_prefer_header(header)
    assert parse_prefer_header("return=minimal, encode=1") == ()


def test_an_outcome_is_the_providers_alone() -> None:
    """A provider's outcome takes the provider's words and refuses the wire's."""
    assert Outcome(deliver=2, duration=3000) == parse_outcome("deliver=2 duration=3s")
    with pytest.raises(MockhubError, match="not a provider outcome"):
        parse_outcome("reset")


# -- the board ------------------------------------------------------------------------------------


def strikes(
    board: FaultRegistry, calls: int, operation: str = "get_credits", seed: int = 0
) -> list[str]:
    """What strikes each of some calls, as one text a call."""
    chance = Ids(seed).random
    struck = (board.match_request(operation, chance) for _ in range(calls))
    return [" ".join(str(one) for one in call) for call in struck]


def armed(*texts: str) -> FaultRegistry:
    board = FaultRegistry()
    board.arm(one for text in texts for one in parse_directives(text))
    return board


def counted(found: Iterable[str]) -> str:
    return "".join("x" if one else "." for one in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reset", "xxxxxx"),
        ("reset x2", "xx...."),
        ("reset nth=3", "..x..."),
        ("reset p=0", "......"),
        ("reset p=1", "xxxxxx"),
        ("reset on=get_credits x1", "x....."),
        ("reset on=list_models", "......"),
        ("fail", "......"),
    ],
)
def test_calls_are_counted(text: str, expected: str) -> None:
    """xN strikes N times, nth=N at the Nth call, on= on one operation only."""
    assert expected == counted(strikes(armed(text), 6))


def test_chance_is_seeded() -> None:
    """The same seed gives the same strikes, another seed others, about as often as told."""
    found = counted(strikes(armed("reset p=0.3"), 1000, seed=7))
    assert found == counted(strikes(armed("reset p=0.3"), 1000, seed=7))
    assert found != counted(strikes(armed("reset p=0.3"), 1000, seed=8))
    assert 250 < found.count("x") < 350


def test_one_fatal_fault_a_request() -> None:
    """What ends a request uses up no other fault that would: they come one after the other."""
    found = strikes(armed("status=503 x2", "reset x1"), 4)
    assert found == ["status=503@before", "status=503@before", "reset@before", ""]


def test_a_row_is_armed_in_one_breath() -> None:
    """The same word twice in one arming stands in a row."""
    found = strikes(armed("status=503 x1 status=429 x1"), 3)
    assert found == ["status=503@before", "status=429@before", ""]
    found = strikes(armed("status=503 nth=1 status=429 nth=2"), 3)
    assert found == ["status=503@before", "status=429@before", ""]


def test_a_delay_goes_with_what_ends_the_request() -> None:
    """What does not end a request strikes beside what does."""
    assert strikes(armed("delay=2s reset@after"), 1) == ["delay=2000ms@before reset@after"]


def test_arming_again_starts_anew() -> None:
    """Armed again, a fault has its whole number of times again, and its new value."""
    board = armed("status=503 x2")
    assert counted(strikes(board, 3)) == "xx."
    board.arm(parse_directives("status=503 x2"))
    assert counted(strikes(board, 3)) == "xx."
    board.arm(parse_directives("status=429 x2"))
    assert strikes(board, 1) == ["status=429@before"]
    board.arm(parse_directives("status=500@after x1"))
    assert strikes(board, 3) == ["status=429@before", "status=500@after", ""]


def test_a_copy_goes_on_by_itself() -> None:
    """A copied board has come as far as the first, and goes on alone."""
    board = armed("reset x3")
    strikes(board, 1)
    twin = copy_state(board)
    assert counted(strikes(twin, 3)) == "xx."
    assert counted(strikes(board, 3)) == "xx."


def test_clearing_forgets_everything() -> None:
    """A cleared board strikes nobody and has counted nothing."""
    board = armed("reset")
    (limited,) = parse_directives("reset x1")
    chance = Ids(0).random
    found = [board.match_inline([limited], "get_credits", chance, scope="me") for _ in range(2)]
    assert [(limited,), ()] == found
    board.clear()
    assert counted(strikes(board, 3)) == "..."
    assert (limited,) == board.match_inline([limited], "get_credits", chance, scope="me")


def test_the_provider_is_asked_by_paid_generations_only() -> None:
    """A provider's word waits for a generation, and a prompt for its own."""
    board = FaultRegistry()
    board.arm([with_conditions(one, prompt="cat") for one in parse_directives("fail x1")])
    chance = Ids(0).random
    assert counted(strikes(board, 3, "create_generation")) == "..."
    assert board.match_provider("a dog", chance) == ()
    assert str(board.match_provider("a cat", chance)[0]) == "fail"
    assert board.match_provider("a cat", chance) == ()


def test_a_wrong_scenario_names_the_line(tmp_path: object) -> None:
    """A wrong directive in a scenario is told with file, line, place and the closest word."""
    file = resource_path("fixtures/scenarios/outage.yaml")
    broken = file.read_text("utf-8").replace("status=503", "statsu=503")
    target = tmp_path / "broken.yaml"  # type: ignore[operator]
    target.write_text(broken, "utf-8")
    with pytest.raises(MockhubError) as caught:
        load_scenario(target)
    line = 1 + broken.split("\n").index(next(s for s in broken.split("\n") if "statsu" in s))
    assert f"broken.yaml:{line}: #/faults/0: " in str(caught.value)
    assert "did you mean 'status'?" in str(caught.value)
