"""Print the result of a self-test as tables and sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import HEAVY_HEAD, Box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mockhub.mutants.catalog import mutants, variants
from mockhub.mutants.self_test import MutantResult, SelfTestResult
from mockhub.verify.clauses import clauses

_LOG_WIDTH = 160  # columns of a table that no terminal shows
_LOG_EVERY = 25


@contextmanager
def progress(total: int, console: Console) -> Iterator[Callable[[MutantResult], None]]:
    """Show the progress as a bar on a terminal, elsewhere as a line now and then."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task, done = bar.add_task("Testing", total=total), 0

        def advance(result: MutantResult) -> None:
            nonlocal done
            done += 1
            bar.advance(task)
            if not console.is_terminal and (done % _LOG_EVERY == 0 or done == total):
                console.print(f"{done} of {total} tested", highlight=False)

        yield advance


def show(outcome: SelfTestResult, console: Console) -> None:
    """Print the mutants by clause, then the variants, then what failed and a summary."""
    box = HEAVY_HEAD if console.is_terminal else None
    if not console.is_terminal:
        console.width = max(console.width, _LOG_WIDTH)
    if outcome.mutants:
        console.print(_mutants(outcome.mutants, box))
    if outcome.variants:
        console.print(_variants(outcome.variants, box))
    console.print()
    for line in failure_messages(outcome):
        console.print(line, style="bold red", soft_wrap=True, highlight=False, markup=False)
    style = "bold green" if outcome.ok else "bold red"
    console.print(summary(outcome), style=style, soft_wrap=True, highlight=False)


def summary(outcome: SelfTestResult) -> str:
    """Return the result in one line."""
    killed = len(outcome.mutants) - len(outcome.survivors)
    tested_clauses = {mutants()[result.name].clause for result in outcome.mutants}
    return (
        f"{killed} of {len(outcome.mutants)} mutants of {len(tested_clauses)} clauses killed "
        f"({outcome.mutation_score:.1%}), "
        f"{len(outcome.flagged)} of {len(outcome.variants)} conforming variants flagged, "
        f"{len(outcome.ineffective_checks)} ineffective checks; {outcome.seconds:.0f} s"
    )


def failure_messages(outcome: SelfTestResult) -> Iterator[str]:
    """Yield a sentence for everything that fails the self-test."""
    for result in outcome.survivors:
        mutant, names = mutants()[result.name], ", ".join(result.inconclusive_checks)
        reason = f" ({names} inconclusive)" if names else ""
        yield f"{mutant.name} ({mutant.clause}) survived: {mutant.description}{reason}"
    for result in outcome.flagged:
        checks = ", ".join(result.checks)
        yield f"{result.name} conforms and was flagged by {checks}: {result.message}"
    for check in outcome.ineffective_checks:
        yield f"{check} killed no mutant; add one that it kills, or remove the check"


def _mutants(results: Sequence[MutantResult], box: Box | None) -> Table:
    order, last = list(clauses()), ""
    table = Table("clause", "mutant", "killed by", title="Mutants", title_justify="left", box=box)
    for result in sorted(results, key=lambda result: order.index(mutants()[result.name].clause)):
        clause = mutants()[result.name].clause
        checks = ", ".join(result.checks) or "[red]survived[/red]"
        table.add_row(clause if clause != last else "", result.name, checks)
        last = clause
    return table


def _variants(results: Sequence[MutantResult], box: Box | None) -> Table:
    table = Table("level", "variant", "flagged by", title="Variants", title_justify="left", box=box)
    for result in results:
        table.add_row(variants()[result.name].level, result.name, ", ".join(result.checks))
    return table
