"""`pytest contract_tests`: the checks of `mockhub verify` as tests, with the same exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pytest_sessions import Session, run_in_fork, run_in_new_process
from tests.support.scripted_server import KEYS, Response, mock, scripted_server

ROOT = Path(__file__).resolve().parent.parent.parent
SUITE = "contract_tests"

_OWN_CHECK = """
from mockhub.verify.check import check
from mockhub.verify.outcomes import Failed

@check("END-2")
def own_check(context):
    raise Failed(f"examples: {context.examples}", context.client.get("credits"))
"""


def run(*options: str) -> Session:
    plugins = ("-p", "mockhub", "-p", "pytest_asyncio.plugin")
    return run_in_fork(ROOT, "contract_tests", "-q", *plugins, *options)


def write(folder: Path, url: str) -> str:
    file = folder / "target.yaml"
    file.write_text(f"base_url: {url}\nkeys: {{valid: {KEYS['valid']}}}\n")
    return str(file)


def test_conforming_server_passes(tmp_path: Path) -> None:
    """Each check is a test that can be selected by its clause."""
    with mock() as served:
        completed = run("--mockhub-target", write(tmp_path, served.url), "-k", "MOD or AUTH-6")
    assert completed.code == 0, completed.output
    assert "skipped" in completed.output


def test_failed_check_fails_its_test(tmp_path: Path) -> None:
    """A failure shows the exchange, and the session exits with 1."""
    with scripted_server(lambda request: Response(200, b"{}")) as url:
        completed = run("--mockhub-target", write(tmp_path, url), "-k", "MOD-7")
    assert completed.code == 1, completed.output
    assert "gpt-image-2 is not listed" in completed.output
    assert "curl " in completed.output
    assert "mockhub explain MOD-7" in completed.output


def test_profile_accepts_deviations_and_adds_checks(tmp_path: Path) -> None:
    """`accept:` and `checks:` of the profile hold in pytest too, and so does --mockhub-examples."""
    (tmp_path / "own.py").write_text(_OWN_CHECK)
    with mock() as served:
        target = Path(write(tmp_path, served.url))
        extra = "checks: own.py\naccept: [{clause: END-2, reason: on purpose}]\n"
        target.write_text(target.read_text() + extra)
        options = ("--mockhub-examples", "1", "-k", "own_check", "-rx")
        completed = run("--mockhub-target", str(target), *options)
    assert completed.code == 0, completed.output
    assert "1 xfailed" in completed.output
    assert "accepted: on purpose" in completed.output


def test_unreachable_target_exits_with_2(tmp_path: Path) -> None:
    """A server that cannot be reached ends the session at once."""
    completed = run("--mockhub-target", write(tmp_path, "http://127.0.0.1:1"), "-k", "MOD-7")
    assert completed.code == 2, completed.output
    assert "could not be reached" in completed.output


@pytest.mark.parametrize("arguments", [(str(ROOT / "contract_tests"),), ("--pyargs", SUITE)])
def test_wrong_profile_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Also if pytest finds the suite by its package, and so loads its conftest late."""
    plugins = ("-p", "mockhub", "-p", "pytest_asyncio.plugin")
    completed = run_in_fork(tmp_path, *arguments, *plugins, "--mockhub-target", "none.yaml", "-q")
    assert completed.code == 2, completed.output
    (line,) = (line for line in completed.output.splitlines() if "mockhub: " in line)
    assert "mockhub: none.yaml: cannot be read: No such file" in line
    assert "conftest.py" not in completed.output


@pytest.mark.parametrize("arguments", [(str(ROOT / "contract_tests"),), ("--pyargs", SUITE)])
def test_missing_package_is_one_line_with_the_extra(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "without_httpx.py").write_text("import sys\nsys.modules['httpx'] = None\n")
    plugins = ("-p", "without_httpx", "-p", "mockhub", "-p", "pytest_asyncio.plugin")
    completed = run_in_new_process(tmp_path, *plugins, *arguments, "-q")
    assert completed.code == 2, completed.output
    assert "mockhub: the contract tests need httpx, which is not installed; " in completed.output
    assert "run pip install '.[verify]'" in completed.output
    assert "conftest.py" not in completed.output


def test_own_mock_is_checked_without_target() -> None:
    """The session starts the mock."""
    completed = run("-k", "MOD-7 or CRD-2")
    assert completed.code == 0, completed.output
