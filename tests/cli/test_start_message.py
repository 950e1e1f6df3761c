"""What `mockhub serve --database` prints at its start: the hub of the database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.live_server import KEY

OWN_KEY = "gih_live_" + "ana" * 10 + "an"
OWN = f"accounts: {{ana: {{grants: [{{credits: 77}}], keys: [{{key: {OWN_KEY}, name: ana}}]}}}}\n"


@pytest.fixture
def own(tmp_path: Path) -> str:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    return str(file)


def start(tmp_path: Path, *options: str) -> tuple[str, str]:
    """Start a server on the database and stop it; return what it printed."""
    command = [sys.executable, "-m", "mockhub", "serve", "--port", "0", *options]
    process = subprocess.Popen(
        [*command, "--database", f"sqlite:///{tmp_path}/hubs.db"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stderr
        out = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out += process.stdout.read()
        err = process.stderr.read()
        assert process.wait(60) == 0, err
    finally:
        process.kill()
        process.communicate()
    return out, err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_keys_are_those_of_the_database(tmp_path: Path, own: str, workers: str) -> None:
    options = ("--workers", workers)
    out, err = start(tmp_path, *options, "--scenario", own)
    assert err == ""
    assert f"  ana              {OWN_KEY}       77 credits\n" in out

    out, err = start(tmp_path, *options)
    assert err == ""
    assert "API keys of the database:" in out
    assert "  ana              (only its hash is stored)       77 credits\n" in out
    assert KEY not in out

    out, err = start(tmp_path, *options, "--scenario", own, "--credits", "5")
    reason = "because the database has the hub already"
    assert err == f"mockhub: not used, {reason}: --scenario, --credits\n"
    assert f"  ana              {OWN_KEY}       77 credits\n" in out


def test_started_event_has_the_keys_of_the_database(tmp_path: Path, own: str) -> None:
    start(tmp_path, "--scenario", own)
    out, err = start(tmp_path, "--log-format", "json", "--seed", "2", "--arm", "reset")
    assert json.loads(out.splitlines()[0])["keys"] == {}
    assert err.endswith(": --seed, --arm\n")
    out, _ = start(tmp_path, "--log-format", "json", "--scenario", own)
    assert json.loads(out.splitlines()[0])["keys"] == {"ana": OWN_KEY}


def test_missing_key_is_of_the_database(tmp_path: Path) -> None:
    start(tmp_path, "--scenario", "plain")
    out, _ = start(tmp_path)
    assert "The database has no API key. Create one:" in out
