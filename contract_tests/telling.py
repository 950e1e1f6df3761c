"""What a person sees: progress while it runs, and the findings at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from .checks import Check
from .formats import headline, word
from .report import CheckResult, ClauseResult, Report
from .runner import Progress as Told
from .verdicts import BROKEN, INCONCLUSIVE, NOT_ASKED, PASSED

_LOG_WIDTH = 120
_COLOURS = {PASSED: "green", BROKEN: "bold red", INCONCLUSIVE: "yellow", NOT_ASKED: "dim"}


@contextmanager
def progress(total: int) -> Iterator[Told]:
    """Tell each check as it is done: a bar on a terminal, a line a check elsewhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:

        def line(check: Check, result: CheckResult) -> None:
            told = f"{word(result.verdict):<12} {', '.join(check.clauses):<18} {check.says}"
            console.print(Text(told), soft_wrap=True)

        yield line
        return
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def step(check: Check, result: CheckResult) -> None:
            bar.update(task, advance=1, description=check.name[:34])
            if result.verdict == BROKEN:
                named = f"{', '.join(check.clauses)}: {result.message}"
                bar.console.print(Text.assemble(("broken ", _COLOURS[BROKEN]), named))

        yield step


def show(report: Report) -> None:
    """Print the table by clause, the evidence of what is broken, and the outcome."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    console.print(_table(report))
    for clause in report.of(INCONCLUSIVE):
        console.print(Text.assemble((clause.id, _COLOURS[INCONCLUSIVE]), f" {clause.why}"))
    for clause in report.of(BROKEN):
        _show_broken(clause, console)
    console.print()
    console.print(Text(headline(report)), soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, wraps in (("clause", False), ("verdict", False), ("", True)):
        table.add_column(name, no_wrap=not wraps)
    for clause in report.worst_first():
        if clause.asked:
            verdict = Text(word(clause.verdict), style=_COLOURS[clause.verdict])
            table.add_row(clause.id, verdict, Text(clause.why or clause.says))
    return table


def _show_broken(clause: ClauseResult, console: Console) -> None:
    console.print()
    console.print(Text.assemble((f"{clause.id} is broken: ", _COLOURS[BROKEN]), clause.why))
    console.print(Text(f"  the page says  {clause.says}"), soft_wrap=True)
    deciding = clause.deciding
    if deciding is None:
        return
    if deciding.expected:
        console.print(Text(f"  expected       {deciding.expected}"), soft_wrap=True)
    for exchange in deciding.evidence[:3]:
        console.print(Text(f"  sent           {exchange.curl()}"), soft_wrap=True)
        console.print(Text(f"  came           {exchange.came()}"), soft_wrap=True)


def show_drift(changes: Iterable[str]) -> None:
    """Print what has changed since an older report."""
    console = Console(highlight=False)
    found = list(changes)
    console.print(
        Text("\nSince the older report:" if found else "\nNo change since the older report.")
    )
    for change in found:
        console.print(Text(f"  {change}"), soft_wrap=True)
