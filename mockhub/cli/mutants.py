"""`mockhub mutants`: list the servers with deliberate defects."""

from __future__ import annotations

import click


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--variants", "conforming", is_flag=True, help="List the conforming variants.")
@click.option("--markdown", is_flag=True, help="Print a Markdown table.")
def mutants(words: tuple[str, ...], conforming: bool, markdown: bool) -> None:
    """List the mutants by clause: servers with one deliberate defect each.

    Start one with `mockhub serve --mutant NAME`. With words, only those are listed whose name,
    clause or description contains all of them.

    \b
    mockhub mutants                    all of them
    mockhub mutants LED-2              those that violate clause LED-2
    mockhub mutants balance stale      those with both words
    mockhub mutants --variants         conforming servers with other interpretations
    """
    from mockhub.mutants.listing import format_list

    click.echo(format_list(words, conforming=conforming, markdown=markdown))
