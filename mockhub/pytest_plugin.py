"""The pytest plugin: a clean, isolated mock for every test, and the options of the contract suite.

The entry point imports this in every session, before coverage starts, so it imports next to
nothing; the rest of mockhub is imported by the first test that asks for it (T9).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from mockhub.testing import options
from mockhub.testing.collector import ATTRIBUTE, Collector

if TYPE_CHECKING:
    from mockhub.testing.hub import Hub
    from mockhub.testing.live import Guard
    from mockhub.testing.server import Server

MARK = "@pytest.mark.mockhub"
MARKER = (
    "mockhub(scenario=, credits=, clock=, seed=, arm=, provider=): how the hub of a test begins; "
    "the innermost mark that names an option decides it"
)

_HUBS: pytest.StashKey[list[Hub]] = pytest.StashKey()
_GUARD: pytest.StashKey[Guard] = pytest.StashKey()


# -- the session -----------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare every option, also those of the suite: its conftest would be read too late (T8)."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and gather what tests see; a worker of xdist passes it on."""
    config.addinivalue_line("markers", MARKER)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(config), "mockhub-collector")


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
    from mockhub.testing.hub import Hub
    from mockhub.testing.marks import poll_every, recipe

    poll_every(request.config)  # a mistake in it is told before the test runs
    hubs = request.node.stash.setdefault(_HUBS, [])

    def make(**said: Any) -> Hub:
        hub = Hub.make(mockhub_server, recipe(request.node, said), request.node.name)
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
    yield from _watched(item)
    if _HUBS not in item.stash and any(mark.name == "mockhub" for mark in item.own_markers):
        pytest.fail(f"{MARK} had no effect: the test asked for no hub", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail it also for what its fixtures did when they ended."""
    yield from _watched(item)


def _watched(item: pytest.Item) -> Generator[None, None, None]:
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
    """Attach the journal to what failed, and to the end of a test what its hubs have seen."""
    report = yield
    if report.failed and call.excinfo:
        for hub in _hubs(item):
            if (story := hub.story()) not in str(call.excinfo.value):
                report.sections.append((f"mockhub journal: {hub.name}", story))
    if call.when == "teardown" and _hubs(item):
        from mockhub.testing.marks import poll_every
        from mockhub.testing.summary import told

        report.__dict__[ATTRIBUTE] = told(
            _hubs(item),
            poll_every=poll_every(item.config),
            journals=item.config.getoption("mockhub_report_html") is not None,
        )
        del item.stash[_HUBS]  # an item lives as long as the session; what its hubs hold need not
    return report
