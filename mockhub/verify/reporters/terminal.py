"""Terminal output: progress during a run, and the findings at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from mockhub._text import printable
from mockhub.verify.check import Check
from mockhub.verify.outcomes import Outcome
from mockhub.verify.report import CheckResult, ClauseResult, Report
from mockhub.verify.runner import ProgressCallback

_LOG_WIDTH = 120
_CONTINUATION = f"\n{'  |':<17}"  # no line of a response looks like one of ours, or of a CI system
_MAX_EXCHANGES = 3  # that are shown for a failed clause
_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.SKIPPED: "dim",
}


@contextmanager
def progress(total: int) -> Iterator[ProgressCallback]:
    """Show the progress of a run: a bar on a terminal, elsewhere one line for each check."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:

        def print_line(check: Check, result: CheckResult) -> None:
            clause_ids = ", ".join(check.clauses)
            text = f"{result.outcome:<12} {clause_ids:<18} {check.description}"
            console.print(Text(text), soft_wrap=True)

        yield print_line
        return
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(check: Check, result: CheckResult) -> None:
            bar.update(task, advance=1, description=check.name[:34])
            if result.outcome == Outcome.FAILED:
                message = f"{', '.join(check.clauses)}: {result.message}"
                line = Text.assemble(("failed ", _STYLES[Outcome.FAILED]), printable(message))
                bar.console.print(line)

        yield advance


def print_report(report: Report) -> None:
    """Print a table of the clauses, the evidence for each failure, and the summary."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    console.print(_table(report))
    for clause in report.with_outcome(Outcome.INCONCLUSIVE):
        label = (f"{clause.id} ", _STYLES[Outcome.INCONCLUSIVE])
        console.print(Text.assemble(label, _safe(report, clause.reason)))
    for clause in report.with_outcome(Outcome.FAILED):
        _print_failure(report, clause, console)
    console.print()
    console.print(Text(report.summary), soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, wraps in (("clause", False), ("outcome", False), ("", True)):
        table.add_column(name, no_wrap=not wraps)
    for clause in report.worst_first():
        if clause.is_selected:
            outcome = Text(clause.outcome, style=_STYLES[clause.outcome])
            text = _safe(report, clause.reason or clause.statement)
            table.add_row(clause.id, outcome, Text(text))
    return table


def _safe(report: Report, text: str, keep: str = "") -> str:
    return report.secrets.redact(printable(text, keep))


def _print_failure(report: Report, clause: ClauseResult, console: Console) -> None:
    console.print()
    label = (f"{clause.id} failed: ", _STYLES[Outcome.FAILED])
    console.print(Text.assemble(label, _safe(report, clause.reason)))
    lines = [("documentation", clause.statement)]
    if clause.deciding:
        lines += [("expected", clause.deciding.expected)] if clause.deciding.expected else []
        for exchange in clause.deciding.evidence[:_MAX_EXCHANGES]:
            lines += [("sent", exchange.curl()), ("received", exchange.describe())]
    lines.append(("explain", clause.explain_command))
    for name, text in lines:
        shown = _safe(report, text, keep="\n").replace("\n", _CONTINUATION)
        console.print(Text(f"  {name:<14} {shown}"), soft_wrap=True)


def print_diff(report: Report, changes: Iterable[str]) -> None:
    """Print what has changed in *report* since an older one."""
    console = Console(highlight=False)
    lines = list(changes)
    title = "Since the older report:" if lines else "No change since the older report."
    console.print(Text(f"\n{title}"))
    for change in lines:
        console.print(Text(f"  {_safe(report, change)}"), soft_wrap=True)
