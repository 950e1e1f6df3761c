"""The self-test: it tells what the contract suite catches, and what it does not."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mockhub.exceptions import MockhubError
from mockhub.mutants import self_test
from mockhub.mutants.__main__ import main
from mockhub.mutants.self_test import MutantResult, SelfTestResult
from mockhub.mutants.self_test_report import failure_messages, progress, show, summary
from mockhub.verify.runner import select_checks

CAUGHT = MutantResult(
    "failure-fee", ("a_check",), ("LED-2",), (), "a credit is missing", 234, 562, 2.0
)
SURVIVED = CAUGHT._replace(
    checks=(), clauses=(), inconclusive_checks=("another_check",), message=""
)


def outcome(**changes: tuple[MutantResult, ...] | tuple[str, ...]) -> SelfTestResult:
    sound: dict[str, tuple[MutantResult, ...] | tuple[str, ...]] = {
        "mutants": (CAUGHT,),
        "variants": (SURVIVED._replace(name="uuids"),),
        "ineffective_checks": (),
    }
    return SelfTestResult(**{**sound, **changes}, seconds=12.0)  # type: ignore[arg-type]


def test_some_are_judged_over_http() -> None:
    """Mutants that are named are caught by checks of their clause, and variants not flagged."""
    wrong = ["failure-fee", "three-images-undercharged", "all-shown-to-others", "body-before-key"]
    done = self_test.run(names=[*wrong, "uuids", "chunked"])
    assert wrong == [one.name for one in done.mutants]
    assert [one.name for one in done.variants] == ["body-before-key", "uuids", "chunked"]
    assert list(failure_messages(done)) == []
    assert done.ok
    assert done.mutation_score == 1.0
    assert "LED-2" in done.mutants[0].clauses
    assert all(one.requests for one in (*done.mutants, *done.variants))


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that there is not fails before anything is served, and exits 2."""
    with pytest.raises(MockhubError, match="did you mean 'failure-fee'"):
        self_test.run(names=["failure-fees"])
    assert main(["failure-fees"]) == 2
    assert "did you mean 'failure-fee'" in capsys.readouterr().err


def test_a_sound_outcome_is_ok() -> None:
    """Where all is caught and nothing flagged there is nothing to complain of."""
    assert outcome().ok
    assert list(failure_messages(outcome())) == []


def test_a_survivor_fails() -> None:
    """A mutant that no check caught is told with its clause, and with who could not tell."""
    failed = outcome(mutants=(SURVIVED,))
    assert not failed.ok
    assert failed.mutation_score == 0.0
    assert list(failure_messages(failed)) == [
        "failure-fee (LED-2) survived: A failed generation is refunded except for one credit. "
        "(another_check inconclusive)"
    ]


def test_a_flagged_variant_fails() -> None:
    """A variant that a check found broken is told with the check and what it saw."""
    failed = outcome(variants=(CAUGHT._replace(name="uuids"),))
    assert not failed.ok
    told = "uuids conforms and was flagged by a_check: a credit is missing"
    assert [told] == list(failure_messages(failed))


def test_an_idle_check_fails() -> None:
    """A check that caught nothing is told."""
    failed = outcome(ineffective_checks=("a_check",))
    assert not failed.ok
    assert list(failure_messages(failed)) == [
        "a_check killed no mutant; add one that it kills, or remove the check"
    ]


def test_every_check_is_idle_without_mutants() -> None:
    """What counts as idle are the checks of the suite's own deck."""
    every = {check.name for check in select_checks("inferred")}
    assert every == set(self_test.ineffective_checks([]))
    assert every == set(self_test.ineffective_checks([CAUGHT]))
    some = next(iter(every))
    assert every - {some} == set(self_test.ineffective_checks([CAUGHT._replace(checks=(some,))]))


def test_the_table_is_clause_by_mutant_by_check() -> None:
    """What is printed names each clause, its mutants, and the checks that caught them."""
    written = io.StringIO()
    show(outcome(), Console(width=120, file=written))
    told = written.getvalue()
    assert any(
        {"LED-2", "failure-fee", "a_check"} <= set(line.split()) for line in told.split("\n")
    )
    assert summary(outcome()) in told


def test_what_failed_and_the_sum_come_last() -> None:
    """Below the tables stand the survivors, a line each, and then the sum; no line is coloured."""
    failed = outcome(mutants=(SURVIVED, CAUGHT._replace(name="three-images-undercharged")))
    written = io.StringIO()
    show(failed, Console(file=written))
    lines = written.getvalue().splitlines()
    assert ["", *failure_messages(failed), summary(failed)] == lines[-3:]
    assert "\x1b" not in written.getvalue()


def test_a_log_counts_what_is_judged() -> None:
    """Without a terminal a line now and then, and the last, tells how many have been judged."""
    written = io.StringIO()
    with progress(60, Console(file=written)) as told:
        for _ in range(60):
            told(CAUGHT)
    told_lines = [f"{done} of 60 judged" for done in (25, 50, 60)]
    assert told_lines == written.getvalue().splitlines()
