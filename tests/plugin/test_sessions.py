"""The plugin in real sessions: marks, mistakes, failures, and the paid service."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from mockhub._resources import resource_path
from mockhub.testing.network_guard import LIVE_DOMAIN, is_live_host
from tests.support.pytest_sessions import COMMAND, Session, session

MARKS = """
import pytest

pytestmark = pytest.mark.mockhub(credits=8, seed=5)

def test_of_module(mockhub):
    assert 8 == mockhub.account.credits

@pytest.mark.mockhub(credits=16)
class TestClass:
    def test_of_class(self, mockhub):
        assert 16 == mockhub.account.credits

    @pytest.mark.mockhub(credits=24, clock="2030-01-01T00:00:00Z")
    def test_of_function(self, mockhub):
        assert 24 == mockhub.account.credits
        assert 2030 == mockhub.clock.now().year

    def test_of_factory(self, mockhub_factory):
        assert [16, 0] == [mockhub_factory(**o).account.credits for o in ({}, {"credits": 0})]

@pytest.mark.mockhub(scenario="mine.yaml")
def test_of_file(mockhub):
    assert 8 == mockhub.account.credits
    assert "MINE" == mockhub.client().get("/credits").json()["account_type"]
"""

MINE = """
accounts:
  me:
    account_type: MINE
    grants: [{credits: 5}]
"""


def test_the_innermost_mark_decides(tmp_path: Path) -> None:
    """A function's mark stands above its class's, that above the module's; a call above all."""
    (tmp_path / "mine.yaml").write_text(MINE)
    done = session(tmp_path, MARKS)
    assert done.counts == {"passed": 5}, done.output


def test_options_and_ini_decide_where_no_mark_does(tmp_path: Path) -> None:
    """The command line stands above the ini file, and marks above both."""
    source = """
import pytest

def test_of_session(mockhub):
    assert 8 == mockhub.account.credits
    assert 2031 == mockhub.clock.now().year

@pytest.mark.mockhub(credits=0)
def test_of_mark(mockhub):
    assert 0 == mockhub.account.credits
"""
    ini = "mockhub_credits = 8\nmockhub_clock = 2030-01-01T00:00:00Z\n"
    done = session(tmp_path, source, "--mockhub-clock=2031-01-01T00:00:00Z", ini=ini)
    assert done.counts == {"passed": 2}, done.output


@pytest.mark.parametrize(
    ("option", "ini", "told"),
    [
        ("--mockhub-clock=hlod", "", "--mockhub-clock: clock='hlod': 'hlod' is no clock; did you"),
        ("--mockhub-scenario=plian", "", "--mockhub-scenario: scenario='plian': there is no"),
        ("-v", "mockhub_credits = many\n", "ini option mockhub_credits: 'many': expected a whole"),
        ("-v", "mockhub_credits = -1\n", "ini option mockhub_credits: credits=-1: expected a"),
    ],
)
def test_a_mistake_in_an_option_is_told_with_its_door(
    tmp_path: Path, option: str, ini: str, told: str
) -> None:
    """The error names the option or the ini option, not the mark."""
    done = session(tmp_path, "def test_it(mockhub): pass", option, ini=ini)
    assert done.counts == {"error": 1}
    assert told in done.output


MISTAKES = """
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
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A session in which every mark is wrong."""
    folder = tmp_path_factory.mktemp("mistaken")
    (folder / "mine.yaml").write_text(MINE.replace("grants", "grant"))
    return session(folder, MISTAKES)


@pytest.mark.parametrize(
    "told",
    [
        "test_it.py:4: @pytest.mark.mockhub: 'credts' is not an option; did you mean 'credits'?",
        "test_it.py:7: @pytest.mark.mockhub: 8 has no name; write option=value",
        "test_it.py:10: @pytest.mark.mockhub: faults='dorp': unknown directive 'dorp'; did you",
        "test_it.py:13: @pytest.mark.mockhub: scenario='plian': there is no scenario 'plian'; did",
        "mine.yaml:5: #/accounts/me/grant: 'grant' is not known here; did you mean 'grants'?",
    ],
)
def test_a_mistake_in_a_mark_is_an_error_of_its_test(mistaken: Session, told: str) -> None:
    """The error names file, line, option, value and the closest known word, and nothing else."""
    assert mistaken.counts == {"error": 5}, mistaken.output
    assert told in mistaken.output
    assert "Traceback" not in mistaken.output
    assert "During handling" not in mistaken.output


def test_a_mark_without_a_hub_is_a_mistake(tmp_path: Path) -> None:
    """A function's own mark has to have an effect; that of a module need not, in every test."""
    source = """
import pytest

pytestmark = pytest.mark.mockhub(credits=8)

def test_of_module(): pass

@pytest.mark.mockhub(credts=8)
def test_of_function(): pass

@pytest.mark.mockhub(credits=8)
def test_late(request):
    assert 8 == request.getfixturevalue("mockhub").account.credits
"""
    done = session(tmp_path, source)
    assert done.counts == {"passed": 2, "failed": 1}, done.output
    assert "@pytest.mark.mockhub had no effect: the test asked for no hub" in done.output


ENV = """
import os

def test_defaults(mockhub_env):
    assert os.environ["OPENAI_BASE_URL"] == mockhub_env.base_url
    assert os.environ["OPENAI_API_KEY"] == mockhub_env.key

def test_gone():
    assert "OPENAI_API_KEY" not in os.environ
"""


def test_the_environment_is_set_for_the_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the OpenAI SDKs' own variables, and only while the test runs."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = session(tmp_path, ENV)
    assert done.counts == {"passed": 2}, done.output


def test_the_ini_names_the_variables(tmp_path: Path) -> None:
    """Each line is NAME=value with values of the hub in it."""
    source = """
import os

def test_it(mockhub_env):
    assert os.environ["HUB"] == f"{mockhub_env.url}/x"
    assert "OPENAI_BASE_URL" not in os.environ
"""
    done = session(tmp_path, source, ini="mockhub_env =\n    HUB = {url}/x\n")
    assert done.counts == {"passed": 1}, done.output


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("HUB={ur}", "'ur' is no value of a hub; did you mean 'url'?"),
        ("HUB", "expected NAME=value"),
    ],
)
def test_a_mistake_in_the_ini_is_explained(tmp_path: Path, line: str, told: str) -> None:
    """The error names the ini option and the line."""
    done = session(tmp_path, "def test_it(mockhub_env): pass", ini=f"mockhub_env = {line}\n")
    assert done.counts == {"error": 1}
    assert f"ini option mockhub_env: '{line}': {told}" in done.output


# -- failures --------------------------------------------------------------------------------------

BROKEN = """
import httpx, pytest
from mockhub.web import serializers

@pytest.fixture
def broken(monkeypatch):
    monkeypatch.setattr(serializers, "balance", lambda balance: {"credits": "many"})

def test_unaware(mockhub, broken):
    mockhub.client().get("/credits")

def test_unaware_of_no_hub(mockhub, monkeypatch):
    validator = mockhub._backend.spec.operations["get_credits"].responses
    monkeypatch.setitem(validator, 401, validator[200])
    httpx.get(f"{mockhub.server_url}/api/v1/credits")

def test_well(mockhub):
    mockhub.client().get("/credits")

def test_red(mockhub):
    mockhub.client().get("/credits")
    assert "\\x1b" == ""

def test_without_a_hub():
    assert False
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A session with a server that answers wrongly in one test, and with tests that fail."""
    return session(tmp_path_factory.mktemp("broken"), BROKEN, "-rA")


def test_an_answer_against_the_law_fails_the_test_that_caused_it(broken: Session) -> None:
    """The test failed, though it did not look, and its neighbours did not."""
    assert broken.counts == {"passed": 1, "failed": 4}, broken.output
    assert "FAILED test_it.py::test_unaware" in broken.output
    assert "FAILED test_it.py::test_unaware_of_no_hub" in broken.output
    assert (
        broken.output.count("mockhub error, please report it:\n  GET /api/v1/credits: get_credits")
        == 2
    )


def test_the_journal_is_attached_to_a_failure(broken: Session) -> None:
    """What failed shows its journal, once; what has no hub shows none."""
    assert broken.output.count(" mockhub journal: test_red ") == 1
    assert "#1   GET /api/v1/credits  200" in broken.output
    assert "mockhub journal: test_unaware" not in broken.output  # the message has it
    assert "mockhub journal: test_without_a_hub" not in broken.output


# -- the paid service ------------------------------------------------------------------------------

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
    assert {"localhost", "gptimagehub.com"} == {*os.environ["NO_PROXY"].split(",")}
    assert socket.getaddrinfo("localhost", 80)
    assert socket.getaddrinfo(host=b"localhost", port=80)
    assert socket.getaddrinfo(None, 80)
"""


def test_the_paid_service_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to its name fails the test: through a proxy, too, and if the error is swallowed."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost")
    done = session(tmp_path, LIVE)
    assert done.counts == {"failed": 5, "passed": 1}, done.output
    assert done.output.count("--mockhub-allow-live if it is meant.\n") == 5
    assert "asked for www.gptimagehub.com, the paid service" in done.output


@pytest.mark.parametrize(
    ("options", "ini"),
    [
        (["--mockhub-allow-live"], ""),
        (["--mockhub-target=t.yaml"], ""),
        ([], "mockhub_allow_live = true\n"),
    ],
)
def test_the_paid_service_can_be_meant(tmp_path: Path, options: list[str], ini: str) -> None:
    """The option, the ini option or a target of the contract suite leave names alone."""
    source = """
import _socket, socket

def test_it():
    assert socket.gethostbyname is _socket.gethostbyname
"""
    done = session(tmp_path, source, *options, ini=ini)
    assert done.counts == {"passed": 1}, done.output


def test_only_the_laws_own_host_is_refused() -> None:
    """The domain is that of the law's server, with what lies below it, and nothing else."""
    (server,) = yaml.safe_load(resource_path("openapi.yaml").read_text("utf-8"))["servers"]
    host = server["url"].removeprefix("https://")
    assert f"www.{LIVE_DOMAIN}" == host
    for name in (host, host.upper(), f"{host}.", host.encode(), LIVE_DOMAIN):
        assert is_live_host(name)
    for other in (f"not{LIVE_DOMAIN}", "localhost", None, 80, f"{LIVE_DOMAIN}.example.com", ""):
        assert not is_live_host(other)


# -- what it costs who does not use it -------------------------------------------------------------


def test_a_session_without_a_hub_imports_nothing_of_mockhub(tmp_path: Path) -> None:
    """The plugin, the guard, and none of the packages that a server needs."""
    source = """
import sys

def test_it():
    ours = sorted(name for name in sys.modules if name.startswith("mockhub"))
    assert ["collector", "network_guard", "options"] == [name.split(".")[-1] for name in ours[3:]], ours
    assert ["mockhub", "mockhub.pytest_plugin", "mockhub.testing"] == ours[:3]
    assert not {"yaml", "httpx", "starlette", "uvicorn", "click", "PIL"} & sys.modules.keys()
"""  # noqa: E501
    done = session(tmp_path, source)
    assert done.counts == {"passed": 1}, done.output


def test_the_plugin_can_be_switched_off(tmp_path: Path) -> None:
    """`-p no:mockhub` leaves nothing of it."""
    (tmp_path / "test_it.py").write_text("def test_it(mockhub): pass")
    command = [*COMMAND, "-p", "no:mockhub"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "fixture 'mockhub' not found" in done.stdout


def test_its_options_are_told_by_help(tmp_path: Path) -> None:
    """`pytest --help` has a group of them, and `--markers` the mark."""
    assert "mockhub: a hub for every test" in session(tmp_path, "", "--help").output
    assert "@pytest.mark.mockhub(scenario=" in session(tmp_path, "", "--markers").output
