"""The pytest plugin: an isolated hub for every test, and the options of the contract tests.

Every session imports this module, before coverage starts. So it imports next to nothing; the first
test that uses a hub imports the rest of mockhub (T9).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Unpack

import pytest

from mockhub.testing import options
from mockhub.testing.collector import REPORT_ATTRIBUTE, Collector

if TYPE_CHECKING:
    from mockhub.testing.config import HubOptions
    from mockhub.testing.hub import Hub
    from mockhub.testing.network_guard import LiveServiceGuard
    from mockhub.testing.server import HubServer

MARKER_DESCRIPTION = (
    "mockhub(scenario=, credits=, clock=, seed=, faults=, provider=, prompt_faults=, "
    "expected_findings=, replay=, replay_only=): the initial state of the test's hub; for each "
    "option the innermost marker wins"
)

_SOCKETS_BLOCKED = (
    "pytest-socket blocks the server of mockhub: run pytest with --allow-hosts=127.0.0.1,localhost "
    "(which --disable-socket may accompany)"
)

_TESTING = Path(options.__file__).parent

_HUBS_KEY: pytest.StashKey[list[Hub]] = pytest.StashKey()
_MODULE_HUB_KEY: pytest.StashKey[Hub] = pytest.StashKey()
_ENDED_KEY: pytest.StashKey[bool] = pytest.StashKey()
_SERVER_KEY: pytest.StashKey[HubServer] = pytest.StashKey()
_GUARD_KEY: pytest.StashKey[LiveServiceGuard] = pytest.StashKey()


# -- the session -----------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    # Also those of the contract tests: their conftest is loaded too late to add options (T8).
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER_DESCRIPTION)
    if not hasattr(config, "workerinput"):  # an xdist worker sends its reports to the controller
        config.pluginmanager.register(Collector(config), "mockhub-collector")


# -- fixtures --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mockhub_server(pytestconfig: pytest.Config) -> Iterator[HubServer]:
    """Start the server of the session, or of the xdist worker, on which every hub has a URL.

    `HubServer.create_hub` creates a hub that lives longer than a test.
    """
    from mockhub.exceptions import MockhubError
    from mockhub.testing.server import HubServer

    try:
        server = HubServer(port=options.server_port(pytestconfig))
    except MockhubError as error:
        pytest.fail(f"--mockhub-port: {error}", pytrace=False)
    except RuntimeError as error:
        if type(error).__name__ != "SocketBlockedError":
            raise
        pytest.fail(_SOCKETS_BLOCKED, pytrace=False)
    with server:
        pytestconfig.stash[_SERVER_KEY] = server
        yield server
        del pytestconfig.stash[_SERVER_KEY]


@pytest.fixture
def mockhub_factory(
    request: pytest.FixtureRequest, mockhub_server: HubServer
) -> Iterator[Callable[..., Hub]]:
    """Return a function that creates hubs: ``mockhub_factory(credits=16)``.

    Its arguments are the options of the marker. The marker and the session decide the others. The
    hubs are deleted after the test.
    """
    from mockhub.testing.hub import Hub
    from mockhub.testing.markers import hub_config, min_poll_interval

    min_poll_interval(request.config)  # raises before the test if the option is not valid
    hubs = request.node.stash.setdefault(_HUBS_KEY, [])

    def create(**overrides: Unpack[HubOptions]) -> Hub:
        hub = Hub.create(mockhub_server, hub_config(request.node, overrides), request.node.name)
        hubs.append(hub)
        return hub

    yield create
    for hub in hubs:
        hub.close()
    _fail_on_spec_violations(hubs)


@pytest.fixture
def mockhub(request: pytest.FixtureRequest, mockhub_factory: Callable[..., Hub]) -> Hub:
    """Create a hub, isolated from that of every other test, and delete it after the test."""
    from mockhub.exceptions import MockhubError

    try:
        return mockhub_factory()
    except MockhubError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


@pytest.fixture(scope="module")
def mockhub_module(request: pytest.FixtureRequest, mockhub_server: HubServer) -> Iterator[Hub]:
    """Create a hub that all tests of the module share, and delete it after the last one.

    Its options are those of the module's marker and of the session. `Hub.reset` restores its
    initial state.
    """
    from mockhub.exceptions import MockhubError
    from mockhub.testing.hub import Hub
    from mockhub.testing.markers import hub_config

    module = request.node
    try:
        hub = Hub.create(mockhub_server, hub_config(module, {}), module.path.stem)
    except MockhubError as error:
        pytest.fail(str(error), pytrace=False)
    module.stash[_MODULE_HUB_KEY] = hub
    yield hub
    hub.close()
    module.stash[_ENDED_KEY] = True


@pytest.fixture
def mockhub_env(mockhub: Hub, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Hub:
    """Return the hub, and set the environment variables of the ini option mockhub_env.

    By default these are OPENAI_BASE_URL and OPENAI_API_KEY.
    """
    from mockhub.testing.markers import environment

    for name, value in environment(pytestconfig.getini("mockhub_env"), mockhub).items():
        monkeypatch.setenv(name, value)
    return mockhub


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Serve the page while the debugger runs, and print its address."""
    if server := config.stash.get(_SERVER_KEY, None):
        config.get_terminal_writer().line(f"mockhub page: {server.serve_page()}")


# -- hooks around tests ----------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Block the live service while tests run, and reach the hubs without a proxy."""
    from mockhub.testing.network_guard import (
        LIVE_DOMAIN,
        LOOPBACK_HOSTS,
        LiveServiceGuard,
        without_proxies,
    )

    config = session.config
    if _is_live_allowed(config):
        with without_proxies(*LOOPBACK_HOSTS):
            return (yield)
    guard = config.stash[_GUARD_KEY] = LiveServiceGuard()
    with guard.activate(), without_proxies(*LOOPBACK_HOSTS, LIVE_DOMAIN):  # a proxy resolves names
        return (yield)


def _is_live_allowed(config: pytest.Config) -> bool:
    # The target of the contract tests has a separate budget.
    allowed = config.getoption("mockhub_allow_live") or config.getoption("mockhub_target")
    return bool(allowed or config.getini("mockhub_allow_live"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail the test for a spec violation or a blocked host, and for a marker without effect."""
    yield from _check_after(item)
    if _HUBS_KEY not in item.stash and any(mark.name == "mockhub" for mark in item.own_markers):
        reason = "the test uses no fixture of mockhub"
        if "mockhub_module" in getattr(item, "fixturenames", ()):
            reason = "mockhub_module takes the options of the module: pytestmark"
        pytest.fail(f"@pytest.mark.mockhub had no effect: {reason}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail the test also for what its fixtures did in their teardown."""
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
    """Return the hubs that the test uses."""
    hubs = item.stash.get(_HUBS_KEY, [])
    module = item.getparent(pytest.Module)
    if module and "mockhub_module" in getattr(item, "fixturenames", ()):
        return [*hubs, *filter(None, [module.stash.get(_MODULE_HUB_KEY, None)])]
    return hubs


def _ended_hubs_of(item: pytest.Item) -> list[Hub]:
    """Return the hubs that end with the test, and forget them: pytest keeps the item."""
    hubs = item.stash.get(_HUBS_KEY, [])
    if _HUBS_KEY in item.stash:
        del item.stash[_HUBS_KEY]
    module = item.getparent(pytest.Module)
    if module and module.stash.get(_ENDED_KEY, False):
        hubs = [*hubs, module.stash[_MODULE_HUB_KEY]]
        del module.stash[_MODULE_HUB_KEY], module.stash[_ENDED_KEY]
    return hubs


def _fail_on_spec_violations(hubs: Iterable[Hub]) -> None:
    try:
        for hub in hubs:
            hub.assert_no_spec_violations()
        return
    except AssertionError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


def _end_at_line_of_test(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave out our frames of an error of use, such as an unknown fault."""
    from mockhub.exceptions import MockhubError

    entry: TracebackType | None = excinfo.tb
    while isinstance(excinfo.value, MockhubError) and entry and entry.tb_next:
        if Path(entry.tb_next.tb_frame.f_code.co_filename).parent == _TESTING:
            entry.tb_next = None
        entry = entry.tb_next


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the journal to a failure, and the data of the session report to the teardown."""
    if call.excinfo and not item.config.getoption("fulltrace"):
        _end_at_line_of_test(call.excinfo)
    report = yield
    if report.failed and call.excinfo:
        for hub in _hubs_of(item):
            if (journal := hub.format_journal()) not in str(call.excinfo.value):
                report.sections.append((f"mockhub journal: {hub.name}", journal))
    if call.when == "teardown" and (hubs := _ended_hubs_of(item)):
        from mockhub.testing.markers import min_poll_interval
        from mockhub.testing.session_report import to_json

        report.__dict__[REPORT_ATTRIBUTE] = to_json(
            hubs,
            min_poll_interval=min_poll_interval(item.config),
            include_journals=item.config.getoption("mockhub_report_html") is not None,
        )
    return report
