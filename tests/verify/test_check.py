"""Checks run after those that they name in `after`."""

from __future__ import annotations

from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.check import Check, additional_checks, all_checks, sort_by_dependency
from mockhub.verify.outcomes import Outcome
from mockhub.verify.reporters.terminal import print_report
from mockhub.verify.runner import run
from tests.support.scripted_server import KEYS, build_profile, mock


def make_check(name: str, *after: str) -> Check:
    return Check(name, ("END-1",), "documented", (), (), 0, name, lambda context: None, after)


def test_check_runs_after_its_dependencies() -> None:
    """A check moves behind those that it names; the others keep their order."""
    checks = [make_check("a"), make_check("b", "d"), make_check("c"), make_check("d", "c")]
    assert [check.name for check in sort_by_dependency(checks)] == ["a", "c", "d", "b"]


def test_unknown_dependency_is_rejected() -> None:
    """A misspelt name is shown with the nearest known one."""
    with pytest.raises(ValueError, match="b: after='frist' is not a check; did you mean 'first'"):
        sort_by_dependency([make_check("first"), make_check("b", "frist")])


def test_circular_dependency_is_rejected() -> None:
    """Checks that wait for each other could never run."""
    with pytest.raises(ValueError, match="circular dependency: a -> b -> a"):
        sort_by_dependency([make_check("a", "b"), make_check("b", "a")])


def _outcome_of_exact_balance(keyword: str, **changes: object) -> tuple[str, str]:
    with mock() as served:
        profile = build_profile(served.url, **changes)
        report = run(profile, level="inferred", keyword=keyword, no_fuzz=True)
    clause = next(clause for clause in report.clauses if clause.id == "LED-7")
    check = next(
        candidate for candidate in clause.checks if candidate.name == "ledger_accepts_exact_balance"
    )
    return check.outcome, check.message


def test_check_whose_dependency_is_not_selected_is_inconclusive() -> None:
    """A check that -k separates from the one it builds on names the missing one."""
    assert _outcome_of_exact_balance("exact_balance") == (
        "inconclusive",
        "needs the check ledger_is_never_overdrawn_concurrently, which is not part of this run",
    )


def test_check_whose_dependency_was_skipped_is_skipped() -> None:
    """A rich account at keys.low cannot be spent down to an exact balance (LED-7)."""
    outcome, message = _outcome_of_exact_balance("ledger", keys={**KEYS, "low": KEYS["valid"]})
    assert outcome == "skipped"
    assert "ledger_is_never_overdrawn_concurrently, which was skipped: keys.low has" in message


OWN_CHECK = """
from mockhub.verify.assertions import require_field, expect
from mockhub.verify.check import check

@check("END-2")
def credits_are_many(context):
    \"\"\"Keep a hundred credits.\"\"\"
    exchange = context.client.get("credits")
    assert_enough(require_field(expect(exchange, 200), "credits", int, exchange), exchange)

def assert_enough(credits, exchange):
    from mockhub.verify.outcomes import Failed
    if credits < 10_000_000:
        raise Failed(f"{credits} credits are not enough", exchange)
"""


BROKEN_CHECK = """

@check("END-2")
def pops_nothing(context):
    \"\"\"Pop.\"\"\"
    context.client.get("credits")
    pop()

def pop():
    [].pop()
"""


def test_checks_of_the_user_run_with_the_others(tmp_path: Path) -> None:
    """They are registered for one run only."""
    file = tmp_path / "my_checks.py"
    file.write_text(OWN_CHECK)
    known = [check.name for check in all_checks()]
    with mock() as served, additional_checks(file):
        report = run(build_profile(served.url), keyword="credits_are_many")
    assert [finding.result.name for finding in report.findings] == ["credits_are_many"]
    assert [check.name for check in all_checks()] == known


def test_error_in_a_check_of_the_user_has_file_and_line(tmp_path: Path) -> None:
    """It is shown also beside a failure of the clause that is in the baseline."""
    file = tmp_path / "my_checks.py"
    file.write_text(OWN_CHECK + BROKEN_CHECK)
    line = [*file.read_text().splitlines()].index("    [].pop()") + 1
    keyword = "credits_are_many or pops_nothing"
    with mock() as served, additional_checks(file):
        report = run(build_profile(served.url), keyword=keyword)
    (broken,) = (check for check in report.checks if check.name == "pops_nothing")
    assert broken.outcome == Outcome.INCONCLUSIVE
    assert broken.message.endswith(f": IndexError: pop from empty list ({file}:{line})")
    known = replace(report, baseline=frozenset({("END-2", "credits_are_many")}))
    output = StringIO()
    with redirect_stdout(output):
        print_report(known)
    assert "IndexError: pop from empty list" in output.getvalue()
    assert known.exit_code == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 +", "SyntaxError"),
        ("\n1 / 0", r"ZeroDivisionError: division by zero \(.*my_checks\.py:2\)"),
        ("a = 1", "has no function with @check"),
        (OWN_CHECK.replace("END-2", "END-99"), "ValueError: 'END-99' is not a clause"),
        (OWN_CHECK.replace("credits_are_many", "models_need_no_key"), "already a check"),
    ],
)
def test_unusable_checks_are_rejected(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "my_checks.py"
    file.write_text(text)
    known = [check.name for check in all_checks()]
    with pytest.raises(MockhubError, match=message), additional_checks(file):
        pass
    assert [check.name for check in all_checks()] == known


def test_crossing_requests_are_measured_without_what_they_need() -> None:
    """Alone, the check creates the generations that it needs before it reads the balance."""
    with mock() as served:
        report = run(build_profile(served.url), keyword="ledger_charges_crossing_requests")
    assert report.with_outcome("failed") == []
    assert report.exit_code == 0
