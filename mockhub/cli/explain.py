"""`mockhub explain`: follow one clause through the spec, code, checks, mutants and tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import yaml

from mockhub._resources import resource_path
from mockhub._text import suggest, to_printable_json
from mockhub.exceptions import MockhubError
from mockhub.spec.config_file import compose_yaml, format_pointer
from mockhub.verify.clauses import Clause, clauses

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_PACKAGE = Path(__file__).resolve().parents[1]
_NOT_THE_SERVICE = ("cli", "mutants", "proxy", "recording", "verify")  # they check the rules
_MAX_NUMBER = 99  # of a clause


class Reference(NamedTuple):
    """A place that names a clause.

    Attributes:
        path: the file, relative to the checkout or to the installed package.
        line: counted from 1.
        name: a JSON pointer, a function, a check, a mutant or a test.
        description: what it does, where the name does not say it.
    """

    path: str
    line: int
    name: str
    description: str = ""


def _complete_clause(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(clause.id, help=clause.statement)
        for clause in clauses().values()
        if clause.id.startswith(incomplete.upper())
    ]


@click.command()
@click.argument("clause", required=False, shell_complete=_complete_clause)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Print text for people or JSON for programs.",
)
def explain(clause: str | None, output_format: str) -> None:
    """Explain a CLAUSE of the documentation, such as LED-2, or list all clauses.

    Shows the statement, its level, its places in openapi.yaml, the code that implements it, the
    checks of `mockhub verify`, the mutants that break it on purpose, and the tests that name it.
    A group, such as LED, lists its clauses.
    """
    listed = _select(clause)
    if clause is None or len(listed) != 1 or listed[0].id != clause.upper():
        _print_list(listed, output_format)
        return
    references = explain_clause(listed[0])
    if output_format == "json":
        places = {name: [one._asdict() for one in found] for name, found in references.items()}
        click.echo(to_printable_json({**listed[0]._asdict(), **places}))
    else:
        click.echo("\n".join(_text(listed[0], references)))


def _select(text: str | None) -> list[Clause]:
    """Return the clauses that an id, a group or nothing selects, in the documentation's order."""
    known = clauses()
    if text is None:
        return list(known.values())
    if text.upper() in known:
        return [known[text.upper()]]
    group = [clause for clause in known.values() if clause.id.startswith(f"{text.upper()}-")]
    if not group:
        raise MockhubError(
            f"unknown clause {text!r}{suggest(text.upper(), known)}; `mockhub explain` lists them"
        )
    return group


def _print_list(listed: list[Clause], output_format: str) -> None:
    if output_format == "json":
        click.echo(to_printable_json([clause._asdict() for clause in listed]))
        return
    for clause in listed:
        click.echo(
            f"{click.style(f'{clause.id:<8}', bold=True)}{clause.level:<12}{clause.statement}"
        )


def explain_clause(clause: Clause) -> dict[str, list[Reference]]:
    """Collect every place that names *clause*, by the names of `_SECTIONS`."""
    pattern = _clause_pattern(clause.id)
    return {
        "spec": list(_spec_places(clause.id)),
        "code": list(_code_places(pattern)),
        "checks": list(_checks(clause.id)),
        "mutants": list(_mutants(clause.id)),
        "tests": list(_tests(pattern)),
    }


def _clause_pattern(clause_id: str) -> re.Pattern[str]:
    """Return a pattern of the id and of ranges that include it, such as `ERR-2 to ERR-6`."""
    group, _, number = clause_id.partition("-")
    first = "|".join(map(str, range(1, int(number) + 1)))
    last = "|".join(map(str, range(int(number), _MAX_NUMBER + 1)))
    # It begins with the group, which makes the search quick.
    return re.compile(rf"{group}(?<!\w{group})-(?:{number}|(?:{first}) to {group}-(?:{last}))\b")


def _relative(path: Path) -> str:
    root = _PACKAGE.parent
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _spec_places(clause_id: str) -> Iterator[Reference]:
    """Yield the places of openapi.yaml whose `x-clauses` names the clause."""
    path = resource_path("openapi.yaml")
    for pointer, line in _find_clause(_compose(path), clause_id, ()):
        yield Reference(_relative(path), line, format_pointer(pointer))


def _find_clause(
    node: yaml.Node | None, clause_id: str, pointer: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _find_clause(item, clause_id, (*pointer, str(index)))
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value == "x-clauses" and clause_id in [item.value for item in value.value]:
            yield pointer, node.start_mark.line + 1
        yield from _find_clause(value, clause_id, (*pointer, key.value))


def _code_places(pattern: re.Pattern[str]) -> Iterator[Reference]:
    """Yield the functions and classes of the simulated service that name the clause."""
    for path in _files(_PACKAGE, "*.py"):
        area = path.relative_to(_PACKAGE).parts[0]
        if area not in (*_NOT_THE_SERVICE, "contract_tests"):
            yield from _definitions(path, pattern)


def _definitions(path: Path, pattern: re.Pattern[str]) -> Iterator[Reference]:
    """Yield the innermost definitions of a module in which, or in whose decorators, it occurs."""
    text = _read(path)
    if not pattern.search(text):
        return
    definitions = _all_definitions(path)
    seen = set()
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.search(line):
            around = [one for one in definitions if number in one[1]]
            name, _, start = min(around, key=lambda one: len(one[1]), default=("", (), number))
            if name not in seen:
                seen.add(name)
                yield Reference(_relative(path), start, name or path.stem)


_compose = cache(compose_yaml)


@cache
def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.rglob(pattern))


@cache
def _read(path: Path) -> str:
    return path.read_text("utf-8")


@cache
def _all_definitions(path: Path) -> list[tuple[str, Sequence[int], int]]:
    return list(_named_nodes(ast.parse(_read(path)), ""))


def _named_nodes(node: ast.AST, prefix: str) -> Iterator[tuple[str, Sequence[int], int]]:
    """Yield name, lines with those of the decorators, and first line of each definition."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{child.name}"
            first = min(one.lineno for one in (child, *child.decorator_list))
            yield name, range(first, (child.end_lineno or child.lineno) + 1), child.lineno
            yield from _named_nodes(child, f"{name}.")


def _checks(clause_id: str) -> Iterator[Reference]:
    from mockhub.verify.check import all_checks

    for check in all_checks():
        if clause_id in check.clauses:
            code = check.run.__code__
            path = _relative(Path(code.co_filename))
            yield Reference(path, code.co_firstlineno, check.name, check.description)


def _mutants(clause_id: str) -> Iterator[Reference]:
    from mockhub.mutants.catalog import mutants

    sources = {
        path: _read(path).splitlines() for path in _files(_PACKAGE / "mutants" / "defects", "*.py")
    }
    for mutant in mutants().values():
        if mutant.clause == clause_id:
            path, line = _find_mutant(mutant.name, clause_id, sources)
            yield Reference(_relative(path), line, mutant.name, mutant.description)


def _find_mutant(name: str, clause_id: str, sources: Mapping[Path, list[str]]) -> tuple[Path, int]:
    """Return where a mutant is defined: its name, else the first place that names its clause."""
    identifier = name.replace("-", "_")
    for text in (f'"{name}"', f"def {identifier}(", f" {identifier}=Row(", f'"{clause_id}"'):
        for path, lines in sources.items():
            for number, line in enumerate(lines, 1):
                if text in line:
                    return path, number
    raise AssertionError(f"no module of defects names {name} or {clause_id}")


def _tests(pattern: re.Pattern[str]) -> Iterator[Reference]:
    """Yield the tests that name the clause; only a checkout has them."""
    for path in _files(_PACKAGE.parent / "tests", "test_*.py"):
        yield from _definitions(path, pattern)


_SECTIONS = {
    "spec": "In the API spec",
    "code": "Implemented by",
    "checks": "Checked by",
    "mutants": "Broken on purpose by",
    "tests": "Tested by",
}


def _text(clause: Clause, references: Mapping[str, list[Reference]]) -> Iterator[str]:
    yield click.style(f"{clause.id} ({clause.level})", bold=True)
    yield f"  {clause.statement}"
    for name, found in references.items():
        yield ""
        yield click.style(_SECTIONS[name], bold=True)
        if not found:
            yield "  nothing"
        for one in found:
            yield f"  {one.path}:{one.line}  {one.name}"
            if one.description:
                yield f"      {one.description}"
