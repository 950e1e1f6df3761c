"""`mockhub help` and `mockhub version`, as other programs have them."""

from __future__ import annotations

import click

from mockhub import __version__
from mockhub._text import suggest


@click.command("help")
@click.argument("command", nargs=-1)
@click.pass_context
def help_command(ctx: click.Context, command: tuple[str, ...]) -> None:
    """Show the help of mockhub, or of a COMMAND."""
    context = ctx.find_root()
    for name in command:
        group = context.command
        found = group.get_command(context, name) if isinstance(group, click.Group) else None
        if found is None:
            known = group.list_commands(context) if isinstance(group, click.Group) else ()
            raise click.UsageError(f"No such command {name!r}{suggest(name, known)}", context)
        context = click.Context(found, info_name=name, parent=context)
    click.echo(context.get_help())


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"mockhub, version {__version__}")
