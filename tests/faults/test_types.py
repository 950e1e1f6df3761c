"""The table of faults agrees with the functions, the documentation and the grammar."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mockhub.domain.provider import Outcome
from mockhub.faults import grammar
from mockhub.faults.types import (
    FAULTS,
    PROVIDER_FAULTS,
    RESPONSE_FAULTS,
    TRANSPORT_FAULTS,
    FaultType,
)
from mockhub.web.fault_injection import REQUEST_FUNCTIONS, RESPONSE_FUNCTIONS

DOCS = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")


def spelling(fault: FaultType) -> str:
    return f"{fault.name}={fault.argument.example}" if fault.argument else fault.name


def test_every_fault_has_its_function() -> None:
    assert RESPONSE_FUNCTIONS.keys() == RESPONSE_FAULTS
    assert REQUEST_FUNCTIONS.keys() == TRANSPORT_FAULTS - RESPONSE_FAULTS
    assert set(Outcome._fields) == PROVIDER_FAULTS


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_every_fault_is_documented(fault: FaultType) -> None:
    """Each fault is in the docstring of the grammar and has a row in docs/faults.md."""
    assert spelling(fault) in (grammar.__doc__ or "")
    value = "=[^`]+" if fault.argument else ""
    assert re.search(rf"^\| `{fault.name}{value}` \|", DOCS, re.MULTILINE)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_every_example_can_be_parsed(fault: FaultType) -> None:
    (directive,) = grammar.parse_directives(spelling(fault))
    assert directive.type == fault
    assert directive.phase == (fault.phases[0] if fault.phases else "before")
