"""`schemathesis run openapi.yaml` against our own mock, as the documentation shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from mockhub._resources import resource_path
from tests.support.scripted_server import mock

ROOT = resource_path("openapi.yaml").parent


def test_schemathesis_passes_with_the_shipped_configuration(tmp_path: Path) -> None:
    """All phases pass, links between operations are followed, and no state is left behind."""
    program = "from schemathesis.cli import schemathesis; schemathesis()"
    with mock() as served:
        completed = subprocess.run(
            [sys.executable, "-c", program, "run", str(ROOT / "openapi.yaml"),
             "--url", served.url, "--max-examples", "4", "--seed", "1", "--no-color"],
            env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)},
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert completed.returncode == 0, completed.stdout[-3000:] + completed.stderr[-1000:]
    links = re.search(r"API Links:\s+(\d+) covered", completed.stdout)
    assert links is not None
    assert int(links[1]) > 0
    assert "Authentication failed" not in completed.stdout
