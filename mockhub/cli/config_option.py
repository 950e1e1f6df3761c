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
    name = command.__name__
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_load_config,
        metavar="FILE",
        help=f"Read options from the table [{name}] of this TOML file.  [default: mockhub.toml, "
        f"else [tool.mockhub.{name}] of pyproject.toml, in this folder]",
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
    is_default = path is None
    if path is None:
        path = _FILE if _FILE.is_file() else _PYPROJECT
        if not path.is_file() or (path is _PYPROJECT and b"tool.mockhub" not in _read(path)):
            return
    keys = ("tool", "mockhub") if path.name == _PYPROJECT.name else ()
    if table := _find_table(path, (*keys, ctx.info_name or ""), is_optional=is_default):
        ctx.meta[__name__] = path
        ctx.default_map = _by_parameter(ctx, path, table)


def _find_table(path: Path, keys: tuple[str, ...], *, is_optional: bool) -> Mapping[str, Any]:
    """Return the table of the command; an optional one may be missing, but not misspelled."""
    *parents, name = keys
    table = _parse(path)
    for key in parents:
        table = table.get(key, {})
        if not isinstance(table, Mapping):
            raise click.UsageError(f"{path}: {key} is not a table")
    title = f"[{'.'.join(keys)}]"
    if name not in table:
        hint = suggest(name, table)
        if is_optional and not hint:
            return {}
        known = ", ".join(f"[{'.'.join((*parents, key))}]" for key in table)
        raise click.UsageError(f"{path}: has no table {title}; it has {known or 'none'}")
    if not isinstance(table[name], Mapping):
        raise click.UsageError(f"{path}: {name}: {table[name]!r}: expected the table {title}")
    found: Mapping[str, Any] = table[name]
    return found


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
        types, expected = _allowed_types(option)
        for item in value if isinstance(value, list) else [value]:
            if type(item) not in (str, *types):  # a text is read as on the command line
                raise click.UsageError(f"{path}: {name}: {item!r}: expected {expected}")
        values[option.name or name] = value
    return values


def _allowed_types(option: click.Option) -> tuple[tuple[type, ...], str]:
    """Return the TOML types of an option's values beside texts, and what they are called."""
    if option.is_flag:
        return (bool,), "true or false"
    if isinstance(option.type, click.types.IntParamType):
        return (int,), "a whole number"
    if isinstance(option.type, click.types.FloatParamType):
        return (int, float), "a number"
    return (), "a text in quotes"
