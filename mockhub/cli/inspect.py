"""`mockhub inspect`: show the request that produced an image."""

from __future__ import annotations

from pathlib import Path

import click

from mockhub._text import printable, to_printable_json
from mockhub.cli._click import EXIT_USAGE_ERROR
from mockhub.exceptions import MockhubError


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.pass_context
def inspect(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """Show the request that produced an image of the mock.

    Prints a JSON object for each file: model, prompt, size, seed, and the position of the image
    among those of its request. Files that are not images of the mock are reported on stderr, and
    the exit code is 2.
    """
    from mockhub.images.formats import read_metadata

    failed = False
    for file in files:
        try:
            metadata = read_metadata(file.read_bytes())
        except (OSError, MockhubError) as error:
            failed = True
            reason = getattr(error, "strerror", None) or error
            click.echo(printable(f"mockhub: {file}: {reason}"), err=True)
        else:
            click.echo(to_printable_json({"file": str(file), **metadata}))
    ctx.exit(EXIT_USAGE_ERROR if failed else 0)
