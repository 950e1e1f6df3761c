"""docs/faults.md is true: its commands run as printed, and it names every word there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from mockhub.domain.clock import SystemClock
from mockhub.faults.grammar import MODIFIERS, parse_directives
from mockhub.faults.types import PROVIDER_FAULTS, TRANSPORT_FAULTS, Phase
from mockhub.spec.operations import OperationId
from tests.support.live_server import LiveHub
from tests.support.tools import needs_curl

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ADDRESS = "http://127.0.0.1:8080"


def blocks(kind: str) -> list[str]:
    return [text for block_kind, text in BLOCK.findall(PAGE) if block_kind == kind]


@needs_curl
def test_its_commands_run_as_printed(hub_server: LiveHub) -> None:
    """The commands of the page, run in a shell, print the output of the page."""
    (setup,) = blocks("sh")
    with hub_server.new_hub(clock=SystemClock()) as hub:
        for session in blocks("console"):
            commands = [line[2:] for line in session.splitlines() if line.startswith("$ ")]
            script = "\n".join([setup.replace(ADDRESS, hub.url), *(f"{c}; nl" for c in commands)])
            # A prompt would begin a new line after a response that does not end in one.
            nl = "nl() { echo; }\n"
            completed = subprocess.run(["bash", "-c", nl + script], capture_output=True, text=True)
            printed = [line for line in session.splitlines() if not line.startswith("$ ")]
            assert printed == [line for line in completed.stdout.splitlines() if line]


def test_its_examples_are_read() -> None:
    """Each directive that the page begins with is one."""
    for line in blocks("text")[0].splitlines():
        assert parse_directives(re.split(r"  +", line)[0])


@pytest.mark.parametrize("word", sorted(PROVIDER_FAULTS | TRANSPORT_FAULTS))
def test_every_word_has_its_row(word: str) -> None:
    """Each word is at the beginning of a row of a table."""
    assert re.search(rf"^\| `{word}(=[^`]+)?` \|", PAGE, re.MULTILINE)


def test_every_modifier_is_named() -> None:
    """Each modifier, phase and operation is named."""
    for name in MODIFIERS:
        assert re.search(rf"^\| `{name}=[^`]+` \|", PAGE, re.MULTILINE)
    assert re.search(r"^\| `x[0-9]+` \|", PAGE, re.MULTILINE)
    for name in (*(f"@{phase}" for phase in get_args(Phase)), *OperationId):
        assert f"`{name}`" in PAGE
