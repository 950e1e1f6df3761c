"""Every statement of the documentation is held by a test that names it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from mockhub._resources import resource_path

CLAUSE = re.compile(r"\b[A-Z]{3,4}-[0-9]+\b")


def docstrings() -> Iterator[str]:
    for file in Path(__file__).parents[1].rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield ast.get_docstring(node) or ""


def test_every_clause_is_named_by_a_test() -> None:
    """Each clause of the documentation is in the docstring of at least one test."""
    areas = yaml.safe_load(resource_path("contract_tests/clauses.yaml").read_text("utf-8"))
    clauses = {id for area in areas.values() for id in area}
    named = {id for text in docstrings() for id in CLAUSE.findall(text)}
    assert len(clauses) == 87
    assert sorted(clauses - named) == []


def test_every_test_says_what_it_proves() -> None:
    """A test's docstring is a sentence."""
    assert all(text.rstrip().endswith((".", ")")) for text in docstrings() if text)
