"""The group `mockhub ctl`: its options, and what its commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from mockhub._text import printable
from mockhub.cli.ctl import tables
from mockhub.cli.ctl.client import ControlClient, Json
from mockhub.cli.ctl.completion import complete_hub

Renderer = Callable[[Json], None]


@dataclass(frozen=True)
class CtlContext:
    """The client, and whether responses are printed as JSON."""

    client: ControlClient
    as_json: bool

    def send(
        self,
        method: str,
        route: str = "",
        body: object = None,
        *,
        render: Renderer = tables.print_object,
        **query: object,
    ) -> None:
        """Send a request to a path below the hub's own, and print the response."""
        self.output(self.client.hub_request(method, route, body, **query), render)

    def output(self, response: Json | str, render: Renderer) -> None:
        if isinstance(response, str):
            click.echo(printable(response, keep="\n"), nl=False)
        elif self.as_json:
            tables.print_json(response)
        else:
            render(response)


pass_context = click.make_pass_decorator(CtlContext)


def table(field: str, *columns: str) -> Renderer:
    return lambda response: tables.TablePrinter(columns).print(response[field])


class _OptionsAnywhere(click.Group):
    """A group whose own options can also follow the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {
            name: option.is_flag
            for option in self.params
            if isinstance(option, click.Option)
            for name in option.opts
        }
        first: list[str] = []
        others: list[str] = []
        words = iter(args)
        for word in words:
            name, equals, _ = word.partition("=")
            if word == "--":
                others += [word, *words]
            elif name not in own:
                others.append(word)
            else:
                has_value = not (equals or own[name])
                first += [word, *([next(words, "")] if has_value else [])]
        return super().parse_args(ctx, [*first, *others])


@click.group(cls=_OptionsAnywhere)
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    envvar="MOCKHUB_URL",
    show_envvar=True,
    help="Address of the server.",
)
@click.option(
    "--hub",
    default="default",
    envvar="MOCKHUB_HUB",
    show_envvar=True,
    shell_complete=complete_hub,
    help="Name of the hub to use.",
)
@click.option(
    "--token",
    envvar="MOCKHUB_CONTROL_TOKEN",
    show_envvar=True,
    help="The server's --control-token.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def ctl(ctx: click.Context, url: str, hub: str, token: str | None, as_json: bool) -> None:
    """Control a running server through its control plane.

    \b
    mockhub ctl keys                          list the keys of the default hub
    mockhub ctl grant documentation 500       add credits to an account
    mockhub ctl arm-fault "reset@after x1"    lose the next response
    mockhub ctl report                        show what the client does wrong
    mockhub ctl keys --hub test_a --json      the options below can follow the command
    """
    ctx.obj = CtlContext(ControlClient(url, hub, token), as_json)


def without_none(**fields: Any) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
