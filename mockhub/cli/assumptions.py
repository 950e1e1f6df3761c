"""`mockhub assumptions`: list what the documentation leaves open."""

from __future__ import annotations

from pathlib import Path

import click

from mockhub.cli._click import spec_option


@click.command()
@spec_option
def assumptions(spec: Path | None) -> None:
    """List what the documentation leaves open.

    Prints for each open point: its clauses, its place in openapi.yaml, and what mockhub assumes.
    """
    from mockhub.spec.api_spec import load_spec

    for assumption in load_spec(spec).assumptions():
        click.secho(", ".join(assumption.clauses) or "-", bold=True)
        click.echo(f"  {assumption.pointer}")
        click.echo(click.wrap_text(assumption.why, 78, "  ", "  "))
        click.echo()
