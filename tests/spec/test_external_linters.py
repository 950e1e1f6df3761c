"""Tools that others wrote accept openapi.yaml and control.yaml, with no rule switched off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from mockhub._resources import resource_path
from mockhub.control.openapi import OPENAPI_FILE
from mockhub.spec.document import load_document

if TYPE_CHECKING:
    from conftest import Node

LAW = resource_path("openapi.yaml")
FILES = {"openapi.yaml": LAW, "control.yaml": OPENAPI_FILE}


@pytest.mark.parametrize("name", FILES)
def test_openapi_spec_validator_accepts_the_file(name: str) -> None:
    """The file is OpenAPI 3.1, down to its schemas and their defaults."""
    errors = OpenAPIV31SpecValidator(load_document(FILES[name]).root).iter_errors()
    assert [f"{'/'.join(map(str, error.path))}: {error.message}" for error in errors] == []


def complaints_of_redocly(node: Node, law: Path) -> list[str]:
    done = node(
        "node_modules/@redocly/cli/bin/cli.js",
        *("lint", "--extends", "recommended", "--format", "json", law),
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return [f"{problem['ruleId']}: {problem['message']}" for problem in told["problems"]]


def complaints_of_spectral(node: Node, law: Path) -> list[str]:
    done = node(
        "node_modules/@stoplight/spectral-cli/dist/index.js",
        *("lint", "--ruleset", "spectral.yaml", "--format", "json", "--quiet", law),
    )
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return [f"{problem['code']}: {problem['message']} {problem['path']}" for problem in told]


LINTERS = [complaints_of_redocly, complaints_of_spectral]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("linter", LINTERS)
def test_linters_have_nothing_to_say(node: Node, linter: Any, name: str) -> None:
    """Neither an error nor a warning: Redocly's recommended rules, and Spectral's for OpenAPI."""
    assert linter(node, FILES[name]) == []


@pytest.mark.parametrize("linter", LINTERS)
def test_linters_are_awake(node: Node, linter: Any, tmp_path: Path) -> None:
    """An operation without a summary and with an unknown tag is complained of."""
    law = tmp_path / "openapi.yaml"
    text = LAW.read_text("utf-8")
    law.write_text(text.replace("operationId: get_credits", "operationId: list_models"), "utf-8")
    assert any("operation" in complaint for complaint in linter(node, law))
