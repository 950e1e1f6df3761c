"""Prints responses of the control plane as tables or JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mockhub._text import printable, to_printable_json

_MAX_WIDTH = 10_000
_PIPED_WIDTH = 200  # columns, if the output is not a terminal
_SEVERITY_STYLES = {"money": "bold red", "warning": "yellow", "hint": "cyan"}
_MAX_NUMBERS = 8
_MAX_CELL_CHARS = 160  # of a text, such as a prompt


def print_json(content: object) -> None:
    click.echo(to_printable_json(content))


class TablePrinter:
    """Prints rows as they come, as one table with one header.

    Where it is too wide, each row is a paragraph with the names of its fields.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._widths = {column: len(_label(column)) for column in columns}
        self._has_header = False

    def print(self, rows: Iterable[Mapping[str, Any]]) -> None:
        rows, console = [*rows], _console()
        cells = [{name: Text(_format_cell(row[name])) for name in self._columns} for row in rows]
        for column in self._columns:
            widths = [texts[column].cell_len for texts in cells]
            self._widths[column] = max(self._widths[column], *widths, 0)
        grid = Table(
            box=None, pad_edge=False, header_style="bold", show_header=not self._has_header
        )
        for column in self._columns:
            grid.add_column(_label(column), overflow="fold", min_width=self._widths[column])
        for texts in cells:
            grid.add_row(*texts.values())
        unbounded = console.options.update(max_width=_MAX_WIDTH)
        if not rows or Measurement.get(console, unbounded, grid).maximum <= console.width:
            console.print(grid)
            self._has_header = True
            return
        for row in rows:
            self._print_paragraph(console, row)

    def _print_paragraph(self, console: Console, row: Mapping[str, Any]) -> None:
        present = [column for column in self._columns if row[column] not in (None, [])]
        fields = [(_label(column), _format_cell(row[column])) for column in present]
        cells = [Text.assemble((name, "bold"), " ", value) for name, value in fields]
        console.print(Text("  ").join(cells), Text(), overflow="fold", sep="\n")


def _label(column: str) -> str:
    return column.replace("_", " ")


def print_object(content: Mapping[str, Any]) -> None:
    """Print one line for each field."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in content.items():
        grid.add_row(Text(_format_cell(name.replace("_", " "))), Text(_format_cell(value)))
    _console().print(grid)


def print_hub(content: Mapping[str, Any]) -> None:
    """Print a hub, whose audit lists what is wrong."""
    clean = {"audit": "clean"} if content.get("audit") == [] else {}
    print_object({**content, **clean})


def print_report(content: Mapping[str, Any]) -> None:
    console = _console()
    for finding in content["findings"]:
        severity = finding["severity"]
        title = Text(_format_cell(severity), style=_SEVERITY_STYLES.get(severity, ""))
        numbers = ", ".join(f"#{number}" for number in finding["exchange_numbers"][:_MAX_NUMBERS])
        ellipsis = ", ..." if len(finding["exchange_numbers"]) > _MAX_NUMBERS else ""
        kind = printable(f"{finding['kind']} ({numbers}{ellipsis})")
        console.print(title, Text(kind, style="bold"))
        console.print(Text(printable(f"  {finding['summary']}")))
        for name in ("impact", "suggestion"):
            console.print(Text(printable(f"  {name}: {finding[name]}")))
        console.print()
    if not content["findings"]:
        console.print(Text(printable(f"No findings in {content['exchanges']} exchanges.")))
        console.print()
    _print_coverage(console, content["coverage"])


def _print_coverage(console: Console, coverage: Mapping[str, Any]) -> None:
    total = f"Contract coverage: {coverage['covered']} of {coverage['total']}."
    console.print(Text(printable(total)))
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("operation", "calls", "statuses covered", "not covered"):
        grid.add_column(column)
    for operation, calls in coverage["operations"].items():
        statuses = coverage["statuses"][operation]
        _add_coverage(grid, operation, str(calls), statuses)
    _add_coverage(grid, "error codes", "", coverage["codes"])
    _add_coverage(grid, "job states", "", coverage["states"])
    console.print(grid)


def _add_coverage(grid: Table, title: str, calls: str, counts: Mapping[str, int]) -> None:
    covered = ", ".join(f"{name} x{count}" for name, count in counts.items() if count)
    uncovered = ", ".join(name for name, count in counts.items() if not count)
    grid.add_row(*(Text(printable(cell)) for cell in (title, calls, covered, uncovered)))


def _format_cell(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "  ".join(" ".join(map(_format_cell, item)) for item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_format_cell, value))
    text = str(value)
    shown = text if len(text) <= _MAX_CELL_CHARS else f"{text[:_MAX_CELL_CHARS]}..."
    return printable(shown)


def _console() -> Console:
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)
