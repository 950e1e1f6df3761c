"""`mockhub explain`: one clause through spec, code, checks, mutants and tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mockhub.cli.explain import explain_clause
from mockhub.cli.main import main
from mockhub.verify.clauses import clauses

ROOT = Path(__file__).resolve().parents[2]


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


def explain_json(*arguments: str) -> Any:
    return json.loads(explain(*arguments, "--format", "json").stdout)


def test_explanation_names_every_kind_of_place() -> None:
    """LED-2 leads to its statement, its code, its checks, its mutants and its tests."""
    led_2 = explain_json("led-2")
    assert led_2["level"] == "documented"
    assert "refunded" in led_2["statement"]
    assert [
        kind for kind in ("spec", "code", "checks", "mutants", "tests") if not led_2[kind]
    ] == []
    assert "mockhub/domain/generations.py" in {place["path"] for place in led_2["code"]}
    assert "contract_tests/checks/refunds.py" in {place["path"] for place in led_2["checks"]}
    assert "mockhub/mutants/defects/refunds.py" in {place["path"] for place in led_2["mutants"]}


@pytest.mark.parametrize("kind", ["spec", "code", "checks", "mutants", "tests"])
def test_lines_name_the_clause_or_the_definition(kind: str) -> None:
    """Each line number is that of the clause or the definition."""
    for place in explain_clause(clauses()["GEN-8"])[kind]:
        lines = (ROOT / place.path).read_text("utf-8").splitlines()
        around = "\n".join(lines[place.line - 1 : place.line + 12])
        name = place.name.rpartition(".")[2]
        assert any(text in around for text in ("GEN-8", name, name.replace("-", "_"))), place


@pytest.mark.parametrize("clause_id", clauses())
def test_every_clause_has_code_a_check_and_a_test(clause_id: str) -> None:
    """No clause is without a function that names it, nor without a check or a test."""
    explanation = explain_clause(clauses()[clause_id])
    assert explanation["code"]
    assert explanation["checks"]
    assert explanation["tests"]


def test_text_has_a_line_for_each_place() -> None:
    """A place is printed as path:line, which editors open."""
    output = explain("LED-2").stdout
    assert output.startswith("LED-2 (documented)\n")
    for title in ("In the API spec", "Implemented by", "Checked by", "Broken on purpose by"):
        assert f"\n{title}\n" in output
    assert "\n  contract_tests/checks/refunds.py:" in output


def test_list_has_every_clause() -> None:
    """Without an argument all clauses are listed, with a group those of the group."""
    assert [line.split()[0] for line in explain().stdout.splitlines()] == list(clauses())
    assert [clause["id"] for clause in explain_json("lim")] == ["LIM-1", "LIM-2"]


def test_unknown_clause_is_an_error() -> None:
    """The error shows the value and the closest known id; the exit code is 2."""
    result = explain("LED-22")
    assert result.exit_code == 2
    assert result.output.startswith("mockhub: unknown clause 'LED-22'; did you mean 'LED-2'?")
