"""`mockhub verify`: judge an implementation of the API and tell what was found."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockhub.resources import path
from mockhub.spec.errors import MockhubError

if TYPE_CHECKING:
    from contract_tests.plan import Plan
    from contract_tests.profile import Profile
    from contract_tests.report import Report

_SEEDS = 1_000_000


def suite(module: str) -> Any:
    """A module of the contract suite: a wheel carries it inside the package, a checkout beside."""
    package = "mockhub.contract_tests" if find_spec("mockhub.contract_tests") else "contract_tests"
    return import_module(f"{package}.{module}")


_runner = suite("runner")  # here, so that a package that is not installed is named at once

_BUDGETS = " or ".join(f"{budget} ({level})" for level, budget in _runner.BUDGETS.items())


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
    help=f"Never spend more.  [default: {_BUDGETS}, or the profile's max_credits if less]",
)
@click.option("--seed", type=click.IntRange(min=0), help="What random requests are made from.")
@click.option("--quick", is_flag=True, help="The fixed checks alone, nothing random.")
@click.option("--safe", is_flag=True, help="Send nothing but GETs.")
@click.option("--plan", is_flag=True, help="Tell what a run would send and cost; send nothing.")
@click.option("-k", "only", metavar="EXPR", help='Only some, as in -k "AUTH and not AUTH-9".')
@click.option("--report-json", type=click.Path(path_type=Path), metavar="F", help="Write JSON.")
@click.option("--report-html", type=click.Path(path_type=Path), metavar="F", help="Write a page.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="F", help="Write JUnit XML.")
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

    Exit code 0: it conforms. 1: a clause is broken. 2: the run was not possible. 3: nothing is
    broken, but something could not be told.

    \b
    mockhub verify                                   our own mock
    mockhub verify --target target.yaml --plan       what a run would cost
    mockhub verify --target target.yaml --budget 310
    """
    if options.pop("self_test"):
        ctx.exit(_self_test())
    ctx.exit(_Verification(**options).run())


def _self_test() -> int:
    from rich.console import Console

    report, selftest = (import_module(f"mockhub.mutants.{name}") for name in ("report", "selftest"))
    with report.progress(selftest.size(), Console(stderr=True)) as told:
        outcome = selftest.run(progress=told)
    report.show(outcome, Console())
    return 0 if outcome.ok else 1


class _Verification:
    """One call of the command."""

    def __init__(
        self,
        target: Path | None,
        level: str,
        budget: int | None,
        seed: int | None,
        quick: bool,
        safe: bool,
        plan: bool,
        only: str | None,
        report_json: Path | None,
        report_html: Path | None,
        junit: Path | None,
        compare: Path | None,
    ) -> None:
        self.target, self.level, self.budget, self.only = target, level, budget, only
        self.quick, self.safe, self.plan = quick, safe, plan
        self.seed = secrets.randbelow(_SEEDS) if seed is None else seed
        self.files = {"json": report_json, "html": report_html, "junit": junit}
        self.old = suite("comparing").read_report(compare) if compare else None

    def run(self) -> int:
        if self.target is None:
            with our_mock() as profile:
                return self._judge(profile)
        profile = suite("profile").read_profile(self.target)
        self._mind_the_money(profile)
        return self._judge(profile)

    def _mind_the_money(self, profile: Profile) -> None:
        loopback = suite("target").is_loopback(profile.base_url)
        if not (loopback or self.safe or self.plan) and self.budget is None:
            raise MockhubError(
                f"{profile.base_url} is not this machine, and its credits may be real: "
                "give --budget (--plan tells what a run costs), or --safe"
            )

    def _judge(self, profile: Profile) -> int:
        if self.plan:
            return self._tell_plan(profile)
        telling = suite("telling")
        click.echo(f"Judging {profile.base_url} at level {self.level}, seed {self.seed}", err=True)
        with _ended_politely(), telling.progress(self._checks()) as progress:
            report = _runner.judge(
                profile,
                level=self.level,
                seed=self.seed,
                budget=self.budget,
                quick=self.quick,
                only=self.only,
                safe=self.safe,
                progress=progress,
            )
        self._write(report)
        telling.show(report)
        if self.old:
            telling.show_drift(suite("comparing").drift(self.old, report))
        code: int = report.exit_code
        return code

    def _checks(self) -> int:
        return len(_runner.selected(self.level, self.only))

    def _tell_plan(self, profile: Profile) -> int:
        found = self._rehearse(profile)
        budget = _runner.limited(profile, self.budget, self.level)
        for line in found.lines(budget):
            click.echo(line)
        if not self.quick and not self.safe:
            click.echo(
                f"Then random requests with what is left of {budget} credits; --quick omits them."
            )
        return 0

    def _rehearse(self, profile: Profile) -> Plan:
        plan = suite("plan")
        meter, peaks = plan.Rehearsal(), {}

        def note(check: Any, result: Any) -> None:
            peaks[check.name], meter.peak = meter.peak, 0

        with our_mock() as mock:
            keys = {role: mock.keys[role] for role in profile.keys}
            rehearsed = replace(
                mock,
                keys=keys,
                provider_failure=profile.provider_failure and mock.provider_failure,
                partial=profile.partial and mock.partial,
            )
            report = _runner.judge(
                rehearsed,
                level=self.level,
                seed=self.seed,
                quick=True,
                only=self.only,
                safe=self.safe,
                progress=note,
                meter=meter,
            )
        found: Plan = plan.plan(report, meter, peaks, _runner.selected(self.level, self.only))
        return found

    def _write(self, report: Report) -> None:
        import json

        formats = suite("formats")
        makers: dict[str, Callable[[], bytes]] = {
            "json": lambda: json.dumps(report.as_json(), ensure_ascii=False, indent=2).encode(),
            "html": lambda: formats.html(report).encode(),
            "junit": lambda: formats.junit(report),
        }
        for kind, file in self.files.items():
            if file:
                _save(file, makers[kind]())
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            _save(Path(summary), formats.markdown(report).encode(), "ab")


def _save(file: Path, content: bytes, mode: str = "wb") -> None:
    try:
        with file.open(mode) as out:
            out.write(content)
    except OSError as error:
        raise MockhubError(f"{file}: cannot be written: {error.strerror}") from None


@contextmanager
def _ended_politely() -> Iterator[None]:
    """Let a request to end, as CI sends it, end the run as Ctrl-C does: with a report."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def our_mock() -> Iterator[Profile]:
    """Serve the default world in a thread; its profile."""
    from mockhub.spec.law import load_law
    from mockhub.web.app import App
    from mockhub.web.pipeline import Pipeline
    from mockhub.web.server import Background, listen
    from mockhub.world.scenarios import build, load
    from mockhub.world.store import DEFAULT, Store

    law = load_law(path("openapi.yaml"))
    scenario = load(path("fixtures/scenarios") / "default.yaml")
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = Background(App(Pipeline(law, Store(build(scenario, DEFAULT, law)), url)), listener)
    profile = suite("profile")
    keys = {name: key for key, name, _ in scenario.fixed_keys()}
    try:
        yield profile.Profile(
            url,
            {
                "valid": keys["rich"],
                "other": keys["other"],
                "broke": keys["poor"],
                "low": keys["low"],
                "expired": keys["expired"],
                "revoked": keys["revoked"],
            },
            provider_failure="A ship in a storm [[fail]]",
            partial=profile.Partial("A ship in a storm [[deliver=3]]", n=4, delivered=3),
        )
    finally:
        server.stop()
