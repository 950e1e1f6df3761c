"""`mockhub ctl`: commands for the control plane of a running server, one request each."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mockhub._text import printable
from mockhub.cli._click import SEED
from mockhub.cli.ctl import tables
from mockhub.cli.ctl.client import ControlClient, Json, url_path
from mockhub.cli.ctl.completion import complete_account, complete_hub, complete_key
from mockhub.domain.hub_registry import DEFAULT

_POLL_INTERVAL = 0.5  # seconds between two requests of `journal --follow`
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

Renderer = Callable[[Json], None]


class CtlContext:
    """The client, and whether responses are printed as JSON."""

    def __init__(self, client: ControlClient, as_json: bool) -> None:
        self.client = client
        self.as_json = as_json

    def output(self, response: Json | str, render: Renderer = tables.print_object) -> None:
        if isinstance(response, str):
            click.echo(printable(response, keep="\n"), nl=False)
        elif self.as_json:
            tables.print_json(response)
        else:
            render(response)


_pass_context = click.make_pass_decorator(CtlContext)


def _table(field: str, *columns: str) -> Renderer:
    return lambda response: tables.print_table(response[field], columns)


_print_faults = _table(
    "faults",
    "number",
    "fault",
    "operation",
    "prompt",
    "times",
    "p",
    "nth",
    "expires_at",
    "evaluated",
    "fired",
)
_print_exchanges = _table("exchanges", *_EXCHANGE_COLUMNS)


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
    show_default=True,
    envvar="MOCKHUB_URL",
    show_envvar=True,
    help="Address of the server.",
)
@click.option(
    "--hub",
    default="default",
    show_default=True,
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


# -- hubs ----------------------------------------------------------------------------------------


_replace_option = click.option(
    "--replace",
    is_flag=True,
    default=None,
    help="Delete a hub of that name first, which a killed run may have left.",
)


@ctl.command()
@_pass_context
def hubs(context: CtlContext) -> None:
    """List the hubs."""
    render = _table("hubs", "name", "base_url", "accounts", "keys", "generations", "exchanges")
    context.output(context.client.request("GET", "/hubs"), render)


@ctl.command()
@_pass_context
def show(context: CtlContext) -> None:
    """Show the hub: its contents, and the result of its ledger audit."""
    context.output(context.client.hub_request("GET"))


@ctl.command()
@click.argument("name", required=False)
@click.option("--scenario", help="A name from `mockhub scenarios`, instead of an empty hub.")
@click.option("--credits", type=int, help="Balance of the account of a hub that has no --scenario.")
@click.option("--seed", type=SEED, help="Seed of ids, keys and images.")
@click.option("--manual", is_flag=True, help="Use a clock that only `advance` moves.")
@click.option(
    "--no-prompt-faults",
    "prompt_faults",
    flag_value=False,
    type=bool,
    help="Read [[...]] in prompts as text, not as faults.",
)
@_replace_option
@_pass_context
def create_hub(context: CtlContext, /, name: str | None, manual: bool, **fields: Any) -> None:
    """Create a hub, and print its API key."""
    clock = {"kind": "manual"} if manual else None
    body = _without_none(name=name, clock=clock, **fields)
    context.output(context.client.request("POST", "/hubs", body), _print_created_hub)


def _print_created_hub(created: Json) -> None:
    key = {"key": created["key"]} if "key" in created else {}
    tables.print_object(created["hub"] | key)


@ctl.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_pass_context
def load(context: CtlContext, file: Path) -> None:
    """Create the hub from a scenario FILE, in place of one of that name.

    \b
    mockhub ctl --hub staging load staging.yaml
    """
    if context.client.hub == DEFAULT:
        raise click.UsageError(
            "the default hub keeps the scenario of `mockhub serve --scenario`; name another one, "
            f"as in `mockhub ctl --hub {file.stem} load {file}`"
        )
    from mockhub.scenarios.loader import load_scenario

    body: Json = {"name": context.client.hub, "replace": True}
    body["scenario_definition"] = dict(load_scenario(file).content)
    context.output(context.client.request("POST", "/hubs", body), _print_created_hub)


@ctl.command()
@click.argument("name", required=False)
@_replace_option
@_pass_context
def fork(context: CtlContext, /, **fields: Any) -> None:
    """Copy the hub to a new one with another name."""
    context.output(context.client.hub_request("POST", "/fork", _without_none(**fields)))


@ctl.command()
@_pass_context
def reset(context: CtlContext) -> None:
    """Restore the initial state of the hub."""
    context.output(context.client.hub_request("POST", "/reset"))


@ctl.command()
@click.option("--image-format", help="Format of the images: png, jpeg or webp.")
@click.option("--seed", type=SEED, help="Seed of the ids, keys and images from now on.")
@click.option("--max-generations", type=int, metavar="N", help="Number of generations to keep.")
@click.option(
    "--prompt-faults/--no-prompt-faults",
    default=None,
    help="Let [[...]] in a prompt inject faults, or read it as text.",
)
@_pass_context
def update_hub(context: CtlContext, /, **fields: Any) -> None:
    """Change settings of the hub, such as the format of its images."""
    body = _without_none(**fields)
    if not body:
        raise click.UsageError("give an option, such as --image-format webp")
    context.output(context.client.hub_request("PATCH", "", body))


@ctl.command()
@_pass_context
def delete_hub(context: CtlContext) -> None:
    """Delete the hub."""
    context.output(context.client.hub_request("DELETE"))


# -- accounts, credits, keys -----------------------------------------------------------------------


@ctl.command()
@_pass_context
def accounts(context: CtlContext) -> None:
    """List the accounts with their balances."""
    render = _table("accounts", "id", "account_type", "credits", "next_expiration", "keys")
    context.output(context.client.hub_request("GET", "/accounts"), render)


@ctl.command()
@click.argument("account", shell_complete=complete_account)
@click.argument("credits", type=int)
@click.option("--expires-in", metavar="DURATION", help="Expire them after this, such as 30d.")
@_pass_context
def grant(context: CtlContext, account: str, credits: int, expires_in: str | None) -> None:
    """Grant credits to an account."""
    body = _without_none(credits=credits, expires_in=expires_in)
    context.output(
        context.client.hub_request("POST", url_path("accounts", account, "grants"), body)
    )


@ctl.command()
@click.argument("account", shell_complete=complete_account)
@click.option("--generation", help="Only the entries of this generation.")
@click.option("--limit", type=int, default=20, show_default=True, help="Maximum number to list.")
@_pass_context
def ledger(context: CtlContext, /, account: str, **filters: Any) -> None:
    """List the last ledger entries of an account, with the balance after each."""
    render = _table(
        "entries", "number", "created_at", "kind", "credits", "balance", "lot", "generation"
    )
    path = url_path("accounts", account, "entries")
    context.output(context.client.hub_request("GET", path, **filters), render)


@ctl.command()
@_pass_context
def keys(context: CtlContext) -> None:
    """List the API keys."""
    render = _table("keys", "id", "name", "account", "expires_at", "status")
    context.output(context.client.hub_request("GET", "/keys"), render)


@ctl.command()
@click.argument("account", shell_complete=complete_account)
@click.option("--name", help="A name that the list of keys shows.")
@click.option("--expires-in", metavar="DURATION", help="Expire it after this, such as 1h.")
@_pass_context
def create_key(context: CtlContext, /, account: str, **fields: Any) -> None:
    """Create an API key for an account. It is shown once."""
    body = _without_none(account=account, **fields)
    context.output(context.client.hub_request("POST", "/keys", body))


@ctl.command()
@click.argument("key", shell_complete=complete_key)
@_pass_context
def revoke(context: CtlContext, key: str) -> None:
    """Revoke an API key, by its id or name."""
    context.output(context.client.hub_request("DELETE", url_path("keys", key)))


@ctl.command()
@click.argument("key", shell_complete=complete_key)
@click.argument("duration")
@_pass_context
def expire_key(context: CtlContext, key: str, duration: str) -> None:
    """Expire an API key, by its id or name, after a duration such as 10m or 0s."""
    body = {"expires_in": duration}
    context.output(context.client.hub_request("PATCH", url_path("keys", key), body))


# -- generations, provider, faults, time ---------------------------------------------------------


@ctl.command()
@click.option("--status", help="Only those with this status, such as queued.")
@click.option("--limit", type=int, default=20, show_default=True, help="Maximum number to list.")
@_pass_context
def generations(context: CtlContext, status: str | None, limit: int) -> None:
    """List the latest generations."""
    render = _table(
        "generations", "id", "account", "status", "credits", "n", "size", "outcome", "prompt"
    )
    response = context.client.hub_request("GET", "/generations", status=status, limit=limit)
    context.output(response, render)


@ctl.command()
@click.argument("generation")
@click.argument("outcome", type=click.Choice(["succeeded", "failed"]))
@_pass_context
def complete(context: CtlContext, generation: str, outcome: str) -> None:
    """Complete a running generation."""
    route = url_path("generations", generation, "complete")
    context.output(context.client.hub_request("POST", route, {"outcome": outcome}))


@ctl.command()
@click.argument("outcomes", nargs=-1)
@_pass_context
def provider(context: CtlContext, outcomes: tuple[str, ...]) -> None:
    """Show the script of the provider, or replace it: one outcome for each generation.

    The last outcome repeats.

    \b
    mockhub ctl provider fail "deliver=3 duration=2s" duration=0s
    """
    body = {"script": list(outcomes)} if outcomes else None
    context.output(context.client.hub_request("PUT" if body else "GET", "/provider", body))


@ctl.command()
@click.argument("fault")
@click.option("--prompt", help="Fire only for prompts that contain this.")
@_pass_context
def arm_fault(context: CtlContext, fault: str, prompt: str | None) -> None:
    """Arm a fault, such as "reset@after x1" or "status=503 p=0.1"."""
    body = _without_none(fault=fault, prompt=prompt)
    context.output(context.client.hub_request("POST", "/faults", body), _print_faults)


@ctl.command()
@click.option("--clear", is_flag=True, help="Disarm all of them.")
@click.option("--disarm", metavar="NUMBER", help="Disarm the one with this number.")
@_pass_context
def faults(context: CtlContext, clear: bool, disarm: str | None) -> None:
    """List the armed faults."""
    path = url_path("faults", disarm) if disarm else "/faults"
    response = context.client.hub_request("DELETE" if clear or disarm else "GET", path)
    context.output(response, _print_faults)


@ctl.command()
@_pass_context
def fault_types(context: CtlContext) -> None:
    """List the faults that exist."""
    render = _table("faults", "name", "target", "phases", "argument", "summary")
    context.output(context.client.request("GET", "/fault-types"), render)


@ctl.command()
@click.option(
    "--manual", "kind", flag_value="manual", help="Use a clock that only `advance` moves."
)
@click.option("--system", "kind", flag_value="system", help="Use the machine's clock.")
@click.option(
    "--mode",
    help="Of a manual clock: autojump moves it when a request waits, hold makes the request wait.",
)
@_pass_context
def clock(context: CtlContext, kind: str | None, mode: str | None) -> None:
    """Show the clock, or replace it."""
    body = _without_none(kind=kind, mode=mode)
    response = context.client.hub_request("PATCH" if body else "GET", "/clock", body or None)
    context.output(response)


@ctl.command()
@click.argument("duration", required=False)
@_pass_context
def advance(context: CtlContext, duration: str | None) -> None:
    """Advance a manual clock by a DURATION such as 30s, or to the next event."""
    if duration is None:
        context.output(context.client.hub_request("POST", "/clock/next"))
    else:
        context.output(context.client.hub_request("POST", "/clock/advance", {"by": duration}))


# -- journal and client report -------------------------------------------------------------------


@ctl.command()
@click.option(
    "--min-poll-interval",
    metavar="DURATION",
    help="Report polls that follow each other faster than this, such as 500ms.",
)
@_pass_context
def report(context: CtlContext, min_poll_interval: str | None) -> None:
    """Show what the client does wrong, and what of the API it has not used."""
    response = context.client.hub_request("GET", "/report", min_poll_interval=min_poll_interval)
    context.output(response, tables.print_report)


@ctl.command()
@click.option("--limit", type=int, default=20, show_default=True, help="Maximum number to show.")
@click.option("--status", type=int, help="Only those with this status.")
@click.option("--operation", help="Only those of this operation, such as get_credits.")
@click.option("--account", shell_complete=complete_account, help="Only those of this account.")
@click.option("--har", "export_format", flag_value="har", help="Print a HAR file, for a browser.")
@click.option("--curl", "export_format", flag_value="curl", help="Print curl commands.")
@click.option("--follow", "-f", is_flag=True, help="Print further exchanges as they happen.")
@_pass_context
def journal(
    context: CtlContext, /, export_format: str | None, follow: bool, **filters: Any
) -> None:
    """Show the latest exchanges."""
    response = context.client.hub_request("GET", "/journal", format=export_format, **filters)
    if export_format == "har":
        tables.print_json(response)
        return
    context.output(response, _print_exchanges)
    while follow and export_format is None:
        time.sleep(_POLL_INTERVAL)
        last_number = max(
            (one["number"] for one in response["exchanges"]), default=response["total"]
        )
        response = context.client.hub_request("GET", "/journal", since=last_number, **filters)
        if response["exchanges"]:
            context.output(response, _print_exchanges)


def _without_none(**fields: Any) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
