"""How the command line behaves as a whole: its commands, its complaints and its colours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import click

from mockhub.spec.errors import MockhubError

MISTAKEN = 2  # the exit code of a command that could not do what was asked

# Commands that live beside the house, imported only when they are asked for.
_ELSEWHERE = {"verify": ("mockhub.verifying", "verify"), "ctl": ("mockhub.ctl", "ctl")}


class Group(click.Group):
    """A group that tells a user's mistake in one line and exits 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, name = _ELSEWHERE[cmd_name]
        try:
            command: click.Command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            return _lacking(name, str(error.name).removeprefix("mockhub."))
        return command

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        with _told_in_one_line():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _told_in_one_line():
            return super().invoke(ctx)


def _lacking(name: str, module: str) -> click.Command:
    """What stands for a command whose packages are not installed."""

    def refuse() -> None:
        raise MockhubError(
            f"`mockhub {name}` needs {module}, which is not installed; "
            f"try pip install 'mockhub[{name}]'"
        )

    anything = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    return click.Command(
        name, context_settings=anything, callback=refuse, short_help=f"(needs {module})"
    )


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        command, told = error.ctx.command_path if error.ctx else "mockhub", error.format_message()
        message = f"{command}: {told}{'' if told[-1] in '.?)' else '.'} Try `{command} --help`."
    except MockhubError as error:
        message = f"mockhub: {error}"
    else:
        return
    click.echo(message, err=True)
    raise click.exceptions.Exit(MISTAKEN)


def colour() -> bool | None:
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
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or any(mark in value for mark in "?#@ "):
        raise click.BadParameter(
            f"{value!r} is no base address; expected one such as http://mockhub.local:8080"
        )
    return value.rstrip("/")
