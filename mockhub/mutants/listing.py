"""The mutants and variants as text, for a terminal or for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click

from mockhub.mutants.registry import Mutant, Variant, levels, mutants, variants
from mockhub.spec.errors import MockhubError

_MOST_OF_A_NAME = 40


def listed(words: Sequence[str], *, conforming: bool = False, markdown: bool = False) -> str:
    """The mutants, or the conforming variants, that have all of *words* in what is told of them.

    Raises:
        MockhubError: if there are none.
    """
    every: Iterable[Mutant | Variant] = variants().values() if conforming else _by_clause()
    found = [one for one in every if _has(one, words)]
    if not found:
        what = "variant" if conforming else "mutant"
        raise MockhubError(f"no {what} has {' and '.join(map(repr, words))} in its description")
    return "\n".join(_table(found) if markdown else _lines(found))


def _by_clause() -> list[Mutant]:
    order = list(levels())
    return sorted(mutants().values(), key=lambda one: order.index(one.clause))


def _has(one: Mutant | Variant, words: Sequence[str]) -> bool:
    told = " ".join((one.name, _clause(one), one.level, one.says)).lower()
    return all(word.lower() in told for word in words)


def _clause(one: Mutant | Variant) -> str:
    return one.clause if isinstance(one, Mutant) else ""


def _lines(found: Sequence[Mutant | Variant]) -> Iterator[str]:
    width = min(_MOST_OF_A_NAME, max(len(one.name) for one in found))
    last = None
    for one in found:
        if (clause := _clause(one)) != last:
            yield click.style(f"{clause}  ({one.level})" if clause else one.level, bold=True)
            last = clause
        yield f"  {one.name:<{width}}  {one.says}"


def _table(found: Sequence[Mutant | Variant]) -> Iterator[str]:
    """A row a clause with the names of its mutants, or a row a variant."""
    wrong = [one for one in found if isinstance(one, Mutant)]
    if not wrong:
        yield "| variant | what it does otherwise |"
        yield "| --- | --- |"
        yield from (f"| `{one.name}` | {one.says} |" for one in found)
        return
    yield "| clause | level | mutants |"
    yield "| --- | --- | --- |"
    for clause, group in groupby(wrong, key=lambda one: one.clause):
        names = ", ".join(f"`{one.name}`" for one in group)
        yield f"| {clause} | {levels()[clause]} | {names} |"
