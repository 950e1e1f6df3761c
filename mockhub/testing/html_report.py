"""One static page of a session, for people; whatever clients sent in it is hostile text (T28)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from mockhub._text import plural
from mockhub.client_report.coverage import Coverage
from mockhub.testing.session_report import FindingGroup, SessionReport

_HEADER = """<!doctype html>
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
.uncovered, .money { color: #b00020 }
.warning { color: #9a5b00 }
summary { cursor: pointer }
:root { color-scheme: light dark }
@media (prefers-color-scheme: dark) {
  .uncovered, .money { color: #ff8a80 }
  .warning { color: #ffcc80 }
}
</style>
"""
_COLUMNS = ("#", "request", "response", "credits", "prompt", "notes")


def render(summary: SessionReport) -> str:
    """The whole page as HTML."""
    return "\n".join([_HEADER, "<h1>What the client did</h1>", *_render_body(summary)])


def _render_body(summary: SessionReport) -> Iterator[str]:
    if not summary.tests:
        yield "<p>No test sent a request to a hub.</p>"
        return
    exchanges = sum(hub["exchanges"] for hub in summary.hubs)
    yield f"<p>{plural(len(summary.tests), 'test')}, {plural(exchanges, 'exchange')}.</p>"
    yield "<h2>Mistakes</h2>"
    yield from map(_render_finding, summary.finding_groups())
    if not summary.finding_groups():
        yield "<p>None were seen.</p>"
    yield from _render_coverage(summary.coverage())
    yield "<h2>Tests</h2>"
    for test, hubs in summary.tests.items():
        yield from _render_test(test, hubs)


def _render_finding(group: FindingGroup) -> str:
    finding = {name: escape(str(value)) for name, value in group.finding.items()}
    credits_text = f", {group.credits} credits" if group.credits else ""
    tests = "".join(f"<li>{escape(test)}</li>" for test in group.tests)
    return (
        f'<h3 class="{finding["severity"]}">{finding["kind"]}{credits_text}</h3>'
        f"<p>{finding['summary']}<br>Impact: {finding['impact']}<br>Suggestion: {finding['suggestion']}</p>"  # noqa: E501
        f"<details><summary>{plural(len(group.tests), 'test')}</summary><ul>{tests}</ul></details>"
    )


def _render_coverage(coverage: Coverage) -> Iterator[str]:
    yield f"<h2>Contract coverage</h2><p>{coverage.covered} of {coverage.total} covered.</p>"
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
            yield f"<h3>{name}</h3><table>{''.join(_count_rows(table))}</table>"


def _count_rows(table: Mapping[str, int]) -> Iterator[str]:
    for name, times in table.items():
        cell = f"<td>{times}" if times else '<td class="uncovered">never'
        yield f"<tr><td>{escape(name)}</td>{cell}</td></tr>"


def _render_test(test: str, hubs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield f"<details><summary>{escape(test)}</summary>"
    for hub in hubs:
        header = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        yield f"<table><tr>{header}</tr>{''.join(map(_render_exchange, hub['journal']))}</table>"
    yield "</details>"


def _render_exchange(exchange: Mapping[str, Any]) -> str:
    notes = [
        *exchange["faults"],
        *(["client disconnected"] if exchange["client_disconnected"] else []),
    ]
    notes += [f"mockhub bug: {exchange['spec_violation']}"] if exchange["spec_violation"] else []
    cells = (
        exchange["number"],
        f"{exchange['method']} {exchange['path']}",
        f"{exchange['status'] or 'none'} {exchange['code'] or ''}",
        exchange["credits"] or "",
        exchange["prompt"] if exchange["prompt"] is not None else "",
        ", ".join(notes),
    )
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"
