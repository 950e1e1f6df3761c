"""`mockhub verify`: check an implementation of the API, clause by clause."""

from __future__ import annotations

import math
import os
import secrets
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from mockhub._loopback import is_loopback_url
from mockhub._numbers import MAX_INTEGER
from mockhub.cli._click import Seconds, reject_options
from mockhub.cli.local_mock import local_mock
from mockhub.cli.report_files import check_folder_writable, check_writable, write_reports
from mockhub.exceptions import MockhubError
from mockhub.verify import preflight, runner
from mockhub.verify.check import Check, additional_checks
from mockhub.verify.clauses import DOCUMENTED, LEVELS
from mockhub.verify.context import DEFAULT_EXAMPLES
from mockhub.verify.outcomes import EXIT_ERROR
from mockhub.verify.plan import DryRunBudget, Plan, build_plan
from mockhub.verify.profile import Profile, read_profile
from mockhub.verify.report import Report
from mockhub.verify.reporters import diff, terminal
from mockhub.verify.reporters.evidence import write_evidence
from mockhub.verify.reporters.github import workflow_commands
from mockhub.verify.reporters.html import html
from mockhub.verify.reporters.junit import junit
from mockhub.verify.reporters.markdown import markdown
from mockhub.verify.reporters.sarif import sarif
from mockhub.verify.results import CheckResult

_SEED_RANGE = 1_000_000
_REPORTS = ("report_json", "report_html", "report_junit", "report_sarif", "evidence", "github")
_FILE = click.Path(path_type=Path)
_DEFAULT_BUDGETS = " or ".join(
    f"{budget} ({level})" for level, budget in runner.DEFAULT_BUDGETS.items()
)


@click.command()
@click.option(
    "--target",
    type=_FILE,
    metavar="FILE",
    help="The profile of the implementation. Without it our own mock is checked.",
)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default=DOCUMENTED,
    help="Check what is documented, or also the natural reading of what is left open.",
)
@click.option(
    "--budget",
    type=click.IntRange(0, MAX_INTEGER),
    metavar="CREDITS",
    help="Spend at most this many credits.  "
    f"[default: {_DEFAULT_BUDGETS}, or the profile's max_credits if less]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_INTEGER),
    default=lambda: secrets.randbelow(_SEED_RANGE),
    show_default="random",
    help="The seed of generated requests.",
)
@click.option(
    "--max-time",
    type=Seconds(None),
    default=math.inf,
    show_default=False,
    metavar="SECONDS",
    help="Send nothing after this time; what is not checked by then is inconclusive.",
)
@click.option(
    "--wait",
    type=Seconds(allow_zero=True),
    metavar="SECONDS",
    help="Wait at most this long until the server responds.",
)
@click.option(
    "--examples",
    type=click.IntRange(1, 10_000),
    default=DEFAULT_EXAMPLES,
    help="Send this many random sequences, and generated bodies in proportion.",
)
@click.option("--no-fuzz", is_flag=True, help="Send no generated requests.")
@click.option("--read-only", is_flag=True, help="Send only GETs.")
@click.option("-x", "--fail-fast", is_flag=True, help="Stop after the first check that fails.")
@click.option("--plan", is_flag=True, help="Print what a run would send and cost; send nothing.")
@click.option(
    "-k",
    "keyword",
    metavar="EXPR",
    help='Run the checks whose name or clause matches, as in -k "AUTH and not AUTH-9".',
)
@click.option("--report-json", type=_FILE, metavar="FILE", help="Write a JSON report.")
@click.option("--report-html", type=_FILE, metavar="FILE", help="Write an HTML report.")
@click.option("--report-junit", type=_FILE, metavar="FILE", help="Write a JUnit XML report.")
@click.option("--report-sarif", type=_FILE, metavar="FILE", help="Write a SARIF report.")
@click.option(
    "--evidence",
    type=_FILE,
    metavar="DIR",
    help="Write requests that can be run, and responses, for each finding.  "
    "[default: beside the first report]",
)
@click.option("--github", is_flag=True, help="Print findings as annotations of a GitHub workflow.")
@click.option(
    "--baseline",
    type=_FILE,
    metavar="FILE",
    help="Exit with 1 only for failures that this JSON report does not have.",
)
@click.option(
    "--compare",
    type=_FILE,
    metavar="FILE",
    help="Print what has changed since the run that wrote this JSON report.",
)
@click.option(
    "--self-test", is_flag=True, help="Check that the suite kills every mutant; nothing else."
)
@click.option("-v", "--verbose", is_flag=True, help="List the clauses that passed, too.")
@click.pass_context
def verify(ctx: click.Context, /, **options: Any) -> None:
    """Check an implementation of the API, clause by clause.

    Exit code 0: it conforms. 1: a clause failed. 2: the run was not possible. 3: nothing
    failed, but something is inconclusive. Failures that the profile accepts or the baseline has do
    not count.

    \b
    mockhub verify                                   check our own mock
    mockhub verify --target target.yaml --plan       print what a run would cost
    mockhub verify --target target.yaml --budget 310
    """
    if options.pop("self_test"):
        reject_options(ctx, "--self-test", options)
        ctx.exit(_self_test())
    if options["plan"]:
        reject_options(ctx, "--plan", (*_REPORTS, "baseline", "compare"))
    ctx.exit(_run(VerifyCommand(**options)))


def _run(command: VerifyCommand) -> int:
    """Return the exit code: also of a defect of the suite, which is no finding."""
    try:
        return command.run()
    except (MockhubError, click.ClickException, BrokenPipeError):
        raise
    except Exception:
        traceback.print_exc()
        return EXIT_ERROR


def _self_test() -> int:
    from rich.console import Console

    from mockhub.mutants import self_test, self_test_report

    with self_test_report.progress(self_test.size(), Console(stderr=True)) as progress:
        result = self_test.run(progress=progress)
    self_test_report.show(result, Console())
    return 0 if result.ok else 1


@dataclass(frozen=True)
class VerifyCommand:
    """One call of the command, with its options."""

    target: Path | None
    level: str
    budget: int | None
    seed: int
    max_time: float
    wait: float | None
    examples: int
    no_fuzz: bool
    read_only: bool
    fail_fast: bool
    plan: bool
    keyword: str | None
    report_json: Path | None
    report_html: Path | None
    report_junit: Path | None
    report_sarif: Path | None
    evidence: Path | None
    github: bool
    baseline: Path | None
    compare: Path | None
    verbose: bool

    def run(self) -> int:
        check_writable(*self._report_files(), _step_summary())
        if self.evidence:
            check_folder_writable(self.evidence)
        if self.target is None:
            with local_mock() as profile:
                return self._run_checks(profile)
        profile = read_profile(self.target)
        self._require_budget(profile)
        with additional_checks(profile.checks):
            if not self.plan:
                self._preflight(profile)
            return self._run_checks(profile)

    def _report_files(self) -> tuple[Path | None, ...]:
        return (self.report_html, self.report_json, self.report_junit, self.report_sarif)

    def _require_budget(self, profile: Profile) -> None:
        loopback = is_loopback_url(profile.base_url)
        if not (loopback or self.read_only or self.plan) and self.budget is None:
            raise MockhubError(
                f"{profile.base_url} is not this machine, and its credits may be real: "
                "give --budget (--plan prints what a run costs), or --read-only"
            )

    def _preflight(self, profile: Profile) -> None:
        """Print what each key reads, and stop if the profile cannot be right."""
        if self.wait is not None:
            preflight.wait_until_ready(profile, self.wait)
        budget = runner.effective_budget(profile, self.budget, self.level)
        checks = runner.select_checks(self.level, self.keyword)
        rows = preflight.check_profile(profile, budget, checks, self.seed, read_only=self.read_only)
        for row in rows:
            click.echo(row, err=True)

    def _run_checks(self, profile: Profile) -> int:
        older = diff.read_report(self.compare) if self.compare else None
        known = diff.known_failures(diff.read_report(self.baseline)) if self.baseline else None
        if self.plan:
            return self._print_plan(profile)
        click.echo(f"Checking {profile.base_url} at level {self.level}, seed {self.seed}", err=True)
        with _sigterm_as_interrupt(), terminal.progress(self._check_count()) as progress:
            report = runner.run(
                profile,
                level=self.level,
                seed=self.seed,
                budget=self.budget,
                no_fuzz=self.no_fuzz,
                keyword=self.keyword,
                read_only=self.read_only,
                fail_fast=self.fail_fast,
                max_time=self.max_time,
                examples=self.examples,
                progress=progress,
            )
        report = replace(report, baseline=known or frozenset())
        try:
            report = self._with_evidence(report)
        finally:  # the run has spent credits: show its result whatever can be written
            terminal.print_report(report, verbose=self.verbose)
            if older:
                terminal.print_diff(report, diff.diff(older, report))
        self._write_reports(report)
        return report.exit_code

    def _check_count(self) -> int:
        return len(runner.select_checks(self.level, self.keyword))

    def _print_plan(self, profile: Profile) -> int:
        plan = self._dry_run(profile)
        budget = runner.effective_budget(profile, self.budget, self.level)
        for line in plan.lines(budget):
            click.echo(line)
        if not self.no_fuzz and not self.read_only:
            click.echo(
                f"Then generated requests for the rest of {budget} credits; --no-fuzz omits them."
            )
        return 0

    def _dry_run(self, profile: Profile) -> Plan:
        budget, peaks = DryRunBudget(), {}

        def record_peak(check: Check, result: CheckResult) -> None:
            peaks[check.name], budget.peak = budget.peak, 0

        with local_mock() as mock:
            mock_profile = replace(
                mock,
                keys={role: mock.keys[role] for role in profile.keys},
                provider_failure=profile.provider_failure and mock.provider_failure,
                partial=profile.partial and mock.partial,
            )
            report = runner.run(
                mock_profile,
                level=self.level,
                seed=self.seed,
                no_fuzz=True,
                keyword=self.keyword,
                read_only=self.read_only,
                progress=record_peak,
                budget_tracker=budget,
            )
        return build_plan(report, budget, peaks, runner.select_checks(self.level, self.keyword))

    def _with_evidence(self, report: Report) -> Report:
        """Write the evidence of the findings to --evidence, or beside the first report."""
        beside = next((one.with_suffix(".evidence") for one in self._report_files() if one), None)
        folder = self.evidence or beside
        if folder is None or not (report.findings or report.known_findings):
            return report
        return replace(report, evidence_folders=write_evidence(report, folder))

    def _write_reports(self, report: Report) -> None:
        artifact = str(self.target or "openapi.yaml")
        if self.github:
            for line in workflow_commands(report, artifact=artifact):
                click.echo(line)
        write_reports([(_step_summary(), lambda: markdown(report))], mode="a")
        write_reports(
            (
                (self.report_json, report.as_json_text),
                (self.report_html, lambda: html(report)),
                (self.report_junit, lambda: junit(report)),
                (self.report_sarif, lambda: sarif(report, artifact=artifact)),
            )
        )


def _step_summary() -> Path | None:
    """Return the file that a GitHub workflow shows, if this is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(path) if path else None


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, as CI sends it, end the run as Ctrl-C does: with a report."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous_handler = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
