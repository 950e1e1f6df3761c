"""The commands of `mockhub ctl`, each one call of the control plane."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from mockhub.cli.ctl import tables
from mockhub.cli.ctl.client import ControlClient, url_path

_POLL_INTERVAL = 0.5  # seconds between two looks at a journal that is followed
_EXCHANGE_COLUMNS = (
    "number",
    "timestamp",
    "method",
    "target",
    "status",
    "code",
    "credits",
    "faults",
    "account",
)

Renderer = Callable[[Any], None]


class CtlContext:
    """A client, and whether answers are shown as JSON."""

    def __init__(self, client: ControlClient, as_json: bool) -> None:
        self.client = client
        self.as_json = as_json

    def output(self, response: Any, render: Renderer) -> None:
        """Print an answer for whom it is meant."""
        if isinstance(response, str):
            click.echo(response, nl=False)
        elif self.as_json:
            tables.print_json(response)
        else:
            render(response)


_pass_context = click.make_pass_decorator(CtlContext)


@click.group()
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    show_default=True,
    envvar="MOCKHUB_URL",
    help="Where the server is.",
)
@click.option(
    "--hub",
    default="default",
    show_default=True,
    envvar="MOCKHUB_HUB",
    help="The hub that is meant.",
)
@click.option(
    "--token", envvar="MOCKHUB_CONTROL_TOKEN", help="What --control-token of the server says."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def ctl(ctx: click.Context, url: str, hub: str, token: str | None, as_json: bool) -> None:
    """Ask a running server's control plane.

    \b
    mockhub ctl keys                        the keys of the default hub
    mockhub ctl grant documentation 500     more credits
    mockhub ctl arm-fault "reset@after x1"         lose the next answer
    mockhub ctl report                      what the client does wrong
    """
    ctx.obj = CtlContext(ControlClient(url, hub, token), as_json)


# -- hubs ----------------------------------------------------------------------------------------


@ctl.command()
@_pass_context
def hubs(context: CtlContext) -> None:
    """List the hubs."""
    columns = ("name", "base_url", "accounts", "keys", "generations", "exchanges")
    context.output(
        context.client.request("GET", "/hubs"), lambda got: tables.print_table(got["hubs"], columns)
    )


@ctl.command()
@_pass_context
def show(context: CtlContext) -> None:
    """Show the hub: what is in it, and whether its books are right."""
    context.output(context.client.hub_request("GET"), tables.print_object)


@ctl.command()
@click.argument("name", required=False)
@click.option("--scenario", help="A scenario that comes along; see `mockhub scenarios`.")
@click.option("--credits", type=int, help="Of a plain hub's account.")
@click.option("--seed", type=int, help="What ids, keys and pictures are made from.")
@click.option("--manual", is_flag=True, help="With a clock that moves only when told.")
@_pass_context
def create_hub(context: CtlContext, /, name: str | None, manual: bool, **fields: Any) -> None:
    """Make a hub, and print its raw key."""
    clock = {"kind": "manual"} if manual else None
    body = _without_none(name=name, clock=clock, **fields)
    context.output(context.client.request("POST", "/hubs", body), _show_created_hub)


def _show_created_hub(created: dict[str, Any]) -> None:
    tables.print_object(
        {**created["hub"], **{name: created[name] for name in ("key",) if name in created}}
    )


@ctl.command()
@click.argument("name", required=False)
@_pass_context
def fork(context: CtlContext, name: str | None) -> None:
    """Fork the hub under another name."""
    context.output(
        context.client.hub_request("POST", "/fork", _without_none(name=name)), tables.print_object
    )


@ctl.command()
@_pass_context
def reset(context: CtlContext) -> None:
    """Bring the hub back to its start."""
    context.output(context.client.hub_request("POST", "/reset"), tables.print_object)


@ctl.command()
@_pass_context
def delete_hub(context: CtlContext) -> None:
    """Drop the hub."""
    context.output(context.client.hub_request("DELETE"), tables.print_object)


# -- money and keys ------------------------------------------------------------------------------


@ctl.command()
@_pass_context
def accounts(context: CtlContext) -> None:
    """List the accounts."""
    columns = ("id", "account_type", "credits", "next_expiration", "keys")
    response = context.client.hub_request("GET", "/accounts")
    context.output(response, lambda got: tables.print_table(got["accounts"], columns))


@ctl.command()
@click.argument("account")
@click.argument("credits", type=int)
@click.option("--expires-in", metavar="DURATION", help="Such as 30d.")
@_pass_context
def grant(context: CtlContext, account: str, credits: int, expires_in: str | None) -> None:
    """Grant an account credits."""
    body = _without_none(credits=credits, expires_in=expires_in)
    route = url_path("accounts", account, "grants")
    context.output(context.client.hub_request("POST", route, body), tables.print_object)


@ctl.command()
@_pass_context
def keys(context: CtlContext) -> None:
    """List the keys."""
    columns = ("id", "name", "account", "expires_at", "revoked")
    response = context.client.hub_request("GET", "/keys")
    context.output(response, lambda got: tables.print_table(got["keys"], columns))


@ctl.command()
@click.argument("account")
@click.option("--name", help="What the list calls it.")
@click.option("--expires-in", metavar="DURATION", help="Such as 1h.")
@_pass_context
def create_key(context: CtlContext, /, account: str, **fields: Any) -> None:
    """Make a key for an account; it is shown once."""
    body = _without_none(account=account, **fields)
    context.output(context.client.hub_request("POST", "/keys", body), tables.print_object)


@ctl.command()
@click.argument("key")
@_pass_context
def revoke(context: CtlContext, key: str) -> None:
    """Revoke a key, by its id or name."""
    context.output(context.client.hub_request("DELETE", url_path("keys", key)), tables.print_object)


@ctl.command()
@click.argument("key")
@click.argument("duration")
@_pass_context
def expire_key(context: CtlContext, key: str, duration: str) -> None:
    """Let a key expire after a while, such as 10m or 0s."""
    body = {"expires_in": duration}
    context.output(
        context.client.hub_request("PATCH", url_path("keys", key), body), tables.print_object
    )


# -- generations, provider, faults, time ---------------------------------------------------------


@ctl.command()
@click.option("--status", help="Only those in this state.")
@click.option("--limit", type=int, default=20, show_default=True)
@_pass_context
def generations(context: CtlContext, status: str | None, limit: int) -> None:
    """List the last generations."""
    columns = ("id", "account", "status", "credits", "n", "size", "outcome", "prompt")
    response = context.client.hub_request("GET", "/generations", status=status, limit=limit)
    context.output(response, lambda got: tables.print_table(got["generations"], columns))


@ctl.command()
@click.argument("generation")
@click.argument("outcome", type=click.Choice(["succeeded", "failed"]))
@_pass_context
def complete(context: CtlContext, generation: str, outcome: str) -> None:
    """End a running generation by hand."""
    route = url_path("generations", generation, "complete")
    context.output(
        context.client.hub_request("POST", route, {"outcome": outcome}), tables.print_object
    )


@ctl.command()
@click.argument("outcomes", nargs=-1)
@_pass_context
def provider(context: CtlContext, outcomes: tuple[str, ...]) -> None:
    """Show the provider's script, or write it: an argument an outcome.

    \b
    mockhub ctl provider fail "deliver=3 duration=2s" duration=0s
    """
    body = {"script": list(outcomes)} if outcomes else None
    response = context.client.hub_request("PUT" if body else "GET", "/provider", body)
    context.output(response, tables.print_object)


@ctl.command()
@click.argument("fault")
@click.option("--prompt", help="Strike only requests whose prompt contains this.")
@_pass_context
def arm_fault(context: CtlContext, fault: str, prompt: str | None) -> None:
    """Arm a fault, such as "reset@after x1" or "status=503 p=0.1"."""
    body = _without_none(fault=fault, prompt=prompt)
    context.output(context.client.hub_request("POST", "/faults", body), _show_faults)


@ctl.command()
@click.option("--clear", is_flag=True, help="Disarm all of them.")
@_pass_context
def faults(context: CtlContext, clear: bool) -> None:
    """List the armed faults."""
    context.output(
        context.client.hub_request("DELETE" if clear else "GET", "/faults"), _show_faults
    )


def _show_faults(response: dict[str, Any]) -> None:
    columns = ("fault", "operation", "prompt", "times", "p", "nth", "evaluated", "fired")
    tables.print_table(response["faults"], columns)


@ctl.command()
@click.option("--manual", "kind", flag_value="manual", help="Moves only when told.")
@click.option("--system", "kind", flag_value="system", help="The machine's own time.")
@click.option("--mode", help="Of a manual clock: autojump or hold.")
@_pass_context
def clock(context: CtlContext, kind: str | None, mode: str | None) -> None:
    """Show the clock, or change its kind."""
    body = _without_none(kind=kind, mode=mode)
    response = context.client.hub_request("PATCH" if body else "GET", "/clock", body or None)
    context.output(response, tables.print_object)


@ctl.command()
@click.argument("duration", required=False)
@_pass_context
def advance(context: CtlContext, duration: str | None) -> None:
    """Move a manual clock on by a DURATION, or to what falls due next."""
    if duration is None:
        context.output(context.client.hub_request("POST", "/clock/next"), tables.print_object)
    else:
        body = {"by": duration}
        context.output(
            context.client.hub_request("POST", "/clock/advance", body), tables.print_object
        )


# -- what passed ---------------------------------------------------------------------------------


@ctl.command()
@click.option(
    "--min-poll-interval", metavar="DURATION", help="The pause between polls that you want."
)
@_pass_context
def report(context: CtlContext, min_poll_interval: str | None) -> None:
    """Tell what the client does wrong, and what it never met."""
    response = context.client.hub_request("GET", "/report", min_poll_interval=min_poll_interval)
    context.output(response, tables.print_report)


@ctl.command()
@click.option("--limit", type=int, default=20, show_default=True, help="How many at most.")
@click.option("--status", type=int, help="Only those with this status.")
@click.option("--operation", help="Only those of this operation.")
@click.option("--account", help="Only those of this account.")
@click.option("--har", "export_format", flag_value="har", help="As an HTTP archive, for a browser.")
@click.option("--curl", "export_format", flag_value="curl", help="As commands to paste.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what passes from now on.")
@_pass_context
def journal(
    context: CtlContext, /, export_format: str | None, follow: bool, **filters: Any
) -> None:
    """Show the last exchanges."""
    response = context.client.hub_request("GET", "/journal", format=export_format, **filters)
    if export_format == "har":
        tables.print_json(response)
        return
    context.output(response, _show_exchanges)
    while follow and export_format is None:
        time.sleep(_POLL_INTERVAL)
        last_number = max(
            (one["number"] for one in response["exchanges"]), default=response["total"]
        )
        response = context.client.hub_request("GET", "/journal", since=last_number, **filters)
        if response["exchanges"]:
            context.output(response, _show_exchanges)


def _show_exchanges(response: dict[str, Any]) -> None:
    tables.print_table(response["exchanges"], _EXCHANGE_COLUMNS)


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
