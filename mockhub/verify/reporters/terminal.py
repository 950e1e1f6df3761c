"""What a person sees: progress while it runs, and the findings at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from mockhub.verify.check import Check
from mockhub.verify.outcomes import FAILED, INCONCLUSIVE, PASSED, SKIPPED
from mockhub.verify.reporters.html import outcome_label, summary_line
from mockhub.verify.reporters.report import CheckResult, ClauseResult, Report
from mockhub.verify.runner import ProgressCallback

_LOG_WIDTH = 120
_OUTCOME_STYLES = {PASSED: "green", FAILED: "bold red", INCONCLUSIVE: "yellow", SKIPPED: "dim"}


@contextmanager
def progress(total: int) -> Iterator[ProgressCallback]:
    """Tell each check as it is done: a bar on a terminal, a line a check elsewhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:

        def print_line(check: Check, result: CheckResult) -> None:
            text = f"{outcome_label(result.outcome):<12} {', '.join(check.clauses):<18} {check.description}"  # noqa: E501
            console.print(Text(text), soft_wrap=True)

        yield print_line
        return
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(check: Check, result: CheckResult) -> None:
            bar.update(task, advance=1, description=check.name[:34])
            if result.outcome == FAILED:
                message = f"{', '.join(check.clauses)}: {result.message}"
                bar.console.print(Text.assemble(("failed ", _OUTCOME_STYLES[FAILED]), message))

        yield advance


def print_report(report: Report) -> None:
    """Print the table by clause, the evidence of what is broken, and the outcome."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    console.print(_table(report))
    for clause in report.with_outcome(INCONCLUSIVE):
        console.print(
            Text.assemble((clause.id, _OUTCOME_STYLES[INCONCLUSIVE]), f" {clause.reason}")
        )
    for clause in report.with_outcome(FAILED):
        _print_failure(clause, console)
    console.print()
    console.print(Text(summary_line(report)), soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, wraps in (("clause", False), ("outcome", False), ("", True)):
        table.add_column(name, no_wrap=not wraps)
    for clause in report.worst_first():
        if clause.is_selected:
            outcome = Text(outcome_label(clause.outcome), style=_OUTCOME_STYLES[clause.outcome])
            table.add_row(clause.id, outcome, Text(clause.reason or clause.statement))
    return table


def _print_failure(clause: ClauseResult, console: Console) -> None:
    console.print()
    console.print(Text.assemble((f"{clause.id} failed: ", _OUTCOME_STYLES[FAILED]), clause.reason))
    console.print(Text(f"  documentation  {clause.statement}"), soft_wrap=True)
    deciding = clause.deciding
    if deciding is None:
        return
    if deciding.expected:
        console.print(Text(f"  expected       {deciding.expected}"), soft_wrap=True)
    for exchange in deciding.evidence[:3]:
        console.print(Text(f"  sent           {exchange.curl()}"), soft_wrap=True)
        console.print(Text(f"  received       {exchange.describe()}"), soft_wrap=True)


def print_diff(changes: Iterable[str]) -> None:
    """Print what has changed since an older report."""
    console = Console(highlight=False)
    lines = list(changes)
    console.print(
        Text("\nSince the older report:" if lines else "\nNo change since the older report.")
    )
    for change in lines:
        console.print(Text(f"  {change}"), soft_wrap=True)
