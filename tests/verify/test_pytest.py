"""`pytest contract_tests`: the checks of `mockhub verify` as tests, with the same exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.scripted_server import KEYS, Response, mock, scripted_server

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "contract_tests", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def write(folder: Path, url: str) -> str:
    file = folder / "target.yaml"
    file.write_text(f"base_url: {url}\nkeys: {{valid: {KEYS['valid']}}}\n")
    return str(file)


def test_conforming_server_passes(tmp_path: Path) -> None:
    """Each check is a test that can be selected by its clause."""
    with mock() as served:
        completed = run("--mockhub-target", write(tmp_path, served.url), "-k", "MOD or AUTH-6")
    assert completed.returncode == 0, completed.stdout
    assert "skipped" in completed.stdout


def test_failed_check_fails_its_test(tmp_path: Path) -> None:
    """A failure shows the exchange, and the session exits with 1."""
    with scripted_server(lambda request: Response(200, b"{}")) as url:
        completed = run("--mockhub-target", write(tmp_path, url), "-k", "MOD-7")
    assert completed.returncode == 1, completed.stdout
    assert "gpt-image-2 is not listed" in completed.stdout
    assert "curl " in completed.stdout
    assert "mockhub explain MOD-7" in completed.stdout


def test_unreachable_target_exits_with_2(tmp_path: Path) -> None:
    """A server that cannot be reached ends the session at once."""
    completed = run("--mockhub-target", write(tmp_path, "http://127.0.0.1:1"), "-k", "MOD-7")
    assert completed.returncode == 2, completed.stdout
    assert "could not be reached" in completed.stdout + completed.stderr


def test_own_mock_is_checked_without_target() -> None:
    """The session starts the mock."""
    completed = run("-k", "MOD-7 or CRD-2")
    assert completed.returncode == 0, completed.stdout
