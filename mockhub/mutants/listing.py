"""List the mutants and variants as text for a terminal or as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    candidates = variants().values() if conforming else _by_clause()
    found = [candidate for candidate in candidates if _matches(candidate, words)]
    if not found:
        kind = "variant" if conforming else "mutant"
        raise MockhubError(f"no {kind} has {' and '.join(map(repr, words))} in its description")
    return "\n".join(_table(found) if markdown else _lines(found))


def _by_clause() -> list[Mutant]:
    order = list(clauses())
    return sorted(mutants().values(), key=lambda mutant: order.index(mutant.clause))


def _matches(entry: Mutant | Variant, words: Sequence[str]) -> bool:
    text = " ".join((entry.name, _clause(entry), entry.level, entry.description)).lower()
    return all(word.lower() in text for word in words)


def _clause(entry: Mutant | Variant) -> str:
    return entry.clause if isinstance(entry, Mutant) else ""


def _lines(entries: Sequence[Mutant | Variant]) -> Iterator[str]:
    width = min(_MAX_NAME_WIDTH, max(len(entry.name) for entry in entries))
    for clause, group in groupby(entries, key=_clause):
        for at, entry in enumerate(group):
            if at == 0:
                yield click.style(
                    f"{clause}  ({entry.level})" if clause else entry.level, bold=True
                )
            yield f"  {entry.name:<{width}}  {entry.description}"


def _table(entries: Sequence[Mutant | Variant]) -> Iterator[str]:
    """Yield a row for each clause with the names of its mutants, or a row for each variant."""
    if not any(map(_clause, entries)):
        yield from ("| variant | what it does differently |", "| --- | --- |")
        yield from (f"| `{entry.name}` | {entry.description} |" for entry in entries)
        return
    yield from ("| clause | level | mutants |", "| --- | --- | --- |")
    for clause, group in groupby(entries, key=_clause):
        names = ", ".join(f"`{mutant.name}`" for mutant in group)
        yield f"| {clause} | {clauses()[clause].level} | {names} |"
