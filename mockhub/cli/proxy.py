"""`mockhub proxy`: its options; `run_proxy` does the work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from mockhub._numbers import MAX_INTEGER
from mockhub.cli._click import Seconds, absolute_url, reject_unused_token
from mockhub.cli.config_option import add_environment_variables, config_option
from mockhub.cli.options import LIMIT_NAMES, ProxyOptions, ServerOptions
from mockhub.cli.serve import serve
from mockhub.exceptions import MockhubError

_F = TypeVar("_F", bound=Callable[..., Any])
_DEFAULT_PORT = 8081
_OPTIONS_OF_SERVE = LIMIT_NAMES | {one.name for one in fields(ServerOptions)} - {"port"}


def _state_option(help_text: str, **settings: Any) -> Callable[[_F], _F]:
    path = click.Path(path_type=Path, dir_okay=False)
    return click.option("--state", type=path, metavar="FILE", help=help_text, **settings)


def _report_option(kind: str) -> Callable[[_F], _F]:
    return click.option(
        f"--report-{kind}",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=f"Write the findings and the credits spent as {kind.upper()} at the end.",
    )


@click.group(invoke_without_command=True)
@config_option
@click.option(
    "--target",
    metavar="URL",
    callback=absolute_url,
    help="The service, such as https://gptimagehub.com/api/v1.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_DEFAULT_PORT,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Certificates (PEM) of the authorities that the target's certificate may be from, instead "
    "of the system's.",
)
@click.option(
    "--upstream-timeout",
    type=Seconds(),
    metavar="SECONDS",
    help="Maximum time until the target responds.  [default: 10 s more than the documented limit]",
)
@click.option(
    "--rewrite-images",
    is_flag=True,
    help="Let image URLs in responses lead to the proxy, for clients that cannot reach the images.",
)
@click.option(
    "--budget",
    type=click.IntRange(0, MAX_INTEGER),
    metavar="N",
    help="Credits that may be spent in all, by the prices of the API spec; a request beyond them "
    "gets a 402 and is not sent.",
)
@click.option(
    "--repeats",
    type=click.Choice(["reject", "replay", "allow"]),
    default="reject",
    help="What a repeat of a request gets whose response was lost: a 409, the response to the "
    "first one, or a second generation.",
)
@click.option(
    "--repeat-window",
    type=Seconds(),
    default=900,
    metavar="SECONDS",
    help="How long after it a request counts as such a repeat.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Send 502 upstreamViolation in place of a response that breaks the contract.",
)
@click.option(
    "--exclusive",
    is_flag=True,
    help="No other client uses the accounts: a balance that the exchanges do not explain is a "
    "violation, not a warning.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["violation", "warning", "never"]),
    default="never",
    help="Exit with 1 at Ctrl-C or SIGTERM if there was such a finding about the service.",
)
@_report_option("json")
@_report_option("html")
@_report_option("junit")
@_state_option("Keep the credits spent and the lost responses in this file, over restarts.")
@click.pass_context
def proxy(ctx: click.Context, /, **options: Any) -> None:
    """Forward requests to the real service until Ctrl-C or SIGTERM.

    Point a client at the printed address instead of the service, with its own API key, which is
    passed on and stored nowhere.

    \b
    mockhub proxy --target https://gptimagehub.com/api/v1
    mockhub proxy --target https://gptimagehub.com/api/v1 --budget 40 --state spent.json
    mockhub proxy status --state spent.json
    """
    if ctx.invoked_subcommand:
        return
    if options["target"] is None:
        raise click.UsageError("--target is missing; expected the URL of the service")
    reject_unused_token(ctx)
    from mockhub.cli.run_proxy import run_proxy

    run_proxy(ProxyOptions.from_params(options))


@proxy.command()
@_state_option("The file that --state of the proxy names.", required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(state: Path, as_json: bool) -> None:
    """Print what a proxy has spent, from its file, whether it runs or not."""
    from mockhub.proxy.guard_state import StateFile

    found = StateFile(state).load()
    if found is None:
        raise MockhubError(f"{state}: there is no such file; expected one of --state of the proxy")
    values = found.as_json()
    if as_json:
        click.echo(json.dumps(values))
        return
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' '):<16} {'none' if value is None else value}")


proxy.params += [option for option in serve.params if option.name in _OPTIONS_OF_SERVE]
add_environment_variables(proxy)
