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

from mockhub.spec.errors import MockhubError

from .chance import CHANCE
from .checks import Check
from .meter import Meter
from .profile import Partial, Profile, read_profile
from .report import COULD_NOT_RUN, OPEN
from .runner import Run, chosen, limited, selected
from .stage import Stage
from .target import Target, is_loopback
from .verdicts import INCONCLUSIVE

_RESULTS = pytest.StashKey[set[str]]()


@dataclass
class Judgement:
    """The run that the tests of a session share."""

    run: Run
    uses: list[str] = field(default_factory=list)


def pytest_configure(config: pytest.Config) -> None:
    """Remember the verdicts of this session, for its exit code."""
    config.stash[_RESULTS] = set()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each check of the level."""
    if "check" in metafunc.fixturenames:
        level = metafunc.config.getoption("mockhub_level")
        checks = [*selected(level), *chosen(CHANCE, level, None)]
        metafunc.parametrize("check", checks, ids=[_name(check) for check in checks])


def _name(check: Check) -> str:
    return f"{'+'.join(check.clauses)}:{check.name}"


@pytest.fixture(scope="session")
def judgement(request: pytest.FixtureRequest) -> Iterator[Judgement]:
    """The implementation of --mockhub-target, or our own mock, ready to be asked."""
    config = request.config
    try:
        with _profile(config.getoption("mockhub_target")) as profile:
            yield from _judging(request, profile)
    except MockhubError as error:
        pytest.exit(f"mockhub: {error}", returncode=COULD_NOT_RUN)


def _judging(request: pytest.FixtureRequest, profile: Profile) -> Iterator[Judgement]:
    config = request.config
    budget = config.getoption("mockhub_budget")
    if budget is None and not is_loopback(profile.base_url):
        raise MockhubError(f"{profile.base_url} is not this machine: give --mockhub-budget")
    target = Target(profile, Meter(limited(profile, budget, config.getoption("mockhub_level"))))
    seed = config.getoption("mockhub_seed") or 0
    stage = Stage(target, config.getoption("mockhub_level"), seed)
    run = Run(target, stage, lambda check, result: None)
    run.begin()
    checks = [check for item in request.session.items if (check := _asked(item))]
    try:
        yield Judgement(run, list(dict.fromkeys(name for check in checks for name in check.uses)))
    finally:
        run.end()
        target.close()


def _asked(item: pytest.Item) -> Check | None:
    check: Check | None = getattr(getattr(item, "callspec", None), "params", {}).get("check")
    return check


@contextmanager
def _profile(file: str | None) -> Iterator[Profile]:
    if file is not None:
        yield read_profile(Path(file))
        return
    command = [sys.executable, "-m", "mockhub", "serve", "--port", "0", "--log-format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            started = json.loads(server.stdout.readline())
            yield _of_our_mock(started["base_url"], started["keys"])
        finally:
            server.terminate()
            server.stdout.read()


def _of_our_mock(url: str, keys: dict[str, str]) -> Profile:
    roles = {"valid": "rich", "broke": "poor"}
    named = ("valid", "other", "broke", "low", "expired", "revoked")
    return Profile(
        url,
        {role: keys[roles.get(role, role)] for role in named},
        provider_failure="A ship in a storm [[fail]]",
        partial=Partial("A ship in a storm [[deliver=3]]", n=4, delivered=3),
    )


@pytest.fixture
def verdicts(request: pytest.FixtureRequest) -> set[str]:
    """The verdicts of this session so far."""
    return request.config.stash[_RESULTS]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Nothing broken, but something inconclusive: 3, as `mockhub verify` ends."""
    if exitstatus == pytest.ExitCode.OK and INCONCLUSIVE in session.config.stash[_RESULTS]:
        session.exitstatus = OPEN
