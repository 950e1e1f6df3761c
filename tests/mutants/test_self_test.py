"""The self-test of the contract suite: its result, its report and its progress."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mockhub.exceptions import MockhubError
from mockhub.mutants import self_test
from mockhub.mutants.__main__ import main
from mockhub.mutants.self_test import MutantResult, SelfTestResult
from mockhub.mutants.self_test_report import failure_messages, progress, show, summary
from mockhub.verify.fuzz import FUZZ_CHECKS
from mockhub.verify.runner import select_checks

KILLED = MutantResult(
    "failure-fee", ("a_check",), ("LED-2",), (), "a credit is missing", 234, 562, 2.0
)
SURVIVED = KILLED._replace(
    checks=(), clauses=(), inconclusive_checks=("another_check",), message=""
)


def outcome(**changes: tuple[MutantResult, ...] | tuple[str, ...]) -> SelfTestResult:
    defaults: dict[str, tuple[MutantResult, ...] | tuple[str, ...]] = {
        "mutants": (KILLED,),
        "variants": (SURVIVED._replace(name="uuids"),),
        "ineffective_checks": (),
    }
    return SelfTestResult(**{**defaults, **changes}, seconds=12.0)  # type: ignore[arg-type]


def test_named_mutants_are_killed_and_variants_are_not_flagged() -> None:
    """Checks of their clause kill the named mutants, and no named variant is flagged."""
    named_mutants = ["failure-fee", "body-before-key"]
    result = self_test.run(names=named_mutants, workers=1)
    assert [mutant.name for mutant in result.mutants] == named_mutants
    assert [variant.name for variant in result.variants] == ["body-before-key"]
    assert list(failure_messages(result)) == []
    assert result.ok
    assert result.mutation_score == 1.0
    assert "LED-2" in result.mutants[0].clauses
    assert all(tested.requests for tested in (*result.mutants, *result.variants))


@pytest.mark.parametrize(
    ("name", "clause"),
    [("slow-task-charged-twice", "LED-1"), ("slow-task-accepted-at-end", "ASY-1")],
)
def test_slow_task_fails_the_clause_that_it_breaks(name: str, clause: str) -> None:
    """The check of slow generations does not blame the time limit for the fault of a task."""
    [result] = self_test.evaluate([name], conforming=False)
    assert result.clauses == (clause,)


def test_unknown_name_is_rejected_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown name fails before anything is served, with exit code 2."""
    with pytest.raises(MockhubError, match="did you mean 'failure-fee'"):
        self_test.run(names=["failure-fees"])
    assert main(["failure-fees"]) == 2
    assert "did you mean 'failure-fee'" in capsys.readouterr().err


def test_result_without_survivors_is_ok() -> None:
    """A result is ok if every mutant is killed and no variant is flagged."""
    assert outcome().ok
    assert list(failure_messages(outcome())) == []


def test_survivor_fails() -> None:
    """A survivor is reported with its clause and the inconclusive checks."""
    failed = outcome(mutants=(SURVIVED,))
    assert not failed.ok
    assert failed.mutation_score == 0.0
    assert list(failure_messages(failed)) == [
        "failure-fee (LED-2) survived: A failed generation is refunded except for one credit. "
        "(another_check inconclusive)"
    ]


def test_flagged_variant_fails() -> None:
    """A flagged variant is reported with the check and its message."""
    failed = outcome(variants=(KILLED._replace(name="uuids"),))
    assert not failed.ok
    report = "uuids conforms and was flagged by a_check: a credit is missing"
    assert list(failure_messages(failed)) == [report]


def test_ineffective_check_fails() -> None:
    """A check that killed no mutant is reported."""
    failed = outcome(ineffective_checks=("a_check",))
    assert not failed.ok
    assert list(failure_messages(failed)) == [
        "a_check killed no mutant; add one that it kills, or remove the check"
    ]


def test_every_check_is_ineffective_without_mutants() -> None:
    """Only checks of the suite count as ineffective."""
    all_checks = {check.name for check in (*select_checks("inferred"), *FUZZ_CHECKS)}
    assert set(self_test.ineffective_checks([])) == all_checks
    assert set(self_test.ineffective_checks([KILLED])) == all_checks
    effective = next(iter(all_checks))
    killed_by_it = KILLED._replace(checks=(effective,))
    assert set(self_test.ineffective_checks([killed_by_it])) == all_checks - {effective}


def test_table_has_clause_mutant_and_checks() -> None:
    """The report has each clause, its mutants, and the checks that killed them."""
    output = io.StringIO()
    show(outcome(), Console(width=120, file=output))
    report = output.getvalue()
    assert any(
        {"LED-2", "failure-fee", "a_check"} <= set(line.split()) for line in report.split("\n")
    )
    assert summary(outcome()) in report


def test_failures_and_summary_come_last() -> None:
    """The survivors, a line each, and the summary follow the tables, without colours."""
    failed = outcome(mutants=(SURVIVED, KILLED._replace(name="three-images-undercharged")))
    output = io.StringIO()
    show(failed, Console(file=output))
    lines = output.getvalue().splitlines()
    assert ["", *failure_messages(failed), summary(failed)] == lines[-3:]
    assert "\x1b" not in output.getvalue()


def test_progress_is_logged_without_a_terminal() -> None:
    """Without a terminal every 25th result and the last one print a line."""
    output = io.StringIO()
    with progress(60, Console(file=output)) as advance:
        for _ in range(60):
            advance(KILLED)
    lines = [f"{done} of 60 tested" for done in (25, 50, 60)]
    assert output.getvalue().splitlines() == lines
