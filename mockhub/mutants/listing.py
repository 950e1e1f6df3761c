"""List the mutants and variants as text for a terminal or as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click

from mockhub.exceptions import MockhubError
from mockhub.mutants.catalog import mutants, variants
from mockhub.mutants.registry import Mutant, Variant
from mockhub.verify.clauses import clauses

_MAX_NAME_WIDTH = 40


def format_list(words: Sequence[str], *, conforming: bool = False, markdown: bool = False) -> str:
    """List the mutants, or the conforming variants, that have all *words* in their description.

    Raises:
        MockhubError: if there are none.
    """
    candidates: Iterable[Mutant | Variant] = variants().values() if conforming else _by_clause()
    found = [one for one in candidates if _matches(one, words)]
    if not found:
        kind = "variant" if conforming else "mutant"
        raise MockhubError(f"no {kind} has {' and '.join(map(repr, words))} in its description")
    return "\n".join(_table(found) if markdown else _lines(found))


def _by_clause() -> list[Mutant]:
    order = list(clauses())
    return sorted(mutants().values(), key=lambda one: order.index(one.clause))


def _matches(one: Mutant | Variant, words: Sequence[str]) -> bool:
    text = " ".join((one.name, _clause(one), one.level, one.description)).lower()
    return all(word.lower() in text for word in words)


def _clause(one: Mutant | Variant) -> str:
    return one.clause if isinstance(one, Mutant) else ""


def _lines(found: Sequence[Mutant | Variant]) -> Iterator[str]:
    width = min(_MAX_NAME_WIDTH, max(len(one.name) for one in found))
    last = None
    for one in found:
        if (clause := _clause(one)) != last:
            yield click.style(f"{clause}  ({one.level})" if clause else one.level, bold=True)
            last = clause
        yield f"  {one.name:<{width}}  {one.description}"


def _table(found: Sequence[Mutant | Variant]) -> Iterator[str]:
    """Yield a row for each clause with the names of its mutants, or a row for each variant."""
    found_mutants = [one for one in found if isinstance(one, Mutant)]
    if not found_mutants:
        yield "| variant | what it does differently |"
        yield "| --- | --- |"
        yield from (f"| `{one.name}` | {one.description} |" for one in found)
        return
    yield "| clause | level | mutants |"
    yield "| --- | --- | --- |"
    for clause, group in groupby(found_mutants, key=lambda one: one.clause):
        names = ", ".join(f"`{one.name}`" for one in group)
        yield f"| {clause} | {clauses()[clause].level} | {names} |"
