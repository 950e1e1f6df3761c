"""The plugin in real sessions: markers, errors, failures, and the live service."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mockhub._resources import resource_path
from mockhub.testing.network_guard import LIVE_DOMAIN, is_live_host
from tests.support.pytest_sessions import COMMAND, Session, session

MARKERS = """
import pytest

pytestmark = pytest.mark.mockhub(credits=8, seed=5)

def test_of_module(mockhub):
    assert mockhub.account.credits == 8

@pytest.mark.mockhub(credits=16)
class TestClass:
    def test_of_class(self, mockhub):
        assert mockhub.account.credits == 16

    @pytest.mark.mockhub(credits=24, clock="2030-01-01T00:00:00Z")
    def test_of_function(self, mockhub):
        assert mockhub.account.credits == 24
        assert mockhub.clock.now().year == 2030

    def test_of_factory(self, mockhub_factory):
        assert [mockhub_factory(**o).account.credits for o in ({}, {"credits": 0})] == [16, 0]

@pytest.mark.mockhub(scenario="mine.yaml")
def test_of_file(mockhub):
    assert mockhub.account.credits == 8
    assert mockhub.client().get("/credits").json()["account_type"] == "MINE"
"""

MINE = """
accounts:
  me:
    account_type: MINE
    grants: [{credits: 5}]
"""


def test_innermost_marker_wins(tmp_path: Path) -> None:
    """A function has precedence over its class, a class over its module, a call over all."""
    (tmp_path / "mine.yaml").write_text(MINE)
    result = session(tmp_path, MARKERS)
    assert result.counts == {"passed": 5}, result.output


def test_command_line_and_ini_are_the_defaults_of_markers(tmp_path: Path) -> None:
    """The command line has precedence over the ini file, and markers over both."""
    source = """
import pytest

def test_of_session(mockhub):
    assert mockhub.account.credits == 8
    assert mockhub.clock.now().year == 2031

@pytest.mark.mockhub(credits=0)
def test_of_mark(mockhub):
    assert mockhub.account.credits == 0
"""
    ini = "mockhub_credits = 8\nmockhub_clock = 2030-01-01T00:00:00Z\n"
    result = session(tmp_path, source, "--mockhub-clock=2031-01-01T00:00:00Z", ini=ini)
    assert result.counts == {"passed": 2}, result.output


@pytest.mark.parametrize(
    ("option", "ini", "message"),
    [
        (
            "--mockhub-clock=hlod",
            "",
            "--mockhub-clock: clock: unknown clock 'hlod'; did you",
        ),
        ("--mockhub-scenario=plian", "", "--mockhub-scenario: scenario: there is no"),
        ("-v", "mockhub_credits = many\n", "ini option mockhub_credits: 'many': expected a whole"),
        ("-v", "mockhub_credits = -1\n", "ini option mockhub_credits: credits: -1 is not valid"),
    ],
)
def test_error_in_an_option_names_the_option(
    tmp_path: Path, option: str, ini: str, message: str
) -> None:
    """The error names the command-line or ini option, not the marker."""
    result = session(tmp_path, "def test_it(mockhub): pass", option, ini=ini)
    assert result.counts == {"error": 1}
    assert message in result.output


INVALID_MARKERS = """
import pytest

@pytest.mark.mockhub(credts=8)
def test_option(mockhub): pass

@pytest.mark.mockhub(8)
def test_position(mockhub): pass

@pytest.mark.mockhub(faults="dorp")
def test_directive(mockhub): pass

@pytest.mark.mockhub(scenario="plian")
def test_scenario(mockhub): pass

@pytest.mark.mockhub(scenario="mine.yaml")
def test_file(mockhub): pass
"""


@pytest.fixture(scope="module")
def invalid_markers(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Run a session in which every marker is invalid."""
    folder = tmp_path_factory.mktemp("invalid_markers")
    (folder / "mine.yaml").write_text(MINE.replace("grants", "grant"))
    return session(folder, INVALID_MARKERS)


@pytest.mark.parametrize(
    "message",
    [
        "test_it.py:4: @pytest.mark.mockhub: 'credts' is not an option; did you mean 'credits'?",
        "test_it.py:7: @pytest.mark.mockhub: 8 is a positional argument; write option=value",
        "test_it.py:10: @pytest.mark.mockhub: faults: unknown directive 'dorp'; did you",
        "test_it.py:13: @pytest.mark.mockhub: scenario: there is no scenario 'plian'; did",
        "mine.yaml:5: #/accounts/me/grant: 'grant' is not known here; did you mean 'grants'?",
    ],
)
def test_error_in_a_marker_is_an_error_of_its_test(invalid_markers: Session, message: str) -> None:
    """The error names file, line, option, value and the closest known word, without a traceback."""
    assert invalid_markers.counts == {"error": 5}, invalid_markers.output
    assert message in invalid_markers.output
    assert "Traceback" not in invalid_markers.output
    assert "During handling" not in invalid_markers.output


def test_marker_without_a_hub_fails_the_test(tmp_path: Path) -> None:
    """The marker of a function must have an effect; that of a module need not in every test."""
    source = """
import pytest

pytestmark = pytest.mark.mockhub(credits=8)

def test_of_module(): pass

@pytest.mark.mockhub(credts=8)
def test_of_function(): pass

@pytest.mark.mockhub(credits=8)
def test_late(request):
    assert request.getfixturevalue("mockhub").account.credits == 8
"""
    result = session(tmp_path, source)
    assert result.counts == {"passed": 2, "failed": 1}, result.output
    assert (
        "@pytest.mark.mockhub had no effect: the test uses no fixture of mockhub" in result.output
    )


ENV = """
import os

def test_defaults(mockhub_env):
    assert os.environ["OPENAI_BASE_URL"] == mockhub_env.base_url
    assert os.environ["OPENAI_API_KEY"] == mockhub_env.key

def test_without_the_fixture():
    assert "OPENAI_API_KEY" not in os.environ
"""


def test_mockhub_env_sets_the_variables_of_the_openai_sdk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are set only while the test runs."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    result = session(tmp_path, ENV)
    assert result.counts == {"passed": 2}, result.output


def test_ini_option_sets_other_variables(tmp_path: Path) -> None:
    """Each line is NAME=value with values of the hub in it."""
    source = """
import os

def test_it(mockhub_env):
    assert os.environ["HUB"] == f"{mockhub_env.url}/x"
    assert "OPENAI_BASE_URL" not in os.environ
"""
    result = session(tmp_path, source, ini="mockhub_env =\n    HUB = {url}/x\n")
    assert result.counts == {"passed": 1}, result.output


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("HUB={ur}", "unknown value 'ur'; did you mean 'url'?"),
        ("HUB", "expected NAME=value"),
    ],
)
def test_error_in_mockhub_env_names_the_line(tmp_path: Path, line: str, message: str) -> None:
    result = session(tmp_path, "def test_it(mockhub_env): pass", ini=f"mockhub_env = {line}\n")
    assert result.counts == {"error": 1}
    assert f"ini option mockhub_env: '{line}': {message}" in result.output


# -- failures --------------------------------------------------------------------------------------

FAILURES = """
import httpx, pytest
from mockhub.testing.config import default_spec
from mockhub.web import serializers

@pytest.fixture
def wrong_balance(monkeypatch):
    monkeypatch.setattr(serializers, "balance", lambda balance: {"credits": "many"})

def test_wrong_response(mockhub, wrong_balance):
    mockhub.client().get("/credits")

def test_wrong_response_of_no_hub(mockhub, monkeypatch):
    schemas = default_spec().operations["get_credits"].responses
    monkeypatch.setitem(schemas, 401, schemas[200])
    httpx.get(f"{mockhub.server_url}/api/v1/credits")

def test_passes(mockhub):
    mockhub.client().get("/credits")

def test_fails(mockhub):
    mockhub.client().get("/credits")
    assert "\\x1b" == ""

def test_without_a_hub():
    assert False
"""


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Run a session with failing tests, one of them because of a wrong response of the server."""
    return session(tmp_path_factory.mktemp("failures"), FAILURES, "-rA")


def test_spec_violation_fails_the_test_that_caused_it(failures: Session) -> None:
    """The test fails although it does not check the response, and its neighbours pass."""
    assert failures.counts == {"passed": 1, "failed": 4}, failures.output
    assert "FAILED test_it.py::test_wrong_response" in failures.output
    assert "FAILED test_it.py::test_wrong_response_of_no_hub" in failures.output
    assert (
        failures.output.count(
            "mockhub error, please report it:\n  GET /api/v1/credits: get_credits"
        )
        == 2
    )


def test_journal_is_attached_to_a_failure(failures: Session) -> None:
    """It is shown once, and not for a test without a hub."""
    assert failures.output.count(" mockhub journal: test_fails ") == 1
    assert "#1   GET /api/v1/credits  200" in failures.output
    assert "mockhub journal: test_wrong_response" not in failures.output  # the message has it
    assert "mockhub journal: test_without_a_hub" not in failures.output


# -- the live service ------------------------------------------------------------------------------

LIVE = """
import asyncio, contextlib, os, socket
import httpx, pytest, requests, uvloop

HOST = "www.gptimagehub.com"

def test_sync():
    httpx.get(f"https://{HOST}/api/v1/models")

async def fetch():
    async with httpx.AsyncClient() as client:
        await client.get(f"https://{HOST}/api/v1/models")

def test_async():
    asyncio.run(fetch())

def test_uvloop():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(fetch())

def test_swallowed():
    with contextlib.suppress(BaseException):
        socket.gethostbyname(HOST)

def test_requests():
    requests.get(f"https://{HOST}/api/v1/models")

def test_others():
    assert {*os.environ["NO_PROXY"].split(",")} == {"localhost", "127.0.0.1", "gptimagehub.com"}
    assert socket.getaddrinfo("localhost", 80)
    assert socket.getaddrinfo(host=b"localhost", port=80)
    assert socket.getaddrinfo(None, 80)
"""


def test_client_without_httpx_names_the_extra(tmp_path: Path) -> None:
    """The fixture needs no other package than pytest."""
    (tmp_path / "without_httpx.py").write_text("import sys\nsys.modules['httpx'] = None\n")
    source = "def test_it(mockhub): mockhub.client()\n\ndef test_url(mockhub): assert mockhub.url\n"
    result = session(tmp_path, source, plugins=("without_httpx",))
    assert result.counts == {"passed": 1, "failed": 1}
    assert "a client of a hub needs httpx, which is not installed; in a clone" in result.output
    assert "run pip install '.[pytest]'" in result.output


def test_live_service_is_blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test fails also behind a proxy, and also if its code swallows the error."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost")
    result = session(tmp_path, LIVE)
    assert result.counts == {"failed": 5, "passed": 1}, result.output
    assert result.output.count("--mockhub-allow-live if the test needs it.\n") == 5
    assert "mockhub blocked www.gptimagehub.com, the live service" in result.output


@pytest.mark.parametrize(
    ("options", "ini"),
    [
        (["--mockhub-allow-live"], ""),
        (["--mockhub-target=t.yaml"], ""),
        ([], "mockhub_allow_live = true\n"),
    ],
)
def test_live_service_can_be_allowed(tmp_path: Path, options: list[str], ini: str) -> None:
    """The option, the ini option or a target of the contract tests switch the guard off."""
    source = """
import _socket, socket

def test_it():
    assert socket.gethostbyname is _socket.gethostbyname
"""
    result = session(tmp_path, source, *options, ini=ini)
    assert result.counts == {"passed": 1}, result.output


def test_only_the_host_of_the_spec_is_blocked() -> None:
    """The guard blocks the domain of the server in openapi.yaml with its subdomains."""
    (server,) = yaml.safe_load(resource_path("openapi.yaml").read_text("utf-8"))["servers"]
    host = server["url"].removeprefix("https://")
    assert host == f"www.{LIVE_DOMAIN}"
    for name in (host, host.upper(), f"{host}.", host.encode(), LIVE_DOMAIN):
        assert is_live_host(name)
    for other in (f"not{LIVE_DOMAIN}", "localhost", None, 80, f"{LIVE_DOMAIN}.example.com", ""):
        assert not is_live_host(other)


# -- sessions without a hub ------------------------------------------------------------------------


def test_session_without_a_hub_imports_only_the_plugin(tmp_path: Path) -> None:
    source = """
import sys

def test_it():
    modules = {name for name in sys.modules if name.startswith("mockhub.testing.")}
    expected = ("collector", "network_guard", "options")
    assert modules == {f"mockhub.testing.{name}" for name in expected}
    others = {name for name in sys.modules if name.partition(".")[0] == "mockhub"} - modules
    assert others == {"mockhub", "mockhub.pytest_plugin", "mockhub.testing"}
    assert not {"yaml", "httpx", "starlette", "uvicorn", "click", "PIL"} & sys.modules.keys()
"""
    result = session(tmp_path, source, fork=False)
    assert result.counts == {"passed": 1}, result.output


def test_plugin_can_be_switched_off(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(mockhub): pass")
    slow = (
        "schemathesis hypothesispytest pytest_httpx respx requests_mock time_machine fakefs anyio"
    )
    command = [*COMMAND, "-p", "no:mockhub", *(f"-pno:{name}" for name in slow.split())]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "fixture 'mockhub' not found" in result.stdout


def test_help_lists_options_and_marker(tmp_path: Path) -> None:
    assert "mockhub: a hub for every test" in session(tmp_path, "", "--help").output
    assert "@pytest.mark.mockhub(scenario=" in session(tmp_path, "", "--markers").output


DEBUGGER = """
import pdb, re, sys
import httpx

class Debugger(pdb.Pdb):
    def interaction(self, *args):
        page = httpx.get(address.replace("hubs/", "_mockhub/?hub="), follow_redirects=True)
        hub = httpx.get(address.replace("hubs/", "_mockhub/hubs/")).json()
        print("page", page.status_code, page.headers["content-type"], hub["name"])

def test_it(mockhub):
    global address
    address = mockhub.base_url.removesuffix("/api/v1")
    assert False
"""


def test_debugger_has_a_page_of_the_hub(tmp_path: Path) -> None:
    """With --pdb the session prints the address of the page, which shows the hub of the test."""
    result = session(tmp_path, DEBUGGER, "--pdb", "--pdbcls=test_it:Debugger")
    assert re.search(
        r"^mockhub page: http://127\.0\.0\.1:\d+/_mockhub/\?hub=test_it$",
        result.output,
        re.MULTILINE,
    )
    assert "page 200 text/html; charset=utf-8 test_it" in result.output
