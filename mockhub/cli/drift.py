"""`mockhub drift`: list where the mock and a recorded service differ."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mockhub._text import plural, printable, to_printable_json
from mockhub.cli._click import spec_option

if TYPE_CHECKING:
    from mockhub.recording.drift import DriftReport


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@spec_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_context
def drift(ctx: click.Context, directory: Path, spec: Path | None, as_json: bool) -> None:
    """List where the mock and the service of the recording in DIR differ.

    Sends every recorded request to the mock, in process, with the recorded outcome, and compares
    the responses: status, error code, fields and their types, and values that the contract
    determines, such as credits. What the service chooses, such as ids, times and URLs, is compared
    by its type alone. Each difference names the clauses that it concerns.

    The exit code is 1 if there is a difference, and 2 if the recording cannot be used.
    """
    from mockhub.recording.drift import find_drift
    from mockhub.recording.files import load_recording
    from mockhub.spec.api_spec import load_spec

    exchanges = load_recording(directory)
    report = asyncio.run(find_drift(exchanges, load_spec(spec)))
    if as_json:
        click.echo(to_printable_json(_as_json(report)))
    else:
        click.echo(printable("\n".join(_lines(report)), keep="\n"))
    ctx.exit(1 if report.differences else 0)


def _as_json(report: DriftReport) -> dict[str, object]:
    return {
        "compared": report.compared,
        "differences": [
            {
                "file": exchange.path.name,
                "request": f"{exchange.method} {exchange.target}",
                **difference._asdict(),
            }
            for exchange, difference in report.differences
        ],
        "skipped": [
            {"file": exchange.path.name, "reason": reason} for exchange, reason in report.skipped
        ],
    }


def _lines(report: DriftReport) -> Iterator[str]:
    previous = None
    for exchange, difference in report.differences:
        if exchange is not previous:
            yield f"{exchange.path.name}: {exchange.method} {exchange.target}"
        previous = exchange
        names = f"  ({', '.join(difference.clauses)})" if difference.clauses else ""
        yield (
            f"  {difference.place}: the service has {difference.service}, "
            f"the mock {difference.mock}{names}"
        )
    for exchange, reason in report.skipped:
        yield f"{exchange.path.name}: not compared: {reason}"
    count = plural(len(report.differences), "difference")
    yield f"{plural(report.compared, 'exchange')} compared, {count}."
    if clauses := [one for _, difference in report.differences for one in difference.clauses]:
        yield f"`mockhub explain {clauses[0]}` shows where a clause is specified and implemented."
