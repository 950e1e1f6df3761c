"""The grammar of faults, and the counters of armed ones."""

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
    with_conditions,
)
from mockhub.faults.prompt import parse_prompt
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


def spelling(name: str) -> str:
    return f"{name}={VALUES[name]}" if name in VALUES else name


@pytest.mark.parametrize("name", sorted(PROVIDER_FAULTS | TRANSPORT_FAULTS))
def test_every_fault_round_trips(name: str) -> None:
    """Each fault is parsed, and formatted so that it can be parsed again."""
    (directive,) = parse_directives(spelling(name))
    assert directive.name == name
    assert parse_directives(str(directive)) == (directive,)


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
def test_values_and_modifiers_are_parsed(text: str, expected: Directive) -> None:
    """Times are milliseconds, counts are numbers, and a modifier belongs to the fault before it."""
    assert parse_directives(text) == (expected,)


@pytest.mark.parametrize("between", [" ", ",", ";", ", ", " ; ", "\n", "\t"])
def test_blanks_commas_and_semicolons_separate_faults(between: str) -> None:
    text = between.join(["fail", "x2", "reset@after", "p=0.5"])
    assert (
        Directive("fail", times=2),
        Directive("reset", phase="after", p=0.5),
    ) == parse_directives(text)


@pytest.mark.parametrize(
    ("text", "expected"),
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
        ("duration=fast", "such as duration=800s"),
        ("duration=-1s", "such as duration=800s"),
        ("duration=" + 400 * "9", "expected a duration of at most 30d"),
        ("delay=3601s", "delay=3601s: expected a duration of at most 1h, such as delay=2s"),
        ("drip=3650d", "drip=3650d: expected a duration of at most 1h"),
        ("duration=31d", "duration=31d: expected a duration of at most 30d"),
        (101 * "delay=0s ", "101 directives; expected at most 100"),
        ("reset@never", "expected @before or @after"),
        ("fail@after", "takes no @after"),
        ("corrupt@before", "corrupt@before: expected @after"),
        ("reset x0", "x0: expected a whole number from 1"),
        ("reset nth=0", "expected a whole number from 1"),
        ("reset nth=²", "expected a whole number from 1"),
        ("reset p=2", "expected a probability from 0 to 1"),
        ("reset p=nan", "expected a probability from 0 to 1"),
        ("reset on=get_credit", "did you mean 'get_credits'?"),
        ("fail on=get_credits", "expected create_generation"),
    ],
)
def test_error_names_what_is_allowed(text: str, expected: str) -> None:
    """An error names what is wrong with what is allowed, or with the closest known name."""
    with pytest.raises(MockhubError) as caught:
        parse_directives(text)
    assert expected in str(caught.value)
    assert "times=" not in str(caught.value)
    assert len(str(caught.value)) < 6000


@given(st.text(max_size=60) | st.text(alphabet="resetfailu=@x123 ,;pnth.", max_size=40))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    """The parsers return directives or raise MockhubError for any text."""
    for reader in (parse_directives, parse_prompt, parse_prefer_header):
        with suppress(MockhubError):
            assert all(isinstance(directive, Directive) for directive in reader(text))


DIRECTIVES = st.builds(
    lambda name, phase, times, p, nth, on: (
        spelling(name)
        + (phase if name in TRANSPORT_FAULTS - {"corrupt", "truncate", "drip"} else "")
        + (f" x{times}" if times else "")
        + (f" p={p}" if p is not None else "")
        + (f" nth={nth}" if nth else "")
        + (f" on={on}" if on and name in TRANSPORT_FAULTS else "")
    ),
    st.sampled_from(sorted(PROVIDER_FAULTS | TRANSPORT_FAULTS)),
    st.sampled_from(["", "@before", "@after"]),
    st.none() | st.integers(1, 10**12),
    st.none() | st.floats(0, 1),
    st.none() | st.integers(1, 10**12),
    st.none() | st.sampled_from(sorted(OperationId)),
)


@given(st.lists(DIRECTIVES, min_size=1, max_size=5))
def test_every_combination_is_parsed(texts: list[str]) -> None:
    """Any faults with any of their modifiers give as many directives."""
    assert len(texts) == len(parse_directives(" ".join(texts)))


@given(st.integers(0, 10**9))
def test_durations_are_exact(milliseconds: int) -> None:
    """A duration in milliseconds, or in seconds with a point, is parsed to the millisecond."""
    assert (
        milliseconds
        == parse_duration(f"{milliseconds}ms")
        == parse_duration(f"{milliseconds / 1000:.3f}")
    )


def test_prompt_has_directives_in_brackets() -> None:
    """[[...]] applies to the creation of a generation, and with on=get_generation to its polls."""
    fail, reset = parse_prompt("A [[fail]] cat [[reset on=get_generation]]")
    assert (fail.name, fail.operation) == ("fail", "create_generation")
    assert (reset.name, reset.operation) == ("reset", "get_generation")
    assert parse_prompt("A cat [reset] [ [reset] ] [[x ]x] [[") == ()


@pytest.mark.parametrize("prompt", [16_000 * "[[", 10_000 * "[[ ", 16_000 * "]]", 4_000 * "[[x "])
def test_brackets_are_parsed_in_one_pass(prompt: str) -> None:
    """A prompt full of brackets takes one pass, not one for each bracket."""
    calls = [0]

    class Counting(str):
        def find(self, *arguments: object) -> int:
            calls[0] += 1
            return str.find(self, *arguments)  # type: ignore[arg-type]

    assert parse_prompt(Counting(prompt)) == ()
    assert calls[0] <= 2


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("[[fial]]", "did you mean 'fail'?"),
        ("[[FAIL]]", "did you mean 'fail'?"),
        ("[[statsu=503 x2]]", "did you mean 'status'?"),
        ("[[statu=503]]", "did you mean 'status'?"),
        ("[[rset@after]]", "did you mean 'reset'?"),
        ("[[fails x2]]", "did you mean 'fail'?"),
        ("[[ , fail whale]]", "unknown directive 'whale'"),
        ("[[reset on=get_credits]]", "expected create_generation or get_generation"),
        ("[[fail]", "is not closed"),
        ("a [[ reset@after", "is not closed"),
    ],
)
def test_error_in_a_prompt_is_explained(prompt: str, expected: str) -> None:
    """A wrong name, a wrong operation or a missing bracket is rejected, never ignored."""
    with pytest.raises(MockhubError, match=".") as caught:
        parse_prompt(prompt)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "blurry background",
        "1,2],[3,4",
        "Lighthouse",
        "SALE",
        "drop",
        "hand",
        "rest",
        "truncated",
        "fails",
        "fial whale",
        "hnag gliding",
        "drop=shadow",
        "status: 503",
        "x2",
        "p=0.5 fail",
        "é=2s",
        "a",
    ],
)
def test_brackets_without_a_fault_are_text(text: str) -> None:
    """Only a fault, or a near miss that would be valid with the right word, is a directive."""
    assert parse_prompt(f"A [[{text}]] cat") == ()
    (directive,) = parse_prompt(f"A [[{text}]] cat [[fail]]")
    assert directive.name == "fail"


@pytest.mark.parametrize("text", ["fial ", "xxxxx=2s ", "delya=1s "])
def test_many_near_misses_are_parsed_quickly(text: str) -> None:
    """A prompt of the maximum length, full of near misses, is rejected or read as text."""
    with suppress(MockhubError):
        parse_prompt((f"[[{text}é]]" * 32_000)[:32_000])


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("code=402", 402),
        ('code="503"', 503),
        ("respond-async, code=500", 500),
        ("dynamic=true; code=404", 404),
        ("CODE=404", 404),
        ("Code = 404", 404),
    ],
)
def test_prefer_header_asks_for_a_status(header: str, status: int) -> None:
    """Prefer: code=NNN, as in Prism, is status=NNN; other preferences are ignored."""
    assert (Directive("status", status),) == parse_prefer_header(header)
    assert parse_prefer_header("return=minimal, encode=1") == ()


@pytest.mark.parametrize("value", ["200", "302", "600", "ok", ""])
def test_prefer_header_with_another_status_is_rejected_by_its_name(value: str) -> None:
    expected = f"code={value}: expected a whole number from 400 to 599, such as code=503"
    with pytest.raises(MockhubError, match=f"^{expected}$"):
        parse_prefer_header(f"code={value}")


@pytest.mark.parametrize("header", ["code", "return=minimal, CODE", "code; wait=10"])
def test_prefer_header_without_a_status_is_rejected(header: str) -> None:
    """A preference without a value has an empty value (RFC 7240, 2)."""
    with pytest.raises(MockhubError, match="code=: expected a whole number from 400 to 599"):
        parse_prefer_header(header)


def test_outcome_rejects_transport_faults() -> None:
    assert Outcome(deliver=2, duration=3000) == parse_outcome("deliver=2 duration=3s")
    with pytest.raises(MockhubError, match="not a provider outcome"):
        parse_outcome("reset")


# -- the registry ---------------------------------------------------------------------------------


def fired_faults(
    registry: FaultRegistry, calls: int, operation: str = "get_credits", seed: int = 0
) -> list[str]:
    """Return what fires on each of some requests, as one text for each."""
    random = Ids(seed).random
    fired = (registry.match_request(operation, random) for _ in range(calls))
    return [" ".join(str(fault) for fault in call) for call in fired]


def armed(*texts: str) -> FaultRegistry:
    registry = FaultRegistry()
    registry.arm(directive for text in texts for directive in parse_directives(text))
    return registry


def pattern(calls: Iterable[str]) -> str:
    return "".join("x" if call else "." for call in calls)


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
def test_requests_are_counted(text: str, expected: str) -> None:
    """xN fires N times, nth=N on the Nth request, on= on one operation only."""
    assert pattern(fired_faults(armed(text), 6)) == expected


def test_probability_is_seeded() -> None:
    """A fault fires about as often as stated, and the same way for the same seed."""
    fired = pattern(fired_faults(armed("reset p=0.3"), 1000, seed=7))
    assert fired == pattern(fired_faults(armed("reset p=0.3"), 1000, seed=7))
    assert fired != pattern(fired_faults(armed("reset p=0.3"), 1000, seed=8))
    assert 250 < fired.count("x") < 350


def test_one_terminal_fault_fires_for_each_request() -> None:
    """A terminal fault does not use up another one: they fire one after the other."""
    fired = fired_faults(armed("status=503 x2", "reset x1"), 4)
    assert fired == ["status=503@before", "status=503@before", "reset@before", ""]


def test_equal_faults_armed_together_fire_in_order() -> None:
    fired = fired_faults(armed("status=503 x1 status=429 x1"), 3)
    assert fired == ["status=503@before", "status=429@before", ""]
    fired = fired_faults(armed("status=503 nth=1 status=429 nth=2"), 3)
    assert fired == ["status=503@before", "status=429@before", ""]


def test_delay_fires_together_with_a_terminal_fault() -> None:
    assert fired_faults(armed("delay=2s reset@after"), 1) == ["delay=2000ms@before reset@after"]


def test_arming_again_restarts_the_counter() -> None:
    """A fault that is armed again has its full number of times and its new value."""
    registry = armed("status=503 x2")
    assert pattern(fired_faults(registry, 3)) == "xx."
    registry.arm(parse_directives("status=503 x2"))
    assert pattern(fired_faults(registry, 3)) == "xx."
    registry.arm(parse_directives("status=429 x2"))
    assert fired_faults(registry, 1) == ["status=429@before"]
    registry.arm(parse_directives("status=500@after x1"))
    assert fired_faults(registry, 3) == ["status=429@before", "status=500@after", ""]


def test_copied_registry_counts_alone() -> None:
    """A copied registry starts at the same counts and then counts alone."""
    registry = armed("reset x3")
    fired_faults(registry, 1)
    twin = copy_state(registry)
    assert pattern(fired_faults(twin, 3)) == "xx."
    assert pattern(fired_faults(registry, 3)) == "xx."


def test_clear_disarms_and_resets_counters() -> None:
    registry = armed("reset")
    (limited,) = parse_directives("reset x1")
    random = Ids(0).random
    matches = [
        registry.match_inline([limited], "get_credits", random, scope="me") for _ in range(2)
    ]
    assert matches == [(limited,), ()]
    registry.clear()
    assert pattern(fired_faults(registry, 3)) == "..."
    assert registry.match_inline([limited], "get_credits", random, scope="me") == (limited,)


def test_provider_outcome_waits_for_its_prompt() -> None:
    """A provider outcome applies to generations only, and only to those with its prompt."""
    registry = FaultRegistry()
    registry.arm(
        [with_conditions(directive, prompt="cat") for directive in parse_directives("fail x1")]
    )
    random = Ids(0).random
    assert pattern(fired_faults(registry, 3, "create_generation")) == "..."
    assert registry.match_provider("a dog", random) == ()
    assert str(registry.match_provider("a cat", random)[0]) == "fail"
    assert registry.match_provider("a cat", random) == ()


def test_error_in_a_scenario_names_the_line(tmp_path: object) -> None:
    """The error has the file, the line, the pointer and the closest name."""
    file = resource_path("fixtures/scenarios/outage.yaml")
    broken = file.read_text("utf-8").replace("status=503", "statsu=503")
    target = tmp_path / "broken.yaml"  # type: ignore[operator]
    target.write_text(broken, "utf-8")
    with pytest.raises(MockhubError) as caught:
        load_scenario(target)
    line = 1 + broken.split("\n").index(next(s for s in broken.split("\n") if "statsu" in s))
    assert f"broken.yaml:{line}: #/faults/0: " in str(caught.value)
    assert "did you mean 'status'?" in str(caught.value)
