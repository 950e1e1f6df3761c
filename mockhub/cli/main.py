"""The root command `mockhub`; each subcommand is imported when it is called."""

from __future__ import annotations

import click

from mockhub import __version__
from mockhub.cli._click import LazyGroup, color_setting

COMMANDS = {
    "assumptions": "mockhub.cli.assumptions:assumptions",
    "ctl": "mockhub.cli.ctl.commands:ctl",
    "drift": "mockhub.cli.drift:drift",
    "db": "mockhub.cli.db:db",
    "explain": "mockhub.cli.explain:explain",
    "help": "mockhub.cli.help:help_command",
    "inspect": "mockhub.cli.inspect:inspect",
    "mutants": "mockhub.cli.mutants:mutants",
    "proxy": "mockhub.cli.proxy:proxy",
    "scenarios": "mockhub.cli.scenarios:scenarios",
    "schema": "mockhub.cli.schema:schema",
    "serve": "mockhub.cli.serve:serve",
    "verify": "mockhub.cli.verify:verify",
    "version": "mockhub.cli.help:version",
}


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__, "-V", "--version", prog_name="mockhub")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Mock server, contract tests and tools for the GPT Image Hub API.

    \b
    mockhub serve                          start a mock server
    mockhub serve --scenario slow          start it with another scenario
    mockhub inspect image.png              show the request that produced an image
    mockhub verify                         test an implementation of the API
    mockhub proxy --target URL             check and guard the requests to the real service

    Each command has its own help: mockhub serve --help.

    Shell completion: add eval "$(_MOCKHUB_COMPLETE=bash_source mockhub)" to ~/.bashrc; there are
    zsh_source and fish_source too.
    """
    ctx.color = color_setting()
