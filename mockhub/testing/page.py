"""One static page of a session, for people; whatever clients sent in it is hostile text (T28)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from mockhub.testing.exchanges import many
from mockhub.testing.summary import Mistake, Summary
from mockhub.world.coverage import Coverage

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mockhub: what the client did</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1rem }
td, th { border-bottom: 1px solid #8884; padding: .2rem .8rem .2rem 0; text-align: left }
td { overflow-wrap: anywhere; vertical-align: top }
.never, .money { color: #b00020 }
.mistake { color: #9a5b00 }
summary { cursor: pointer }
:root { color-scheme: light dark }
@media (prefers-color-scheme: dark) {
  .never, .money { color: #ff8a80 }
  .mistake { color: #ffcc80 }
}
</style>
"""
_COLUMNS = ("#", "request", "answer", "credits", "prompt", "notes")


def page(summary: Summary) -> str:
    """The whole page as HTML."""
    return "\n".join([_HEAD, "<h1>What the client did</h1>", *_body(summary)])


def _body(summary: Summary) -> Iterator[str]:
    if not summary.tests:
        yield "<p>No test has asked a hub.</p>"
        return
    exchanges = sum(hub["exchanges"] for hub in summary.hubs)
    yield f"<p>{many(len(summary.tests), 'test')}, {many(exchanges, 'exchange')}.</p>"
    yield "<h2>Mistakes</h2>"
    yield from map(_mistake, summary.mistakes())
    if not summary.mistakes():
        yield "<p>None were seen.</p>"
    yield from _coverage(summary.coverage())
    yield "<h2>Tests</h2>"
    for test, hubs in summary.tests.items():
        yield from _test(test, hubs)


def _mistake(mistake: Mistake) -> str:
    finding = {name: escape(str(value)) for name, value in mistake.finding.items()}
    lost = f", {mistake.credits} credits" if mistake.credits else ""
    tests = "".join(f"<li>{escape(test)}</li>" for test in mistake.tests)
    return (
        f'<h3 class="{finding["weight"]}">{finding["kind"]}{lost}</h3>'
        f"<p>{finding['what']}<br>Why: {finding['why']}<br>Instead: {finding['instead']}</p>"
        f"<details><summary>{many(len(mistake.tests), 'test')}</summary><ul>{tests}</ul></details>"
    )


def _coverage(coverage: Coverage) -> Iterator[str]:
    yield f"<h2>Contract</h2><p>{coverage.met} of {coverage.total} were met.</p>"
    statuses = {
        f"{operation} {status}": times
        for operation, known in coverage.statuses.items()
        for status, times in known.items()
    }
    for name, table in (
        ("Operations", coverage.operations),
        ("Statuses", statuses),
        ("Error codes", coverage.codes),
        ("Job states", coverage.states),
        ("Not documented", coverage.undocumented),
    ):
        if table:
            yield f"<h3>{name}</h3><table>{''.join(_counts(table))}</table>"


def _counts(table: Mapping[str, int]) -> Iterator[str]:
    for name, times in table.items():
        shown = f"<td>{times}" if times else '<td class="never">never'
        yield f"<tr><td>{escape(name)}</td>{shown}</td></tr>"


def _test(test: str, hubs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield f"<details><summary>{escape(test)}</summary>"
    for hub in hubs:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        yield f"<table><tr>{head}</tr>{''.join(map(_row, hub['journal']))}</table>"
    yield "</details>"


def _row(exchange: Mapping[str, Any]) -> str:
    notes = [*exchange["faults"], *(["client gone"] if exchange["gone"] else [])]
    notes += [f"our fault: {exchange['violation']}"] if exchange["violation"] else []
    cells = (
        exchange["number"],
        f"{exchange['method']} {exchange['path']}",
        f"{exchange['status'] or 'none'} {exchange['code'] or ''}",
        exchange["credits"] or "",
        exchange["prompt"] if exchange["prompt"] is not None else "",
        ", ".join(notes),
    )
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"
