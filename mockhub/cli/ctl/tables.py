"""Prints responses of the control plane as tables or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mockhub._text import printable

_PIPED_WIDTH = 200  # columns, if the output is not a terminal
_SEVERITY_STYLES = {"money": "bold red", "warning": "yellow", "hint": "cyan"}
_MAX_NUMBERS = 8


def print_json(content: object) -> None:
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))


def print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        grid.add_row(*(Text(_format_cell(row[column])) for column in columns))
    _console().print(grid)


def print_object(content: Mapping[str, Any]) -> None:
    """Print one line for each field."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in content.items():
        grid.add_row(name.replace("_", " "), Text(_format_cell(value)))
    _console().print(grid)


def print_report(content: Mapping[str, Any]) -> None:
    console = _console()
    for finding in content["findings"]:
        title = Text(finding["severity"], style=_SEVERITY_STYLES[finding["severity"]])
        numbers = ", ".join(f"#{number}" for number in finding["exchange_numbers"][:_MAX_NUMBERS])
        ellipsis = ", ..." if len(finding["exchange_numbers"]) > _MAX_NUMBERS else ""
        console.print(title, Text(f"{finding['kind']} ({numbers}{ellipsis})", style="bold"))
        console.print(Text(f"  {finding['summary']}"))
        for name in ("impact", "suggestion"):
            console.print(Text(f"  {name}: {finding[name]}"))
        console.print()
    if not content["findings"]:
        console.print(f"No findings in {content['exchanges']} exchanges.\n")
    _print_coverage(console, content["coverage"])


def _print_coverage(console: Console, coverage: Mapping[str, Any]) -> None:
    console.print(f"Contract coverage: {coverage['covered']} of {coverage['total']}.")
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("operation", "calls", "statuses covered", "not covered"):
        grid.add_column(column)
    for operation, calls in coverage["operations"].items():
        statuses = coverage["statuses"][operation]
        grid.add_row(operation, str(calls), _covered(statuses), _uncovered(statuses))
    grid.add_row("error codes", "", _covered(coverage["codes"]), _uncovered(coverage["codes"]))
    grid.add_row("job states", "", _covered(coverage["states"]), _uncovered(coverage["states"]))
    console.print(grid)


def _covered(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} x{count}" for name, count in counts.items() if count)


def _uncovered(counts: Mapping[str, int]) -> str:
    return ", ".join(name for name, count in counts.items() if not count)


def _format_cell(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {_format_cell(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_format_cell, value))
    return printable(str(value))


def _console() -> Console:
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)
