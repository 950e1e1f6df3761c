"""docs/control.md lists every route of the control plane, and its commands run as printed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mockhub.control import OPENAPI_FILE
from mockhub.spec.document import load_document
from mockhub.spec.operations import compile_operations
from tests.support.live_server import serve_hub

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "control.md").read_text("utf-8")
ROUTES = [
    f"{operation.method} {operation.path}"
    for operation in compile_operations(load_document(OPENAPI_FILE))
]
PRINTED = "http://127.0.0.1:8080"
# A wrong command gets a 4xx, which curl alone counts as success.
LOUD = 'set -eu\ncurl() { command curl -sS --fail-with-body "$@"; }\n'


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_documented(route: str) -> None:
    """Each route of control.yaml is in the table."""
    assert f"| `{route}` |" in PAGE


def test_every_listed_route_exists() -> None:
    """The table has no route that control.yaml has not."""
    assert set(ROUTES) == set(re.findall(r"^\| `([A-Z]+ /_mockhub[^`]*)` \|", PAGE, re.MULTILINE))


def test_commands_run_as_printed() -> None:
    """Every sh block runs, in order, against a fresh server."""
    script = LOUD + "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    assert PRINTED in script
    with serve_hub(control=True) as hub:
        script = script.replace(PRINTED, hub.url)
        completed = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=60
        )
    assert (completed.returncode, completed.stderr) == (0, ""), completed.stdout
