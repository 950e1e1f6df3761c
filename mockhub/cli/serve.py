"""`mockhub serve`: its options; `run_server` does the work."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockhub._numbers import MAX_GENERATIONS, MAX_GENERATIONS_SIZE, MAX_INTEGER
from mockhub.cli._click import (
    SEED,
    Seconds,
    absolute_url,
    reject_options,
    reject_unused_token,
    spec_option,
)
from mockhub.cli.config_option import add_environment_variables, config_option
from mockhub.cli.options import ServeOptions
from mockhub.domain.provider import parse_outcome
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import parse_directives
from mockhub.web.limits import Limits

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_MAX_WORKERS = 64
_MAX_LIMIT = 2**31 - 1  # that the system can count
LOG_LEVELS = ("debug", "info", "warning", "error")


def _complete_scenario(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from mockhub.scenarios.loader import bundled_scenarios

    names = [name for name in bundled_scenarios() if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def _complete_mutant(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from mockhub.mutants.catalog import mutants, variants

    return sorted(name for name in {*mutants(), *variants()} if name.startswith(incomplete))


def _limit_option(
    name: str, field: str, metavar: str, help_text: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    default = getattr(Limits, field)
    return click.option(
        name,
        field,
        type=click.IntRange(1, _MAX_LIMIT) if isinstance(default, int) else Seconds(),
        default=default,
        metavar=metavar,
        help=help_text,
    )


class _Script(click.ParamType[str]):
    """Text that *parser* accepts; an environment variable holds several, separated by ;"""

    name = "text"
    envvar_list_splitter = ";"

    def __init__(self, parser: Callable[[str], object]) -> None:
        self._parser = parser

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            self._parser(value)
        except MockhubError as error:
            self.fail(str(error), param, ctx)
        return str(value)


@click.command()
@config_option
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--public-url",
    metavar="URL",
    callback=absolute_url,
    help="Base of the poll_url and of image URLs in responses, for clients that reach the server "
    "at another address, such as http://mockhub:8080 between containers.  "
    "[default: the address listened on]",
)
@click.option(
    "--scenario",
    default="default",
    metavar="NAME|FILE",
    shell_complete=_complete_scenario,
    help="Initial state: a name from `mockhub scenarios`, or a YAML file.",
)
@click.option(
    "--seed",
    type=SEED,
    help="Seed of ids and images, instead of the scenario's. The same seed and requests give the "
    "same responses.",
)
@click.option(
    "--credits",
    type=click.IntRange(0, MAX_INTEGER),
    metavar="N",
    help="Balance of the scenario's first account, instead of the scenario's.",
)
@click.option(
    "--arm",
    multiple=True,
    type=_Script(parse_directives),
    metavar="FAULT",
    help="Arm a fault, such as 'reset@after x1' or 'status=503 p=0.1'. Can be repeated.",
)
@click.option(
    "--provider",
    multiple=True,
    type=_Script(parse_outcome),
    metavar="OUTCOME",
    help="Outcome of a generation, such as fail or 'deliver=3 duration=2s', instead of the "
    "scenario's. Repeat it for the next ones; the last one repeats.",
)
@spec_option
@click.option(
    "--image-format",
    type=click.Choice(["png", "jpeg", "webp"]),
    help="Format of the images.  [default: the scenario's, else png]",
)
@click.option(
    "--max-generations",
    type=click.IntRange(1, MAX_GENERATIONS),
    metavar="N",
    help="Number of generations to keep; beyond it the oldest are evicted.  [default: the "
    "scenario's, else 100000]",
)
@click.option(
    "--max-generations-size",
    type=click.IntRange(1, MAX_GENERATIONS_SIZE),
    metavar="BYTES",
    help="Number of bytes of generations to keep; beyond it the oldest are evicted.  [default: the "
    "scenario's, else 268435456]",
)
@click.option(
    "--prompt-faults/--no-prompt-faults",
    default=None,
    help="Let [[...]] in a prompt inject faults, or read it as text.  [default: the scenario's, "
    "else --prompt-faults]",
)
@click.option(
    "--database",
    metavar="URL",
    help="Keep the hubs in a database, which other servers may share: sqlite:///FILE or "
    "postgresql://USER@HOST/NAME.  [default: in memory]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, _MAX_WORKERS),
    default=1,
    metavar="N",
    help="Number of processes that serve; more than one needs --database.",
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    default="info",
    help="debug and info log every request, warning only 5xx responses, error only responses "
    "that do not match the API spec, which are bugs of mockhub.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="text for people; json for programs: one object a line, the first with base_url and keys.",
)
@click.option(
    "--control/--no-control",
    default=True,
    help="Serve the control plane under /_mockhub, or not.",
)
@click.option(
    "--control-token",
    metavar="TOKEN",
    help="Token that the control plane requires; needed if --host is not loopback.",
)
@click.option("--open", is_flag=True, help="Open the page of the control plane in the browser.")
@click.option(
    "--watch",
    is_flag=True,
    help="Load the scenario and the API spec again when their files change. The default hub then "
    "is in its initial state; after an error the former state remains.",
)
@click.option(
    "--mutant",
    metavar="NAME",
    shell_complete=_complete_mutant,
    help="Serve with one deliberate defect from `mockhub mutants`, to test your own checks. "
    "Switches the control plane off.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Record every request of the API with its response in this directory, without API keys.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Send the recorded response to a request that is in this recording; to any other one, "
    "the simulation responds.",
)
@click.option(
    "--replay-only",
    is_flag=True,
    help="Respond with 404 and the nearest recorded request to one that is not in the recording.",
)
@_limit_option("--max-connections", "max_connections", "N", "Maximum number of open connections.")
@_limit_option(
    "--max-header-size",
    "max_header_bytes",
    "BYTES",
    "Maximum size of the request line and the headers together.",
)
@_limit_option("--max-json-size", "max_json_bytes", "BYTES", "Maximum size of a JSON body.")
@_limit_option("--max-form-parts", "max_form_parts", "N", "Maximum number of parts of a form.")
@_limit_option(
    "--idle-timeout",
    "idle_timeout",
    "SECONDS",
    "Maximum time without progress while a client sends a body or reads a response.",
)
@_limit_option(
    "--request-timeout", "request_timeout", "SECONDS", "Maximum time to receive a whole request."
)
def serve(**options: Any) -> None:
    """Serve the API until Ctrl-C or SIGTERM.

    Prints the address, the API keys with their balances and a curl command to try. Then logs
    each request in one line: time (UTC), method, path, status, credits, milliseconds.

    \b
    mockhub serve --port 0                            on a free port
    mockhub serve --scenario slow                     asynchronous generations take a while
    mockhub serve --scenario my.yaml --seed 7         with your own scenario
    mockhub serve --arm "reset@after x1" --credits 24 lose a response of a poor client
    mockhub serve --log-format json > log.jsonl       for programs
    mockhub serve --record cassette/                  write what happens to files
    mockhub serve --replay cassette/                  and respond with it again

    Each option can also be set by its environment variable, or in a file: --config.
    """
    context = click.get_current_context()
    reject_unused_token(context)
    if options["mutant"] and options["control"]:
        reject_options(context, "--mutant", ("control", "control_token"))
    gc.disable()  # until the server runs: the start leaves no garbage
    try:
        from mockhub.cli.run_server import run_server

        run_server(ServeOptions.from_params(options))
    finally:
        gc.enable()


add_environment_variables(serve)
