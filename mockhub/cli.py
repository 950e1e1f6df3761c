"""The command line."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockhub import __version__
from mockhub.resources import path
from mockhub.spec.errors import MockhubError

if TYPE_CHECKING:
    from mockhub.world.scenarios import Scenario

LOG_LEVELS = ("debug", "info", "warning", "error")

# Commands that live beside the house, imported only when they are asked for.
_ELSEWHERE = {"verify": ("contract_tests.cli", "verify"), "ctl": ("mockhub.ctl", "ctl")}


class _Group(click.Group):
    """A group that tells a user's mistake in one line and exits 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, name = _ELSEWHERE[cmd_name]
        command: click.Command = getattr(_import(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MockhubError as error:
            click.echo(f"mockhub: {error}", err=True)
            ctx.exit(2)


def _import(module: str) -> Any:
    """*module*, which a wheel carries inside the package and a checkout beside it."""
    try:
        return import_module(f"mockhub.{module}" if "." in module[:-4] else module)
    except ModuleNotFoundError as error:
        if error.name not in (f"mockhub.{module}", f"mockhub.{module.partition('.')[0]}"):
            raise
        sys.path.insert(0, str(path("contract_tests").parent))
        return import_module(module)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mockhub")
def main() -> None:
    """The GPT Image Hub API on a laptop.

    \b
    mockhub serve              a server that behaves as the documentation says
    mockhub verify             judge any implementation of the API
    mockhub scenarios          the worlds that a server can start in

    Shell completion: eval "$(_MOCKHUB_COMPLETE=bash_source mockhub)" (or zsh_source, fish_source).
    """


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port; 0 picks a free one.")
@click.option(
    "--public-url",
    metavar="URL",
    help="What addresses in answers begin with, if clients reach the server by another one.",
)
@click.option(
    "--scenario",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help="The world to start in; see `mockhub scenarios`.",
)
@click.option("--seed", type=int, help="What ids and pictures are made from, above the scenario's.")
@click.option(
    "--spec",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Another openapi.yaml to be the law.",
)
@click.option("--image-format", type=click.Choice(["png", "jpeg", "webp"]), help="Of image URLs.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many generations a hub remembers.  [default: 100000]",
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    default="info",
    show_default=True,
    help="info: a line a request; warning: only what is our fault.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one object a line, for programs.",
)
@click.option("--control/--no-control", default=True, help="Serve the control plane, /_mockhub.")
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="MOCKHUB_CONTROL_TOKEN",
    help="Ask for this token at the control plane; needed where --host is not loopback.",
)
def serve(**options: Any) -> None:
    """Serve the API.

    Prints the base URL, the keys with their balances and a command to paste; then a line a request.
    """
    from mockhub.serving import run

    run(**options)


@main.command()
def scenarios() -> None:
    """List the worlds that a server can start in, with their keys."""
    for file in sorted(path("fixtures/scenarios").glob("*.yaml")):
        scenario = find_scenario(file.stem)
        click.secho(scenario.name, bold=True)
        click.echo(click.wrap_text(scenario.description, 78, "  ", "  "))
        for key, name, _ in scenario.fixed_keys():
            click.echo(f"    {name:<14} {key}")


@main.command()
@click.option("--spec", type=click.Path(path_type=Path), metavar="FILE", help="Another law.")
def assumptions(spec: Path | None) -> None:
    """Tell what the documentation leaves open, and how mockhub reads it."""
    from mockhub.spec.law import load_law

    for assumption in load_law(spec or path("openapi.yaml")).assumptions():
        click.secho(", ".join(assumption.clauses) or "-", bold=True)
        click.echo(f"  {assumption.pointer}")
        click.echo(click.wrap_text(assumption.why, 78, "  ", "  "))


@main.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
def inspect(files: tuple[Path, ...]) -> None:
    """Tell which request an image of the mock came from."""
    import json

    from mockhub.world import images

    for file in files:
        try:
            told = images.inspect(file.read_bytes())
        except OSError as error:
            raise MockhubError(f"{file}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise MockhubError(f"{file}: {error}") from None
        click.echo(json.dumps({"file": str(file), **told}, ensure_ascii=False, indent=2))


def find_scenario(name: str) -> Scenario:
    """A scenario by the name of one that comes along, or by its file."""
    from mockhub.spec.document import nearest
    from mockhub.world.scenarios import load

    shipped = path("fixtures/scenarios") / f"{name}.yaml"
    if shipped.is_file():
        return load(shipped)
    if "/" in name or Path(name).suffix in (".yaml", ".yml"):
        return load(Path(name))
    known = sorted(file.stem for file in shipped.parent.glob("*.yaml"))
    raise MockhubError(
        f"there is no scenario {name!r}{nearest(name, known)}; known are {', '.join(known)}, "
        "and any YAML file"
    )
