"""`pytest contract_tests --mockhub-target FILE`: the checks of `mockhub verify` as tests.

mockhub's pytest plugin declares the options: pytest reads this file too late for that (T8).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mockhub._loopback import is_loopback_url
from mockhub._text import install_hint
from mockhub.exceptions import MockhubError
from mockhub.verify.outcomes import EXIT_ERROR, EXIT_INCONCLUSIVE, Outcome

_MISSING = ""
try:
    from mockhub.verify.budget import Budget
    from mockhub.verify.check import Check, additional_checks
    from mockhub.verify.client import BudgetedClient
    from mockhub.verify.context import DEFAULT_EXAMPLES, CheckContext
    from mockhub.verify.fuzz import FUZZ_CHECKS
    from mockhub.verify.profile import Profile, read_profile
    from mockhub.verify.run import Run
    from mockhub.verify.runner import effective_budget, filter_checks, select_checks
except ModuleNotFoundError as missing:
    if (missing.name or "mockhub").startswith("mockhub"):
        raise
    _MISSING = missing.name or ""
    collect_ignore = ["test_contract.py"]

_OUTCOMES: pytest.StashKey[set[Outcome]] = pytest.StashKey()
_PROFILE: pytest.StashKey[Profile] = pytest.StashKey()
_ERROR: pytest.StashKey[str] = pytest.StashKey()


@dataclass
class VerifySession:
    """The run that the tests of a session share, and the generations that it needs."""

    run: Run
    fixtures: list[str]


def pytest_configure(config: pytest.Config) -> None:
    """Read the profile, and register its own checks for this session."""
    config.stash[_OUTCOMES] = set()
    try:
        _load_profile(config)
    except MockhubError as error:
        if not config.pluginmanager.has_plugin("session"):
            pytest.exit(f"mockhub: {error}", returncode=EXIT_ERROR)
        config.stash[_ERROR] = str(error)  # --pyargs: the collection has begun


def _load_profile(config: pytest.Config) -> None:
    if _MISSING:
        raise MockhubError(
            f"the contract tests need {_MISSING}, which is not installed; {install_hint('verify')}"
        )
    if file := config.getoption("mockhub_target"):
        profile = read_profile(Path(file))
        stack = ExitStack()
        stack.enter_context(additional_checks(profile.checks))
        config.stash[_PROFILE] = profile
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """End the session for an error in the configuration, after pytest's collection.

    During the collection pytest shows an exit as a crash, with its own frames.
    """
    if error := config.stash.get(_ERROR, None):
        pytest.exit(f"mockhub: {error}", returncode=EXIT_ERROR)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Generate a test for each check of the level."""
    if "check" in metafunc.fixturenames:
        level = metafunc.config.getoption("mockhub_level")
        checks = [*select_checks(level), *filter_checks(FUZZ_CHECKS, level, None)]
        ids = [f"{'+'.join(check.clauses)}:{check.name}" for check in checks]
        metafunc.parametrize("check", checks, ids=ids)


@pytest.fixture(scope="session")
def verify_session(request: pytest.FixtureRequest) -> Iterator[VerifySession]:
    """Start a run against the implementation of --mockhub-target, or against our own mock."""
    config = request.config
    try:
        with _open_profile(config) as profile:
            client = _open_client(config, profile)
            seed = config.getoption("mockhub_seed") or 0
            examples = config.getoption("mockhub_examples") or DEFAULT_EXAMPLES
            context = CheckContext(client, config.getoption("mockhub_level"), seed, examples)
            run = Run(client, context, lambda check, result: None)
            run.start()
            try:
                yield VerifySession(run, _needed_fixtures(request.session.items))
            finally:
                run.finish()
                client.close()
    except MockhubError as error:
        pytest.exit(f"mockhub: {error}", returncode=EXIT_ERROR)


def _open_client(config: pytest.Config, profile: Profile) -> BudgetedClient:
    budget = config.getoption("mockhub_budget")
    if budget is None and not is_loopback_url(profile.base_url):
        raise MockhubError(f"{profile.base_url} is not this machine: give --mockhub-budget")
    limit = effective_budget(profile, budget, config.getoption("mockhub_level"))
    return BudgetedClient(profile, Budget(limit))


def _needed_fixtures(items: list[pytest.Item]) -> list[str]:
    params = [getattr(getattr(item, "callspec", None), "params", {}) for item in items]
    checks: list[Check] = [arguments["check"] for arguments in params if "check" in arguments]
    return list(dict.fromkeys(name for check in checks for name in check.fixtures))


@contextmanager
def _open_profile(config: pytest.Config) -> Iterator[Profile]:
    if _PROFILE in config.stash:
        yield config.stash[_PROFILE]
        return
    command = [sys.executable, "-m", "mockhub", "serve", "--port", "0", "--log-format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            started = json.loads(server.stdout.readline())
            yield Profile.for_mock(started["url"], started["keys"])
        finally:
            server.terminate()
            server.stdout.read()


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> set[Outcome]:
    """Return the outcomes of this session so far."""
    return request.config.stash[_OUTCOMES]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Exit with 3, as `mockhub verify` does, if nothing failed but something is inconclusive."""
    if exitstatus == pytest.ExitCode.OK and Outcome.INCONCLUSIVE in session.config.stash[_OUTCOMES]:
        session.exitstatus = EXIT_INCONCLUSIVE
