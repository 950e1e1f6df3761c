"""The checks and the mutants of a clause are in modules of the same name."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

import mockhub
from mockhub._resources import resource_path
from mockhub.mutants.catalog import mutants
from mockhub.verify.check import all_checks
from mockhub.verify.clauses import clauses

CHECKS = resource_path("contract_tests") / "checks"
DEFECTS = Path(mockhub.__file__).parent / "mutants" / "defects"
REGISTERED_CLAUSE = re.compile(r'(?:mutant|_table)\(\s*"([A-Z]+-\d+)"')


def module_names(folder: Path) -> set[str]:
    return {file.stem for file in folder.glob("*.py")} - {"__init__"}


def mutant_modules() -> dict[str, set[str]]:
    """Return the modules whose source registers mutants of each clause."""
    modules: dict[str, set[str]] = defaultdict(set)
    for file in DEFECTS.glob("*.py"):
        for clause in REGISTERED_CLAUSE.findall(file.read_text("utf-8")):
            modules[clause].add(file.stem)
    return modules


def check_modules() -> dict[str, set[str]]:
    """Return the modules of the checks of each clause."""
    modules: dict[str, set[str]] = defaultdict(set)
    for check in all_checks():
        for clause in check.clauses:
            modules[clause].add(check.run.__module__.rpartition(".")[2])
    return modules


def test_checks_and_mutants_have_the_same_modules() -> None:
    """`contract_tests/checks` and `mockhub/mutants/defects` have the same file names."""
    assert module_names(CHECKS) == module_names(DEFECTS)


def test_mutants_of_a_clause_are_in_one_module() -> None:
    """Each clause with a mutant has its mutants in one module."""
    modules = mutant_modules()
    assert set(modules) == {mutant.clause for mutant in mutants().values()}
    assert {clause: names for clause, names in modules.items() if len(names) > 1} == {}


@pytest.mark.parametrize("clause", clauses())
def test_clause_has_check_in_the_module_of_its_mutants(clause: str) -> None:
    """A clause has a check in the module that has its mutants."""
    assert mutant_modules()[clause] <= check_modules()[clause]
