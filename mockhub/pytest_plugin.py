"""The pytest plugin: a clean, isolated mock for every test, and the options of the contract suite.

The entry point imports this in every session, before coverage starts, so it imports nothing but
pytest; the rest of mockhub is imported by the first test that asks for it (T9).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mockhub.testing.hub import Hub
    from mockhub.testing.live import Guard
    from mockhub.testing.server import Server

MARKER = (
    "mockhub(scenario=, credits=, clock=, seed=, arm=, provider=): how the hub of a test begins; "
    "the innermost mark that names an option decides it"
)

_HUBS: pytest.StashKey[list[Hub]] = pytest.StashKey()
_GUARD: pytest.StashKey[Guard] = pytest.StashKey()


# -- options ---------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare every option, also those of the suite: its conftest would be read too late (T8)."""
    _add_hub_options(parser)
    _add_suite_options(parser)


def _add_hub_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("mockhub", "mockhub: a hub for every test")
    group.addoption(
        "--mockhub-scenario",
        metavar="NAME|FILE",
        help="The world that hubs begin with where no mark says otherwise (ini: mockhub_scenario).",
    )
    group.addoption(
        "--mockhub-clock",
        metavar="CLOCK",
        help="Their clock: system, jump, hold, or a time (ini: mockhub_clock).",
    )
    group.addoption(
        "--mockhub-allow-live",
        action="store_true",
        help="Let tests reach the paid service (ini: mockhub_allow_live).",
    )
    parser.addini("mockhub_scenario", "The world that hubs begin with: a name, or a YAML file.")
    parser.addini("mockhub_credits", "The balance that hubs begin with.")
    parser.addini("mockhub_clock", "The clock of hubs: system, jump, hold, or a time.")
    parser.addini("mockhub_seed", "What the ids and keys of hubs are made from.")
    parser.addini("mockhub_allow_live", "Let tests reach the paid service.", type="bool")
    parser.addini(
        "mockhub_env",
        "What mockhub_env sets, a line NAME=value each, with {url}, {base_url} and {key} in it.",
        type="linelist",
        default=["OPENAI_BASE_URL={base_url}", "OPENAI_API_KEY={key}"],
    )


def _add_suite_options(parser: pytest.Parser) -> None:
    suite = parser.getgroup("mockhub verify", "mockhub: judging an implementation (contract_tests)")
    suite.addoption(
        "--mockhub-target",
        metavar="FILE",
        help="The profile of the implementation to judge; without it our own mock is judged.",
    )
    suite.addoption(
        "--mockhub-level",
        choices=["documented", "inferred"],
        default="documented",
        help="How much is asked of it (default: documented).",
    )
    suite.addoption(
        "--mockhub-budget",
        type=int,
        metavar="CREDITS",
        help="Spend no more than this, instead of the profile's limit.",
    )
    suite.addoption(
        "--mockhub-seed",
        type=int,
        metavar="N",
        help="What examples, and the ids and keys of hubs, are made from (ini: mockhub_seed).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


# -- fixtures --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mockhub_server() -> Iterator[Server]:
    """The server of the session, or of its xdist worker; every hub has an address on it."""
    from mockhub.testing.server import Server

    with Server() as server:
        yield server


@pytest.fixture
def mockhub_factory(
    request: pytest.FixtureRequest, mockhub_server: Server
) -> Iterator[Callable[..., Hub]]:
    """Makes hubs: `mockhub_factory(credits=16)`; what is not given, mark and options decide."""
    from mockhub.testing.marks import recipe

    hubs = request.node.stash.setdefault(_HUBS, [])

    def make(**options: Any) -> Hub:
        hub = mockhub_server.hub(recipe(request.node, options), name=request.node.name)
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.close()
    _check(hubs)


@pytest.fixture
def mockhub(request: pytest.FixtureRequest, mockhub_factory: Callable[..., Hub]) -> Hub:
    """A fresh hub, isolated from that of every other test."""
    from mockhub.spec.errors import MockhubError

    try:
        return mockhub_factory()
    except MockhubError as error:
        wrong = str(error)
    pytest.fail(wrong, pytrace=False)


@pytest.fixture
def mockhub_env(mockhub: Hub, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Hub:
    """The hub, with the environment variables set that the ini option mockhub_env names."""
    from mockhub.testing.marks import environment

    for name, value in environment(pytestconfig.getini("mockhub_env"), mockhub).items():
        monkeypatch.setenv(name, value)
    return mockhub


# -- a test on its way -----------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Keep the paid service out of reach while tests run."""
    config = session.config
    if _live(config):
        return (yield)
    from mockhub.testing.live import Guard

    guard = config.stash[_GUARD] = Guard()
    with guard.standing():
        return (yield)


def _live(config: pytest.Config) -> bool:
    """Whether it was said that the paid service is meant; the suite's target has its own budget."""
    asked = config.getoption("mockhub_allow_live") or config.getoption("mockhub_target")
    return bool(asked or config.getini("mockhub_allow_live"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail the test for what it did not see: a breach of the law, a call to the paid service."""
    guard = item.config.stash.get(_GUARD, None)
    try:
        yield
    except BaseException:
        if guard:
            guard.forget()
        raise
    if guard:
        guard.check()
    _check(_hubs(item))


def _hubs(item: pytest.Item) -> list[Hub]:
    return item.stash.get(_HUBS, [])


def _check(hubs: Iterable[Hub]) -> None:
    try:
        for hub in hubs:
            hub.check()
        return
    except AssertionError as error:
        wrong = str(error)
    pytest.fail(wrong, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the journal to what failed."""
    report = yield
    if report.failed and call.excinfo:
        for hub in _hubs(item):
            if (story := hub.story()) not in str(call.excinfo.value):
                report.sections.append((f"mockhub journal: {hub.name}", story))
    return report
