"""Answers of the control plane as tables for a person, or as JSON for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPED = 200  # columns, where no terminal says how wide it is
_WEIGHTS = {"money": "bold red", "mistake": "yellow", "hint": "cyan"}
_FEW = 8


def show_json(content: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print a table of the rows' columns."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        made.add_row(*(Text(_cell(row[column])) for column in columns))
    _console().print(made)


def pairs(content: Mapping[str, Any]) -> None:
    """Print an object, a line for each of its fields."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in content.items():
        made.add_row(name.replace("_", " "), Text(_cell(value)))
    _console().print(made)


def report(content: Mapping[str, Any]) -> None:
    """Print a client report."""
    console = _console()
    for finding in content["findings"]:
        title = Text(finding["weight"], style=_WEIGHTS[finding["weight"]])
        numbers = ", ".join(f"#{number}" for number in finding["records"][:_FEW])
        more = ", ..." if len(finding["records"]) > _FEW else ""
        console.print(title, Text(f"{finding['kind']} ({numbers}{more})", style="bold"))
        for label, name in (("", "what"), ("why: ", "why"), ("instead: ", "instead")):
            console.print(Text(f"  {label}{finding[name]}"))
        console.print()
    if not content["findings"]:
        console.print(f"No mistakes were seen in {content['exchanges']} exchanges.\n")
    _coverage(console, content["coverage"])


def _coverage(console: Console, coverage: Mapping[str, Any]) -> None:
    console.print(f"Of the contract {coverage['met']} of {coverage['total']} were met.")
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("operation", "calls", "statuses met", "never met"):
        made.add_column(column)
    for operation, calls in coverage["operations"].items():
        statuses = coverage["statuses"][operation]
        made.add_row(operation, str(calls), _met(statuses), _unmet(statuses))
    made.add_row("error codes", "", _met(coverage["codes"]), _unmet(coverage["codes"]))
    made.add_row("job states", "", _met(coverage["states"]), _unmet(coverage["states"]))
    console.print(made)


def _met(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} x{count}" for name, count in counts.items() if count)


def _unmet(counts: Mapping[str, int]) -> str:
    return ", ".join(name for name, count in counts.items() if not count)


def _cell(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {_cell(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return _printable(str(value))


def _printable(text: str) -> str:
    """Prompts and paths are other people's text; a terminal must not obey it."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _console() -> Console:
    width = None if sys.stdout.isatty() else _PIPED
    return Console(width=width, highlight=False, soft_wrap=False)
