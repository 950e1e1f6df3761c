"""The pytest plugin: a clean, isolated mock for every test, and the options of the contract suite.

The entry point imports this in every session, before coverage starts, so it imports next to
nothing; the rest of mockhub is imported by the first test that asks for it (T9).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from mockhub.testing import options
from mockhub.testing.collector import REPORT_ATTRIBUTE, Collector

if TYPE_CHECKING:
    from mockhub.testing.hub import Hub
    from mockhub.testing.network_guard import LiveServiceGuard
    from mockhub.testing.server import HubServer

MARK = "@pytest.mark.mockhub"
MARKER_DESCRIPTION = (
    "mockhub(scenario=, credits=, clock=, seed=, faults=, provider=): how the hub of a test begins; "  # noqa: E501
    "the innermost mark that names an option decides it"
)

_HUBS_KEY: pytest.StashKey[list[Hub]] = pytest.StashKey()
_GUARD_KEY: pytest.StashKey[LiveServiceGuard] = pytest.StashKey()


# -- the session -----------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare every option, also those of the suite: its conftest would be read too late (T8)."""
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and gather what tests see; a worker of xdist passes it on."""
    config.addinivalue_line("markers", MARKER_DESCRIPTION)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(config), "mockhub-collector")


# -- fixtures --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mockhub_server() -> Iterator[HubServer]:
    """The server of the session, or of its xdist worker; every hub has an address on it."""
    from mockhub.testing.server import HubServer

    with HubServer() as server:
        yield server


@pytest.fixture
def mockhub_factory(
    request: pytest.FixtureRequest, mockhub_server: HubServer
) -> Iterator[Callable[..., Hub]]:
    """Makes hubs: `mockhub_factory(credits=16)`; what is not given, mark and options decide."""
    from mockhub.testing.hub import Hub
    from mockhub.testing.markers import hub_config, min_poll_interval

    min_poll_interval(request.config)  # a mistake in it is told before the test runs
    hubs = request.node.stash.setdefault(_HUBS_KEY, [])

    def create(**overrides: Any) -> Hub:
        hub = Hub.create(mockhub_server, hub_config(request.node, overrides), request.node.name)
        hubs.append(hub)
        return hub

    yield create
    for hub in hubs:
        hub.close()
    _fail_on_spec_violations(hubs)


@pytest.fixture
def mockhub(request: pytest.FixtureRequest, mockhub_factory: Callable[..., Hub]) -> Hub:
    """A fresh hub, isolated from that of every other test."""
    from mockhub.exceptions import MockhubError

    try:
        return mockhub_factory()
    except MockhubError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


@pytest.fixture
def mockhub_env(mockhub: Hub, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Hub:
    """The hub, with the environment variables set that the ini option mockhub_env names."""
    from mockhub.testing.markers import environment

    for name, value in environment(pytestconfig.getini("mockhub_env"), mockhub).items():
        monkeypatch.setenv(name, value)
    return mockhub


# -- a test on its way -----------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Keep the paid service out of reach while tests run."""
    config = session.config
    if _is_live_allowed(config):
        return (yield)
    from mockhub.testing.network_guard import LiveServiceGuard

    guard = config.stash[_GUARD_KEY] = LiveServiceGuard()
    with guard.activate():
        return (yield)


def _is_live_allowed(config: pytest.Config) -> bool:
    """Whether it was said that the paid service is meant; the suite's target has its own budget."""
    allowed = config.getoption("mockhub_allow_live") or config.getoption("mockhub_target")
    return bool(allowed or config.getini("mockhub_allow_live"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail the test for what it did not see: a breach of the law, a call to the paid service."""
    yield from _check_after(item)
    if _HUBS_KEY not in item.stash and any(mark.name == "mockhub" for mark in item.own_markers):
        pytest.fail(f"{MARK} had no effect: the test asked for no hub", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail it also for what its fixtures did when they ended."""
    yield from _check_after(item)


def _check_after(item: pytest.Item) -> Generator[None, None, None]:
    guard = item.config.stash.get(_GUARD_KEY, None)
    try:
        yield
    except BaseException:
        if guard:
            guard.clear()
        raise
    if guard:
        guard.fail_if_blocked()
    _fail_on_spec_violations(_hubs_of(item))


def _hubs_of(item: pytest.Item) -> list[Hub]:
    return item.stash.get(_HUBS_KEY, [])


def _fail_on_spec_violations(hubs: Iterable[Hub]) -> None:
    try:
        for hub in hubs:
            hub.assert_no_spec_violations()
        return
    except AssertionError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the journal to what failed, and to the end of a test what its hubs have seen."""
    report = yield
    if report.failed and call.excinfo:
        for hub in _hubs_of(item):
            if (journal := hub.format_journal()) not in str(call.excinfo.value):
                report.sections.append((f"mockhub journal: {hub.name}", journal))
    if call.when == "teardown" and _hubs_of(item):
        from mockhub.testing.markers import min_poll_interval
        from mockhub.testing.session_report import to_json

        report.__dict__[REPORT_ATTRIBUTE] = to_json(
            _hubs_of(item),
            min_poll_interval=min_poll_interval(item.config),
            include_journals=item.config.getoption("mockhub_report_html") is not None,
        )
        del item.stash[
            _HUBS_KEY
        ]  # an item lives as long as the session; what its hubs hold need not
    return report
