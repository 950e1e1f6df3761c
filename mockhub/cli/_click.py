"""How the command line behaves as a whole: its commands, its complaints and its colours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import click

from mockhub.exceptions import MockhubError

EXIT_USAGE_ERROR = 2  # the exit code of a command that could not do what was asked

_LAZY_COMMANDS = {
    "ctl": ("mockhub.cli.ctl", "ctl"),
    "explain": ("mockhub.cli.explain", "explain"),
    "verify": ("mockhub.cli.verify", "verify"),
}


class LazyGroup(click.Group):
    """A group that tells a user's mistake in one line and exits 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_LAZY_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LAZY_COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, name = _LAZY_COMMANDS[cmd_name]
        try:
            command: click.Command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            return _missing_dependency_command(name, str(error.name).removeprefix("mockhub."))
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _one_line_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_line_errors():
            return super().invoke(ctx)


def _missing_dependency_command(name: str, module: str) -> click.Command:
    """What stands for a command whose packages are not installed."""

    def fail() -> None:
        raise MockhubError(
            f"`mockhub {name}` needs {module}, which is not installed; "
            f"try pip install 'mockhub[{name}]'"
        )

    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    return click.Command(
        name, context_settings=settings, callback=fail, short_help=f"(needs {module})"
    )


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        command, detail = error.ctx.command_path if error.ctx else "mockhub", error.format_message()
        message = f"{command}: {detail}{'' if detail[-1] in '.?)' else '.'} Try `{command} --help`."
    except MockhubError as error:
        message = f"mockhub: {error}"
    else:
        return
    click.echo(message, err=True)
    raise click.exceptions.Exit(EXIT_USAGE_ERROR)


def color_setting() -> bool | None:
    """What the environment wants (no-color.org, force-color.org); None: colour on a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def absolute_url(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An address that paths can be put behind: http or https, a host, no query."""
    if value is None:
        return None
    try:
        url = urlsplit(value)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid or any(mark in value for mark in "?#@ "):
        raise click.BadParameter(
            f"{value!r} is no base address; expected one such as http://mockhub.local:8080"
        )
    return value.rstrip("/")
