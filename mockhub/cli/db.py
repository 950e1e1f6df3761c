"""`mockhub db`: look after the database of `mockhub serve --database`."""

from __future__ import annotations

import click

from mockhub._numbers import MAX_GENERATIONS
from mockhub._text import plural
from mockhub._timestamps import parse_duration
from mockhub.exceptions import MockhubError


@click.group()
def db() -> None:
    """Look after the database of `mockhub serve --database`."""


@db.command()
@click.option(
    "--database",
    required=True,
    envvar="MOCKHUB_DATABASE",
    metavar="URL",
    help="The database: sqlite:///FILE or postgresql://USER@HOST/NAME.",
)
@click.option("--hub", metavar="NAME", help="The hub to prune.  [default: all]")
@click.option(
    "--keep",
    type=click.IntRange(1, MAX_GENERATIONS),
    metavar="N",
    help="Keep the last N generations that have ended.",
)
@click.option(
    "--older-than",
    metavar="DURATION",
    help="Delete generations that have ended longer ago, such as 30d.",
)
def prune(database: str, hub: str | None, keep: int | None, older_than: str | None) -> None:
    """Delete old generations, and old ledger entries with them.

    Balances and totals stay exact. Servers may run meanwhile.
    """
    if keep is None and older_than is None:
        raise MockhubError("nothing says what to delete: give --keep or --older-than")
    age = None if older_than is None else parse_duration(older_than)
    from mockhub.spec.api_spec import load_spec
    from mockhub.storage.prune import prune_hubs

    spec = load_spec()
    for name, deleted, kept in prune_hubs(database, spec, hub=hub, keep=keep, age=age):
        click.echo(f"{name}: {plural(deleted, 'generation')} deleted, {kept} kept")
