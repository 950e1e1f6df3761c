"""`mockhub verify`: judge an implementation of the API and tell what was found."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockhub._resources import resource_path
from mockhub.exceptions import MockhubError
from mockhub.verify import runner
from mockhub.verify.client import is_loopback
from mockhub.verify.plan import DryRunBudget, Plan, build_plan
from mockhub.verify.profile import Profile, read_profile
from mockhub.verify.reporters import diff, terminal
from mockhub.verify.reporters.html import html
from mockhub.verify.reporters.junit import junit
from mockhub.verify.reporters.markdown import markdown

if TYPE_CHECKING:
    from mockhub.verify.reporters.report import Report

_SEED_RANGE = 1_000_000


_DEFAULT_BUDGETS = " or ".join(
    f"{budget} ({level})" for level, budget in runner.DEFAULT_BUDGETS.items()
)


@click.command()
@click.option(
    "--target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The profile of the implementation; without it our own mock is judged.",
)
@click.option(
    "--level",
    type=click.Choice(["documented", "inferred"]),
    default="documented",
    show_default=True,
    help="Hold it to what the page says, or to the natural readings of its open points too.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=0),
    metavar="CREDITS",
    help=f"Never spend more.  [default: {_DEFAULT_BUDGETS}, or the profile's max_credits if less]",
)
@click.option("--seed", type=click.IntRange(min=0), help="What random requests are made from.")
@click.option("--no-fuzz", is_flag=True, help="The fixed checks alone, nothing random.")
@click.option("--read-only", is_flag=True, help="Send nothing but GETs.")
@click.option("--plan", is_flag=True, help="Tell what a run would send and cost; send nothing.")
@click.option("-k", "only", metavar="EXPR", help='Only some, as in -k "AUTH and not AUTH-9".')
@click.option("--report-json", type=click.Path(path_type=Path), metavar="F", help="Write JSON.")
@click.option("--report-html", type=click.Path(path_type=Path), metavar="F", help="Write a page.")
@click.option(
    "--report-junit", type=click.Path(path_type=Path), metavar="F", help="Write JUnit XML."
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path),
    metavar="OLD",
    help="Tell what has changed since a report that --report-json wrote.",
)
@click.option("--self-test", is_flag=True, help="Judge our own defective servers: all are caught.")
@click.pass_context
def verify(ctx: click.Context, /, **options: Any) -> None:
    """Judge an implementation of the API, clause by clause.

    Exit code 0: it conforms. 1: a clause failed. 2: the run was not possible. 3: nothing
    failed, but something is inconclusive.

    \b
    mockhub verify                                   our own mock
    mockhub verify --target target.yaml --plan       what a run would cost
    mockhub verify --target target.yaml --budget 310
    """
    if options.pop("self_test"):
        ctx.exit(_self_test())
    ctx.exit(VerifyCommand(**options).run())


def _self_test() -> int:
    from rich.console import Console

    from mockhub.mutants import self_test, self_test_report

    with self_test_report.progress(self_test.size(), Console(stderr=True)) as progress:
        result = self_test.run(progress=progress)
    self_test_report.show(result, Console())
    return 0 if result.ok else 1


class VerifyCommand:
    """One call of the command."""

    def __init__(
        self,
        target: Path | None,
        level: str,
        budget: int | None,
        seed: int | None,
        no_fuzz: bool,
        read_only: bool,
        plan: bool,
        only: str | None,
        report_json: Path | None,
        report_html: Path | None,
        report_junit: Path | None,
        compare: Path | None,
    ) -> None:
        self.target, self.level, self.budget, self.only = target, level, budget, only
        self.no_fuzz, self.read_only, self.plan = no_fuzz, read_only, plan
        self.seed = secrets.randbelow(_SEED_RANGE) if seed is None else seed
        self.report_files = {"json": report_json, "html": report_html, "junit": report_junit}
        self.baseline = diff.read_report(compare) if compare else None

    def run(self) -> int:
        if self.target is None:
            with local_mock() as profile:
                return self._run_checks(profile)
        profile = read_profile(self.target)
        self._require_budget(profile)
        return self._run_checks(profile)

    def _require_budget(self, profile: Profile) -> None:
        loopback = is_loopback(profile.base_url)
        if not (loopback or self.read_only or self.plan) and self.budget is None:
            raise MockhubError(
                f"{profile.base_url} is not this machine, and its credits may be real: "
                "give --budget (--plan tells what a run costs), or --read-only"
            )

    def _run_checks(self, profile: Profile) -> int:
        if self.plan:
            return self._print_plan(profile)
        click.echo(f"Judging {profile.base_url} at level {self.level}, seed {self.seed}", err=True)
        with _sigterm_as_interrupt(), terminal.progress(self._check_count()) as progress:
            report = runner.run(
                profile,
                level=self.level,
                seed=self.seed,
                budget=self.budget,
                no_fuzz=self.no_fuzz,
                keyword=self.only,
                read_only=self.read_only,
                progress=progress,
            )
        self._write_reports(report)
        terminal.print_report(report)
        if self.baseline:
            terminal.print_diff(diff.diff(self.baseline, report))
        return report.exit_code

    def _check_count(self) -> int:
        return len(runner.select_checks(self.level, self.only))

    def _print_plan(self, profile: Profile) -> int:
        plan = self._dry_run(profile)
        budget = runner.effective_budget(profile, self.budget, self.level)
        for line in plan.lines(budget):
            click.echo(line)
        if not self.no_fuzz and not self.read_only:
            click.echo(
                f"Then random requests with what is left of {budget} credits; --no-fuzz omits them."
            )
        return 0

    def _dry_run(self, profile: Profile) -> Plan:
        meter, peaks = DryRunBudget(), {}

        def record_peak(check: Any, result: Any) -> None:
            peaks[check.name], meter.peak = meter.peak, 0

        with local_mock() as mock:
            keys = {role: mock.keys[role] for role in profile.keys}
            mock_profile = replace(
                mock,
                keys=keys,
                provider_failure=profile.provider_failure and mock.provider_failure,
                partial=profile.partial and mock.partial,
            )
            report = runner.run(
                mock_profile,
                level=self.level,
                seed=self.seed,
                no_fuzz=True,
                keyword=self.only,
                read_only=self.read_only,
                progress=record_peak,
                budget_tracker=meter,
            )
        return build_plan(report, meter, peaks, runner.select_checks(self.level, self.only))

    def _write_reports(self, report: Report) -> None:
        import json

        renderers: dict[str, Callable[[], bytes]] = {
            "json": lambda: json.dumps(report.as_json(), ensure_ascii=False, indent=2).encode(),
            "html": lambda: html(report).encode(),
            "junit": lambda: junit(report),
        }
        for kind, file in self.report_files.items():
            if file:
                _write_file(file, renderers[kind]())
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            _write_file(Path(summary), markdown(report).encode(), "ab")


def _write_file(file: Path, content: bytes, mode: str = "wb") -> None:
    try:
        with file.open(mode) as out:
            out.write(content)
    except OSError as error:
        raise MockhubError(f"{file}: cannot be written: {error.strerror}") from None


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let a request to end, as CI sends it, end the run as Ctrl-C does: with a report."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous_handler = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)


@contextmanager
def local_mock() -> Iterator[Profile]:
    """Serve the default scenario in a thread; its profile."""
    from mockhub.scenarios.loader import bundled_scenarios, load_scenario
    from mockhub.server.server import ServerThread, bind
    from mockhub.spec.api_spec import load_spec
    from mockhub.web.app import create_app

    scenario = load_scenario(bundled_scenarios()["default"])
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(load_spec(resource_path("openapi.yaml")), scenario, url=url)
    server = ServerThread(app, listener)
    try:
        yield Profile.for_mock(url, {name: key for key, name, _ in scenario.predefined_keys()})
    finally:
        server.stop()
