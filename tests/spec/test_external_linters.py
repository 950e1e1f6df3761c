"""Third-party linters accept openapi.yaml and control.yaml with all their rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from mockhub._resources import resource_path
from mockhub.control import OPENAPI_FILE
from mockhub.spec.document import load_document

if TYPE_CHECKING:
    from conftest import Node

OPENAPI_YAML = resource_path("openapi.yaml")
FILES = {"openapi.yaml": OPENAPI_YAML, "control.yaml": OPENAPI_FILE}


@pytest.mark.parametrize("name", FILES)
def test_openapi_spec_validator_accepts_the_file(name: str) -> None:
    """The file is valid OpenAPI 3.1, with its schemas and defaults."""
    errors = OpenAPIV31SpecValidator(load_document(FILES[name]).root).iter_errors()
    assert [f"{'/'.join(map(str, error.path))}: {error.message}" for error in errors] == []


def redocly_problems(node: Node, spec: Path) -> list[str]:
    result = node(
        "node_modules/@redocly/cli/bin/cli.js",
        *("lint", "--extends", "recommended", "--format", "json", spec),
    )
    report: dict[str, Any] = json.loads(result.stdout)
    return [f"{problem['ruleId']}: {problem['message']}" for problem in report["problems"]]


def spectral_problems(node: Node, spec: Path) -> list[str]:
    result = node(
        "node_modules/@stoplight/spectral-cli/dist/index.js",
        *("lint", "--ruleset", "spectral.yaml", "--format", "json", "--quiet", spec),
    )
    problems: list[dict[str, Any]] = json.loads(result.stdout)
    return [f"{problem['code']}: {problem['message']} {problem['path']}" for problem in problems]


LINTERS = [redocly_problems, spectral_problems]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("linter", LINTERS)
def test_linters_report_no_problem(node: Node, linter: Any, name: str) -> None:
    """Redocly's recommended rules and Spectral's OpenAPI rules find neither errors nor warnings."""
    assert linter(node, FILES[name]) == []


@pytest.mark.parametrize("linter", LINTERS)
def test_linters_report_a_duplicate_operation_id(node: Node, linter: Any, tmp_path: Path) -> None:
    spec = tmp_path / "openapi.yaml"
    text = OPENAPI_YAML.read_text("utf-8")
    spec.write_text(text.replace("operationId: get_credits", "operationId: list_models"), "utf-8")
    assert any("operation" in problem for problem in linter(node, spec))
