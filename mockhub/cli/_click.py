"""Click helpers for all commands: lazy imports, one-line errors, colours, shared options."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from typing import Any

import click
from click.core import ParameterSource

from mockhub._numbers import MAX_INTEGER
from mockhub._text import install_hint, printable, suggest
from mockhub.cli.config_option import source_of
from mockhub.exceptions import MockhubError
from mockhub.proxy.target import is_http_url

EXIT_USAGE_ERROR = 2
EXTRAS = {  # by the modules that each of them installs
    **dict.fromkeys(("httpx", "hypothesis", "pytest", "schemathesis"), "verify"),
    "aiohttp": "proxy",
    "psycopg": "storage",
}
SEED = click.IntRange(-MAX_INTEGER, MAX_INTEGER)

spec_option = click.option(
    "--spec",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use this openapi.yaml, with other models, prices or limits, instead of the bundled one.",
)


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and reports errors in one line.

    Args:
        lazy_commands: The commands by name, as ``module:attribute``.
    """

    def __init__(self, *args: Any, lazy_commands: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy_commands:
            return None
        module, _, attribute = self._lazy_commands[cmd_name].partition(":")
        try:
            command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            return _missing_dependency_command(cmd_name, str(error.name))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not (name in self._lazy_commands or name.startswith("-") or ctx.resilient_parsing):
            hint = suggest(name, self._lazy_commands)
            raise click.UsageError(f"No such command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with one_line_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with one_line_errors():
            return super().invoke(ctx)


def _missing_dependency_command(name: str, module: str) -> click.Command:
    extra = EXTRAS.get(module, name)

    def fail() -> None:
        raise MockhubError(_missing_module(f"mockhub {name}", module, extra))

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(
        name,
        context_settings=settings,
        callback=fail,
        short_help=f"(needs {module})",
        help=f"This command needs {module}, which is not installed.\n\n{install_hint(extra)}",
    )


def _missing_module(command: str, module: str, extra: str) -> str:
    return f"`{command}` needs {module}, which is not installed; {install_hint(extra)}"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print an error of the user or the installation; raises `Exit` with its exit code."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        context = error.ctx or _parsing_context(error)
        command = context.command_path if context else "mockhub"
        detail = source_of(error) + _plain(error.format_message())
        message = f"{command}: {detail}{'' if detail[-1] in '.?)' else '.'} Try `{command} --help`."
    except MockhubError as error:
        message = printable(f"mockhub: {error}")
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        running = click.get_current_context()
        command = f"{running.command_path} {running.invoked_subcommand or ''}".rstrip()
        message = f"mockhub: {_missing_module(command, error.name, EXTRAS[error.name])}"
    else:
        return
    click.echo(message, err=True)
    raise click.exceptions.Exit(EXIT_USAGE_ERROR)


def _parsing_context(error: click.UsageError) -> click.Context | None:
    """Return the context of the innermost command; click's parser leaves it out of some errors."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    contexts = [frame.f_locals.get("ctx") for frame in frames]
    return next((one for one in reversed(contexts) if isinstance(one, click.Context)), None)


def _plain(message: str) -> str:
    """Write it in one line, without the variable of an option, and name types by common words."""
    message = " ".join(re.sub(r" \(env var: '\w+'\)", "", message).split())
    message = message.replace("a valid integer range", "an integer")
    return message.replace("a valid float range", "a number")


class Seconds(click.FloatRange):
    """A number of seconds, by default above 0 and at most a day."""

    name = "seconds"

    def __init__(self, most: float | None = 86_400, *, allow_zero: bool = False) -> None:
        super().__init__(0, most, min_open=not allow_zero)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):  # is in every range of click's
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return number


def color_setting() -> bool | None:
    """Return what NO_COLOR and FORCE_COLOR demand, or None for colours on a terminal only."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def absolute_url(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Check an option whose value is a base URL, to which paths can be appended."""
    if value is None:
        return None
    if not (is_http_url(value) and value.isprintable()) or any(mark in value for mark in "?#@ "):
        raise click.BadParameter(
            f"{value!r} is not a base URL; expected one such as http://mockhub.local:8080, "
            "without user, query and fragment"
        )
    return value.rstrip("/")


def reject_options(ctx: click.Context, mode: str, names: Container[str]) -> None:
    """Reject these options if the command line has them: they would have no effect in *mode*.

    Raises:
        click.UsageError: if one is given.
    """
    for param in ctx.command.params:
        is_given = ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
        if is_given and param.name in names:
            raise click.UsageError(f"{mode} and {param.opts[-1]} exclude each other", ctx)


def reject_together(**options: object) -> None:
    """Raise click.UsageError if more than one of these options, by their long names, is given."""
    given = [f"--{name}" for name, value in options.items() if value]
    if len(given) > 1:
        raise click.UsageError(f"{given[0]} and {given[1]} exclude each other")


def reject_unused_token(ctx: click.Context) -> None:
    """Raise click.UsageError for a token while the control plane is off.

    ``--no-control`` on the command line wins over a token that comes from elsewhere.
    """
    if ctx.params["control"] or ctx.params["control_token"] is None:
        return
    control, token = (ctx.get_parameter_source(one) for one in ("control", "control_token"))
    if control is not ParameterSource.COMMANDLINE or token is ParameterSource.COMMANDLINE:
        raise click.UsageError(
            "the control plane is off, so its token has no effect; give --control "
            "(MOCKHUB_CONTROL=1), or no --control-token (MOCKHUB_CONTROL_TOKEN)",
            ctx,
        )
