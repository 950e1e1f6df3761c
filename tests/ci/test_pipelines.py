"""The shell of action.yml and of the GitLab include runs, and fails where it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.servers import free_port
from tests.conftest import Serve

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
GITLAB = yaml.safe_load((ROOT / ".gitlab" / "mockhub-verify.yml").read_text("utf-8"))
JOB = GITLAB[".mockhub-verify"]
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}
# `python` writes its arguments to a file if it is pip, else it runs.
PYTHON = f"""#!/bin/sh
if [ "$2" = pip ]; then echo "$@" > "$RUNNER_TEMP/pip"; else exec "{sys.executable}" "$@"; fi
"""
MOCKHUB = f"""#!/bin/sh
exec "{sys.executable}" -m mockhub "$@"
"""


@dataclass(frozen=True)
class Done:
    code: int
    output: str


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., Done]:
    """Return a function that runs a block as a runner does, with the stubs first in the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"python": PYTHON, "pip": "#!/bin/sh\n", "mockhub": MOCKHUB}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def run(script: str, variables: Mapping[str, str], program: str = "bash") -> Done:
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            **variables,
        }
        options = ["-eo", "pipefail"] if program == "bash" else ["-e"]
        done = subprocess.run(
            [program, *options, "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    return run


def step(shell: Callable[..., Done], name: str, **inputs: str) -> Done:
    """Run a step of the action, with its inputs in place of the expressions of its `env`."""
    values = {key: str(one.get("default", "")) for key, one in ACTION["inputs"].items()} | inputs
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: values[match[1]], expression)
        for key, expression in STEPS[name].get("env", {}).items()
    }
    return shell(STEPS[name]["run"], variables)


@pytest.fixture
def profile(tmp_path: Path, serve: Serve) -> Any:
    """Write the profile of a running mock, with a key that pays for everything."""
    with serve("--scenario", "endless") as server:
        (key,) = server.keys.values()
        (tmp_path / "target.yaml").write_text(f"base_url: {server.url}\nkeys: {{valid: {key}}}\n")
        yield server


def test_every_expression_is_in_an_environment_variable() -> None:
    """An input inside a script would be run as shell."""
    assert [name for name, one in STEPS.items() if "${{" in one["run"]] == []
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text("utf-8")))
    assert used == set(ACTION["inputs"])


def test_artifact_has_the_name_of_the_input() -> None:
    """A run cannot have two artifacts of one name."""
    upload = next(one for one in ACTION["runs"]["steps"] if "upload" in one.get("uses", ""))
    assert upload["with"]["name"] == "${{ inputs.artifact }}"
    assert ACTION["inputs"]["artifact"]["default"] == "mockhub-report"


def test_install_steps_install_the_extra(shell: Callable[..., Done], tmp_path: Path) -> None:
    shell(STEPS["Install mockhub"]["run"], {"SOURCE": "/action"})
    assert (tmp_path / "pip").read_text().strip().endswith("/action[verify]")
    (script,) = JOB["before_script"]
    shell(script, {"MOCKHUB_SOURCE": "./mockhub"}, "sh")
    assert (tmp_path / "pip").read_text().strip().endswith("./mockhub[verify]")


SOME_CHECKS = "--no-fuzz -k AUTH-7"


def test_action_verifies_a_server(shell: Callable[..., Done], profile: Any, tmp_path: Path) -> None:
    """It writes the reports, the output and the step summary."""
    done = step(shell, "Verify", target="target.yaml", budget="60", arguments=SOME_CHECKS)
    code = int((tmp_path / "output").read_text().removeprefix("exit-code="))
    assert (done.code, code) == (0, 0), done.output
    assert {file.suffix for file in (tmp_path / "mockhub-report").iterdir()} == {
        ".json",
        ".html",
        ".xml",
    }
    assert (tmp_path / "summary").read_text()
    again = step(
        shell,
        "Verify",
        target="target.yaml",
        baseline="mockhub-report/verify.json",
        wait="30",
        arguments=SOME_CHECKS,
    )
    assert again.code == 0, again.output


def test_action_passes_baseline_and_wait(shell: Callable[..., Done], profile: Any) -> None:
    """A value that the command rejects ends the run."""
    for name, value in (("baseline", "none.json"), ("wait", "-1")):
        done = step(shell, "Verify", target="target.yaml", **{name: value})
        assert (done.code, f"--{name}" in done.output or value in done.output) == (2, True)


def test_action_annotates_the_findings() -> None:
    assert "arguments=(--github " in STEPS["Verify"]["run"]


def test_action_says_why_a_run_was_not_possible(shell: Callable[..., Done]) -> None:
    done = step(shell, "Verify", target="none.yaml")
    assert done.code == 2
    assert "::error::mockhub verify: the run was not possible" in done.output


def test_action_starts_and_stops_a_server(
    shell: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until the address of the profile responds, which may be from the environment."""
    port = free_port()
    key = "gih_live_" + 32 * "x"
    (tmp_path / "target.yaml").write_text(f"base_url: ${{MY_URL}}\nkeys: {{valid: {key}}}\n")
    inputs = {
        "target": "target.yaml",
        "command": f"sleep 2; exec mockhub serve --port {port}",
        "arguments": SOME_CHECKS,
    }
    monkeypatch.setenv("MY_URL", f"http://127.0.0.1:{port}")
    started = step(shell, "Start the server", **inputs)
    pid = int((tmp_path / "server.pid").read_text())
    assert started.code == 0, started.output
    assert os.getpgid(pid) == pid
    verified = step(shell, "Verify", **inputs)
    assert step(shell, "Stop the server").code == 0
    assert verified.code == 0, verified.output


def test_action_shows_the_log_of_a_server_that_does_not_start(
    shell: Callable[..., Done], tmp_path: Path
) -> None:
    done = step(shell, "Start the server", target="target.yaml", command="echo no; exit 1")
    assert done.code == 2
    assert "::error::the server did not start" in done.output
    assert "\nno\n" in done.output

    url = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "target.yaml").write_text(f"base_url: {url}\nkeys: {{valid: gih_live_x}}\n")
    inputs = {"target": "target.yaml", "command": "echo ended", "timeout": "1"}
    assert step(shell, "Start the server", **inputs).code == 0
    done = step(shell, "Verify", **inputs)
    assert done.code == 2
    assert f"{url} was not ready within 1 s" in done.output
    assert "\nended\n" in done.output


def test_gitlab_job_starts_and_verifies_a_server(
    shell: Callable[..., Done], tmp_path: Path
) -> None:
    """One shell runs the lines of `script`, as GitLab's runner does."""
    port = free_port()
    key = "gih_live_" + 32 * "x"
    (tmp_path / "target.yaml").write_text(
        f"base_url: http://127.0.0.1:{port}\nkeys: {{valid: {key}}}\n"
    )
    variables = {name: str(value) for name, value in JOB["variables"].items()} | {
        "MOCKHUB_COMMAND": f"exec mockhub serve --port {port}",
        "MOCKHUB_URL": f"http://127.0.0.1:{port}",
        "MOCKHUB_ARGUMENTS": SOME_CHECKS,
    }
    stop = "kill %1 2>/dev/null || kill $!"  # at its end a runner stops what the job has started
    done = shell("\n".join([*JOB["script"], stop]), variables, "sh")
    assert done.code == 0, done.output
    assert (tmp_path / "mockhub-report" / "verify.xml").is_file()
    nothing = {
        "MOCKHUB_COMMAND": "false",
        "MOCKHUB_TIMEOUT": "0",
        "MOCKHUB_URL": f"http://127.0.0.1:{free_port()}",
    }
    failed = shell(JOB["script"][0], variables | nothing, "sh")
    assert failed.code == 1
    assert "does not accept connections" in failed.output


def test_job_for_clients_in_any_language_serves(shell: Callable[..., Done]) -> None:
    """The steps of docs/clients.md start a mock, and wait until it responds."""
    page = (ROOT / "docs" / "clients.md").read_text("utf-8")
    (job,) = re.findall(r"^```yaml\n(steps:.*?)^```", page, re.DOTALL | re.MULTILINE)
    runs = [one.get("run", "") for one in yaml.safe_load(job)["steps"]]
    script = next(one for one in runs if "mockhub serve" in one)
    port = str(free_port())
    script = script.replace("8080", port) + "\nkill $!"
    done = shell(script, {"MOCKHUB_PORT": port, "NO_PROXY": "127.0.0.1"})
    assert done.code == 0, done.output
    assert "gpt-image-2" in done.output


def test_workflow_runs_what_has_to_pass() -> None:
    """It runs `.ci/run` on every supported Python that pyproject.toml names."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    job = workflow["jobs"]["everything"]
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert job["strategy"]["matrix"]["python"] == named
    assert job["steps"][-1]["run"] == ".ci/run"
