"""`pytest contract_tests --mockhub-target FILE`: the checks of `mockhub verify`, a test each.

The options are declared by mockhub's pytest plugin; this file would be read too late (T8).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.budget import Budget
from mockhub.verify.check import Check
from mockhub.verify.client import BudgetedClient, is_loopback
from mockhub.verify.context import CheckContext
from mockhub.verify.fuzz import FUZZ_CHECKS
from mockhub.verify.outcomes import Outcome
from mockhub.verify.profile import Profile, read_profile
from mockhub.verify.reporters.report import EXIT_ERROR, EXIT_INCONCLUSIVE
from mockhub.verify.runner import Run, effective_budget, filter_checks, select_checks

_OUTCOMES = pytest.StashKey[set[str]]()


@dataclass
class VerifySession:
    """The run that the tests of a session share."""

    run: Run
    fixtures: list[str] = field(default_factory=list)


def pytest_configure(config: pytest.Config) -> None:
    """Remember the verdicts of this session, for its exit code."""
    config.stash[_OUTCOMES] = set()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each check of the level."""
    if "check" in metafunc.fixturenames:
        level = metafunc.config.getoption("mockhub_level")
        checks = [*select_checks(level), *filter_checks(FUZZ_CHECKS, level, None)]
        metafunc.parametrize("check", checks, ids=[_test_id(check) for check in checks])


def _test_id(check: Check) -> str:
    return f"{'+'.join(check.clauses)}:{check.name}"


@pytest.fixture(scope="session")
def verify_session(request: pytest.FixtureRequest) -> Iterator[VerifySession]:
    """The implementation of --mockhub-target, or our own mock, ready to be asked."""
    config = request.config
    try:
        with _open_profile(config.getoption("mockhub_target")) as profile:
            yield from _start_session(request, profile)
    except MockhubError as error:
        pytest.exit(f"mockhub: {error}", returncode=EXIT_ERROR)


def _start_session(request: pytest.FixtureRequest, profile: Profile) -> Iterator[VerifySession]:
    config = request.config
    budget = config.getoption("mockhub_budget")
    if budget is None and not is_loopback(profile.base_url):
        raise MockhubError(f"{profile.base_url} is not this machine: give --mockhub-budget")
    client = BudgetedClient(
        profile, Budget(effective_budget(profile, budget, config.getoption("mockhub_level")))
    )
    seed = config.getoption("mockhub_seed") or 0
    context = CheckContext(client, config.getoption("mockhub_level"), seed)
    verification = Run(client, context, lambda check, result: None)
    verification.start()
    checks = [check for item in request.session.items if (check := _check_of(item))]
    try:
        yield VerifySession(
            verification, list(dict.fromkeys(name for check in checks for name in check.fixtures))
        )
    finally:
        verification.finish()
        client.close()


def _check_of(item: pytest.Item) -> Check | None:
    check: Check | None = getattr(getattr(item, "callspec", None), "params", {}).get("check")
    return check


@contextmanager
def _open_profile(file: str | None) -> Iterator[Profile]:
    if file is not None:
        yield read_profile(Path(file))
        return
    command = [sys.executable, "-m", "mockhub", "serve", "--port", "0", "--log-format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            started = json.loads(server.stdout.readline())
            yield Profile.for_mock(started["base_url"], started["keys"])
        finally:
            server.terminate()
            server.stdout.read()


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> set[str]:
    """The verdicts of this session so far."""
    return request.config.stash[_OUTCOMES]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Nothing broken, but something inconclusive: 3, as `mockhub verify` ends."""
    if exitstatus == pytest.ExitCode.OK and Outcome.INCONCLUSIVE in session.config.stash[_OUTCOMES]:
        session.exitstatus = EXIT_INCONCLUSIVE
