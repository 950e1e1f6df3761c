"""Terminal output: progress during a run, and the findings at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from mockhub._text import plural, printable
from mockhub.verify.check import Check
from mockhub.verify.findings import Finding
from mockhub.verify.outcomes import Outcome
from mockhub.verify.report import Report
from mockhub.verify.results import CheckResult
from mockhub.verify.run import ProgressCallback

_LOG_WIDTH = 120
_CONTINUATION = f"\n{'  |':<17}"  # no line of a response looks like one of ours, or of a CI system
_MAX_EXCHANGES = 3  # that are shown for a finding
_MAX_COMMAND = 3000  # characters of a curl command that are shown
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
                message = f"{result.failed_clause}: {result.message}"
                line = Text.assemble(("failed ", _STYLES[Outcome.FAILED]), printable(message))
                bar.console.print(line)

        yield advance


def print_report(report: Report, *, verbose: bool = False) -> None:
    """Print the findings, what is inconclusive, the other clauses and the summary.

    Args:
        verbose: Whether to list the clauses that passed or were skipped, instead of their number.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    for finding in report.findings:
        _print_finding(report, finding, console)
    _print_list(
        report,
        "accepted or in the baseline",
        [
            (", ".join(finding.clause_ids), f"{finding.result.message} ({reason})")
            for finding in report.known_findings
            if (reason := report.acceptance_of(finding))
        ],
        console,
    )
    _print_list(report, "inconclusive", _inconclusive(report), console)
    if verbose:
        console.print(_table(report))
    else:
        _print_counts(report, console)
    for note in report.notes:
        console.print(Text(_safe(report, note)), soft_wrap=True)
    console.print(Text(report.summary), soft_wrap=True)


def _inconclusive(report: Report) -> list[tuple[str, str]]:
    """Return why clauses, and checks of failed clauses, are inconclusive, with the clauses."""
    clauses_by_reason: dict[str, list[str]] = {}
    for clause in report.with_outcome(Outcome.INCONCLUSIVE):
        clauses_by_reason.setdefault(clause.reason, []).append(clause.id)
    for clause in report.with_outcome(Outcome.FAILED):
        for check in clause.checks:
            if check.outcome == Outcome.INCONCLUSIVE and not report.is_known_check(check):
                clauses_by_reason.setdefault(check.message, []).append(clause.id)
    return [(", ".join(dict.fromkeys(ids)), reason) for reason, ids in clauses_by_reason.items()]


def _print_list(report: Report, title: str, lines: list[tuple[str, str]], console: Console) -> None:
    for index, (label, text) in enumerate(lines):
        if not index:
            console.print(Text(f"{title}:", style=_STYLES[Outcome.INCONCLUSIVE]))
        console.print(Text(f"  {label}: {_safe(report, text)}"), soft_wrap=True)
    if lines:
        console.print()


def _print_counts(report: Report, console: Console) -> None:
    counts = [
        f"{len(clauses)} {outcome}"
        for outcome in (Outcome.PASSED, Outcome.SKIPPED)
        if (clauses := report.with_outcome(outcome))
    ]
    if counts:
        console.print(Text(f"{', '.join(counts)} (-v lists them)"))


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, wraps in (("clause", False), ("outcome", False), ("level", False), ("", True)):
        table.add_column(name, no_wrap=not wraps)
    for clause in report.worst_first():
        if clause.is_selected:
            outcome = Text(clause.outcome, style=_STYLES[clause.outcome])
            text = _safe(report, clause.reason or clause.statement)
            table.add_row(clause.id, outcome, clause.level, Text(text))
    return table


def _safe(report: Report, text: str, keep: str = "") -> str:
    return report.secrets.redact(printable(text, keep))


def _print_finding(report: Report, finding: Finding, console: Console) -> None:
    label = (f"{finding.clause.id} failed ({finding.level}): ", _STYLES[Outcome.FAILED])
    console.print(Text.assemble(label, _safe(report, finding.result.message)))
    for name, text in _finding_lines(finding, report.files_of(finding)):
        shown = _safe(report, text, keep="\n").replace("\n", _CONTINUATION)
        console.print(Text(f"  {name:<14} {shown}"), soft_wrap=True)
    console.print()


def _finding_lines(finding: Finding, files: str) -> Iterator[tuple[str, str]]:
    source, colon, text = finding.reading.partition(": ")
    yield "documentation", text if source == "the documentation says" else f"{source}{colon}{text}"
    result = finding.result
    if result.expected:
        yield "expected", result.expected
    for exchange in result.evidence[:_MAX_EXCHANGES]:
        command = exchange.curl()
        cut = f"... (cut, {len(command)} characters in all)" if len(command) > _MAX_COMMAND else ""
        yield "sent", command[:_MAX_COMMAND] + cut
        yield "received", exchange.describe()
        if exchange.headers:
            yield "headers", exchange.describe_headers()
    if further := len(result.evidence) - _MAX_EXCHANGES:
        yield from [("further", plural(further, "exchange"))] if further > 0 else []
    if result.concurrent:
        yield "at that moment", "; ".join(result.concurrent)
    for line in finding.other_lines():
        yield "same cause", line
    if finding.touched:
        yield "touches", ", ".join(finding.touched)
    if files:
        yield "files", files
    yield "explain", finding.explain_command


def print_diff(report: Report, changes: Iterable[str]) -> None:
    """Print what has changed in *report* since an older one."""
    console = Console(highlight=False)
    lines = list(changes)
    title = "Since the older report:" if lines else "No change since the older report."
    console.print(Text(f"\n{title}"))
    for change in lines:
        console.print(Text(f"  {_safe(report, change)}"), soft_wrap=True)
