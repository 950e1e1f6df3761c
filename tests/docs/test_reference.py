"""`make docs` builds the reference of the Python API, without a broken link."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_reference_is_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(ROOT / ".ci" / "build-docs"))["main"]
    assert main(tmp_path) == 0, capsys.readouterr().out
    text = (tmp_path / "mockhub.html").read_text("utf-8")
    for name in ("Hub.assert_generated", "Hub.reset", "running", "ASGI.hub"):
        assert f'id="{name}"' in text
