"""`mockhub proxy` and `mockhub proxy status`, as they are called."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from benchmarks.servers import free_port
from mockhub.cli.main import main
from tests.conftest import ROOT
from tests.support.live_server import BODY, KEY, LiveHub
from tests.web.test_uploads import FORM, peak_memory, upload_form


def test_findings_decide_the_exit_code(upstream: LiveHub, tmp_path: Path) -> None:
    """A violation is in the log, the reports and the exit code; the file keeps what was spent.

    An upload of 40 MB does not stay in memory.
    """
    target = upstream.url + "/api/v1"
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "html", "junit")}
    options = [f"--report-{kind}={path}" for kind, path in files.items()]
    state = tmp_path / "state.json"
    command = [sys.executable, "-m", "mockhub", "proxy", "--target", target, "--port", "0"]
    command += ["--exclusive", "--fail-on", "violation", "--budget", "40", "--state", str(state)]
    with subprocess.Popen(
        [*command, *options, "--log-format", "json"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout
        try:
            started = json.loads(process.stdout.readline())
            headers = {"Authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=started["base_url"], headers=headers) as client:
                assert client.post("/images/generations", json=BODY).status_code == 200
                before = peak_memory(process.pid)
                response = client.post(
                    "/images/generations", content=upload_form(2, 20_000_000), headers=FORM
                )
                assert response.status_code == 200
                assert peak_memory(process.pid) - before < 25_000_000
                account = upstream.backend.accounts["documentation"]
                upstream.server.call(lambda: upstream.backend.grant(account, 1))
                assert client.get("/credits").json()["credits"] == 105
            process.send_signal(signal.SIGTERM)
            log = [json.loads(line) for line in process.stdout]
            assert process.wait(20) == 1
        finally:
            process.kill()
    assert started["target"] == target
    findings = {"violation": 1, "warning": 0}
    assert log[-1] == {"event": "finished", "findings": findings, "credits_spent": 16}
    assert "LED-6" in log[-2]["spec_violation"]
    assert json.loads(files["json"].read_text())["credits"]["spent"] == 16
    for path in files.values():
        assert "105" in path.read_text()
    printed = CliRunner().invoke(main, ["proxy", "status", "--state", str(state), "--json"])
    assert json.loads(printed.output)["left"] == 24
    assert (
        "spent            16"
        in CliRunner().invoke(main, ["proxy", "status", "--state", str(state)]).output
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "--target is missing"),
        (["--target", "gptimagehub.com"], "is not a base URL"),
        (["--target", "https://me:secret@gptimagehub.com"], "without user, query and fragment"),
        (["--target", "http://127.0.0.1:9", "--budget", "-1"], "-1 is not in the range"),
        (["--target", "https://127.0.0.1:9", "--ca-file", "none.pem"], "No such file"),
        (["--target", "http://127.0.0.1:9", "--ca-file", "a.pem"], "needs a target with https"),
        (["--target", "http://127.0.0.1:9", "--report-json", "/none/a"], "no such directory"),
        (["--target", "http://127.0.0.1:9", "--state", "/none/state.json"], "cannot be written"),
        (["--target", "http://127.0.0.1:9", "--host", "0.0.0.0"], "give --control-token"),
        (["--target", "http://127.0.0.1:9", "--arm", "nonsense"], "nonsense"),
        (["--target", "http://localhost:{port}", "--port", "{port}"], "is the proxy itself"),
        (["status", "--state", "/none/state.json"], "there is no such file"),
    ],
)
def test_wrong_options_are_explained(arguments: list[str], problem: str) -> None:
    """Each is one line that names the option or the file."""
    port = [] if arguments[:1] == ["status"] else ["--port", "0"]
    number = free_port()
    arguments = [one.format(port=number) for one in arguments]
    result = CliRunner().invoke(main, ["proxy", *port, *arguments])
    assert result.exit_code == 2, result.output
    assert problem in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiohttp, the error says what to install; the rest of mockhub works."""
    for name in [*sys.modules]:
        if name.startswith(("mockhub.proxy", "mockhub.cli.run_proxy")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    result = CliRunner().invoke(main, ["proxy", "--target", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert "pip install '.[proxy]'" in result.output
