"""The command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockhub import __version__
from mockhub._resources import resource_path
from mockhub.cli._click import EXIT_USAGE_ERROR, LazyGroup, absolute_url, color_setting
from mockhub.web.limits import Limits

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


_Command = Callable[..., Any]

LOG_LEVELS = ("debug", "info", "warning", "error")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mockhub")
@click.pass_context
def main(ctx: click.Context) -> None:
    """The GPT Image Hub API on a laptop: real answers, no network, no money spent.

    \b
    mockhub serve                          start it; it prints what to try
    mockhub serve --scenario slow          the same in another world
    mockhub inspect image.png              tell which request a picture came from
    mockhub verify                         judge an implementation of the API

    Every command explains itself: mockhub serve --help.

    Shell completion: eval "$(_MOCKHUB_COMPLETE=bash_source mockhub)" in ~/.bashrc; zsh_source
    and fish_source exist too.
    """
    ctx.color = color_setting()


def _complete_scenario(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from mockhub.scenarios.loader import bundled_scenarios

    names = [name for name in bundled_scenarios() if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def _complete_mutant(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from mockhub.mutants.catalog import mutants, variants

    names = sorted({*mutants(), *variants()})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _limit_option(
    name: str, field: str, metavar: str, help_text: str
) -> Callable[[_Command], _Command]:
    default = getattr(Limits, field)
    return click.option(
        name,
        field,
        type=click.IntRange(1) if isinstance(default, int) else click.FloatRange(0, min_open=True),
        default=default,
        show_default=True,
        metavar=metavar,
        help=help_text,
    )


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--public-url",
    metavar="URL",
    callback=absolute_url,
    help="Begin the poll_url and image URLs of answers with this; for clients that reach the "
    "server by another address, such as http://mockhub:8080 between containers.  "
    "[default: the address listened on]",
)
@click.option(
    "--scenario",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    shell_complete=_complete_scenario,
    help="World to start in: a name that `mockhub scenarios` lists, or a YAML file.",
)
@click.option(
    "--seed",
    type=int,
    help="Make ids and pictures from this number instead of the scenario's; the same seed and "
    "requests give the same answers.",
)
@click.option(
    "--spec",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Follow this openapi.yaml instead of the one that comes along: other models, prices, "
    "limits.",
)
@click.option(
    "--image-format",
    type=click.Choice(["png", "jpeg", "webp"]),
    help="Draw images in this format.  [default: the scenario's, else png]",
)
@click.option(
    "--max-generations",
    type=click.IntRange(min=1),
    metavar="N",
    help="Remember this many generations, then forget the oldest.  [default: the scenario's, "
    "else 100000]",
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    default="info",
    show_default=True,
    help="info and debug: a line for every request; warning: for 5xx answers; error: only for "
    "answers that are mockhub's own mistake.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text for people; json for programs, an object a line, the first with base_url and keys.",
)
@click.option(
    "--control/--no-control",
    default=True,
    help="Serve the control plane under /_mockhub, or leave it out.  [default: control]",
)
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="MOCKHUB_CONTROL_TOKEN",
    show_envvar=True,
    help="Ask for this token at the control plane; needed where --host is not loopback.",
)
@click.option(
    "--mutant",
    metavar="NAME",
    shell_complete=_complete_mutant,
    help="Serve with one deliberate defect, of those that `mockhub mutants` lists; for people who "
    "write checks of their own. There is no control plane then.",
)
@_limit_option("--max-connections", "max_connections", "N", "Connections at a time.")
@_limit_option(
    "--max-header-size", "max_header_bytes", "BYTES", "Request line and headers together."
)
@_limit_option("--max-json-size", "max_json_bytes", "BYTES", "A JSON body.")
@_limit_option("--max-form-parts", "max_form_parts", "N", "Parts of a form.")
@_limit_option(
    "--idle-timeout", "idle_timeout", "SECONDS", "Of a client that sends, or should read."
)
@_limit_option(
    "--request-timeout", "request_timeout", "SECONDS", "A whole request's time to arrive."
)
def serve(**options: Any) -> None:
    """Serve the API until Ctrl-C or SIGTERM.

    Prints the address, the keys with their balances and a command to paste; then a line for
    every request: method, path, status, credits, milliseconds.

    \b
    mockhub serve --port 0                            on a free port
    mockhub serve --scenario slow                     asynchronous jobs take a while
    mockhub serve --scenario my.yaml --seed 7         your own world
    mockhub serve --log-format json > log.jsonl       for programs
    """
    from mockhub.cli.serve import run

    limit_values = {
        field.name: options.pop(field.name) for field in fields(Limits) if field.name in options
    }
    run(**options, limits=Limits(**limit_values))


@main.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--variants", "conforming", is_flag=True, help="List the conforming variants.")
@click.option("--markdown", is_flag=True, help="Write a Markdown table.")
def mutants(words: tuple[str, ...], conforming: bool, markdown: bool) -> None:
    """List the deliberate defects that a server can have, by clause.

    Each has a name for `mockhub serve --mutant NAME`. Words choose among them: those whose name,
    clause or description has all of the words.

    \b
    mockhub mutants                    all of them
    mockhub mutants LED-2              those that break the clause LED-2
    mockhub mutants balance stale      those with both words
    mockhub mutants --variants         servers that conform and read open points otherwise
    """
    from mockhub.mutants.listing import format_list

    click.echo(format_list(words, conforming=conforming, markdown=markdown))


@main.command()
def scenarios() -> None:
    """List the worlds that a server can start in, with their keys.

    Start in one with `mockhub serve --scenario NAME`, or in one of your own with --scenario FILE.
    """
    from mockhub.scenarios.loader import bundled_scenarios, load_scenario

    for scenario in map(load_scenario, bundled_scenarios().values()):
        click.secho(scenario.name, bold=True)
        click.echo(click.wrap_text(scenario.description, 78, "  ", "  "))
        for key, owner, _ in scenario.predefined_keys():
            click.echo(f"    {owner:<14} {key}")
        click.echo()


@main.command()
@click.option(
    "--spec",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this openapi.yaml instead of the one that comes along.",
)
def assumptions(spec: Path | None) -> None:
    """Tell what the documentation leaves open.

    For each open point: the clauses that it touches, its place in openapi.yaml, and how mockhub
    reads it.
    """
    from mockhub.spec.api_spec import load_spec

    for assumption in load_spec(spec or resource_path("openapi.yaml")).assumptions():
        click.secho(", ".join(assumption.clauses) or "-", bold=True)
        click.echo(f"  {assumption.pointer}")
        click.echo(click.wrap_text(assumption.why, 78, "  ", "  "))
        click.echo()


@main.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.pass_context
def inspect(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """Tell which request an image of the mock came from.

    Prints the model, prompt, size, seed and place among its siblings as JSON, an object a file;
    what is no image of the mock is told on stderr, and the exit code is 2.
    """
    import json

    from mockhub.images import renderer

    failed = False
    for file in files:
        try:
            metadata = renderer.read_metadata(file.read_bytes())
        except (OSError, ValueError) as error:
            failed = True
            click.echo(f"mockhub: {file}: {getattr(error, 'strerror', None) or error}", err=True)
        else:
            click.echo(json.dumps({"file": str(file), **metadata}, ensure_ascii=False, indent=2))
    ctx.exit(EXIT_USAGE_ERROR if failed else 0)
