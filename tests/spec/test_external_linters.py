"""Third-party linters accept openapi.yaml and control.yaml with all their rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
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


def json_documents(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    while text := text.strip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


def redocly_problems(node: Node, *specs: Path) -> list[tuple[str, str]]:
    result = node(
        "node_modules/@redocly/cli/bin/cli.js",
        *("lint", "--extends", "recommended", "--format", "json", *specs),
    )
    return [
        (location["source"]["ref"], f"{problem['ruleId']}: {problem['message']}")
        for report in json_documents(result.stdout)
        for problem in report["problems"]
        for location in problem["location"]
    ]


def spectral_problems(node: Node, *specs: Path) -> list[tuple[str, str]]:
    result = node(
        "node_modules/@stoplight/spectral-cli/dist/index.js",
        *("lint", "--ruleset", "spectral.yaml", "--format", "json", "--quiet", *specs),
    )
    problems: list[dict[str, Any]] = json.loads(result.stdout)
    return [(one["source"], f"{one['code']}: {one['message']} {one['path']}") for one in problems]


@pytest.mark.parametrize("linter", [redocly_problems, spectral_problems])
def test_linters_report_no_problem(node: Node, linter: Any, tmp_path: Path) -> None:
    """Redocly's recommended rules and Spectral's OpenAPI rules find neither errors nor warnings.

    They do find a duplicate operation id in a third file, so they have run.
    """
    wrong = tmp_path / "wrong.yaml"
    text = OPENAPI_YAML.read_text("utf-8")
    wrong.write_text(text.replace("operationId: get_credits", "operationId: list_models"), "utf-8")
    problems = linter(node, *FILES.values(), wrong)
    assert [problem for file, problem in problems if not file.endswith(wrong.name)] == []
    assert any("operation" in problem for file, problem in problems if file.endswith(wrong.name))
