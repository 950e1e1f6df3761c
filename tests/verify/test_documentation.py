"""The workflow and the check of docs/verify.md work as they are written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mockhub._resources import resource_path
from mockhub.cli.main import main
from tests.support.scripted_server import KEYS, mock

PAGE = (resource_path("openapi.yaml").parent / "docs" / "verify.md").read_text("utf-8")
PROFILE = """
base_url: {url}
keys: {{valid: "${{MOCKHUB_KEY}}"}}
checks: my_checks.py
"""


def block(language: str, text: str) -> str:
    """Return the first code block of a language that has *text* in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return next(found for found in blocks if text in found)


def test_workflow_and_check_work_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of the workflow writes its reports, and the check of the page runs."""
    workflow = yaml.safe_load(block("yaml", "runs-on"))
    runs = [step.get("run", "") for step in workflow["jobs"]["verify"]["steps"]]
    [command] = [run for run in runs if run.startswith("mockhub verify")]
    (tmp_path / "my_checks.py").write_text(block("python", "@check"))
    monkeypatch.chdir(tmp_path)
    with mock() as served:
        Path("target.yaml").write_text(PROFILE.format(url=served.url))
        arguments = [*shlex.split(command)[1:], "-k", "credits_are_never_negative or MOD-7"]
        result = CliRunner().invoke(main, arguments, env={"MOCKHUB_KEY": KEYS["valid"]})
    assert result.exit_code == 0, result.output
    assert "passed       END-2              Return a balance of 0 or more" in result.output
    assert {"verify.html", "verify.xml", "verify.sarif"} <= {
        file.name for file in tmp_path.iterdir()
    }
