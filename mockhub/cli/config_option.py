"""Options of a command from a TOML file and from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from mockhub._text import suggest

_FILE, _PYPROJECT = Path("mockhub.toml"), Path("pyproject.toml")


def config_option(command: Any) -> Any:
    """Add the option ``--config``: a TOML file with a table named after the command."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_load_config,
        metavar="FILE",
        help="Read options from the table of the command, such as [serve], of this TOML file.  "
        "[default: mockhub.toml, else [tool.mockhub.serve] of pyproject.toml, in this folder]",
    )(command)


def add_environment_variables(command: click.Command) -> None:
    """Let ``MOCKHUB_PORT`` set ``--port``, and so on for each option."""
    for option in command.params:
        if isinstance(option, click.Option):
            option.envvar = f"MOCKHUB_{_long_name(option).upper().replace('-', '_')}"
            option.show_envvar = True


def source_of(error: click.UsageError) -> str:
    """Say where a wrong value is from, if not from the command line, as ``MOCKHUB_PORT: ``."""
    if not (isinstance(error, click.BadParameter) and error.param and error.ctx):
        return ""
    source = error.ctx.get_parameter_source(error.param.name or "")
    if source is click.core.ParameterSource.ENVIRONMENT:
        return f"{error.param.envvar}: "
    if source is click.core.ParameterSource.DEFAULT_MAP:
        return f"{error.ctx.meta[__name__]}: "
    return ""


def _long_name(option: click.Option) -> str:
    return next(name for name in option.opts if name.startswith("--"))[2:]


def _load_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is None:
        found = _FILE if _FILE.is_file() else _PYPROJECT
        if not found.is_file() or (found is _PYPROJECT and b"tool.mockhub" not in _read(found)):
            return
        path = found
    keys = ("tool", "mockhub") if path.name == _PYPROJECT.name else ()
    table = _parse(path)
    for key in (*keys, ctx.info_name or ""):
        table = table.get(key, {}) if isinstance(table, Mapping) else {}
    ctx.meta[__name__] = path
    ctx.default_map = _by_parameter(ctx, path, table)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from None


def _parse(path: Path) -> Any:
    import tomllib

    try:
        return tomllib.loads(_read(path).decode())
    except ValueError as error:
        raise click.UsageError(f"{path}: not TOML: {error}") from None


def _by_parameter(ctx: click.Context, path: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    options = {
        _long_name(option): option
        for option in ctx.command.params
        if isinstance(option, click.Option) and option.expose_value
    }
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in options:
            hint = suggest(name, options)
            raise click.UsageError(f"{path}: {name!r} is not an option{hint or ': see --help'}")
        option = options[name]
        if isinstance(value, list) != option.multiple:
            kind = "a list" if option.multiple else "one value"
            raise click.UsageError(f"{path}: {name}: {value!r}: expected {kind}")
        values[option.name or name] = value
    return values
