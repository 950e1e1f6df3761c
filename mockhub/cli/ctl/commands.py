"""`mockhub ctl`: commands for the control plane of a running server, one request each."""

from __future__ import annotations

from typing import Any

import click

from mockhub.cli._click import reject_together
from mockhub.cli.ctl import (
    hubs,  # noqa: F401  (adds its commands to the group)
    tables,
)
from mockhub.cli.ctl.client import url_path
from mockhub.cli.ctl.completion import complete_account, complete_key
from mockhub.cli.ctl.follow import follow_journal
from mockhub.cli.ctl.group import CtlContext, ctl, pass_context, table, without_none

_print_faults = table(
    "faults",
    *("number", "fault", "operation", "prompt", "times", "p", "nth", "expires_at"),
    *("evaluated", "fired"),
)
_EXCHANGE_COLUMNS = (
    *("number", "timestamp", "method", "target", "status", "code", "credits", "faults"),
    "account",
)


# -- accounts, credits, keys -----------------------------------------------------------------------


@ctl.command()
@pass_context
def accounts(context: CtlContext) -> None:
    """List the accounts with their balances."""
    render = table("accounts", "id", "account_type", "credits", "next_expiration", "keys")
    context.send("GET", "/accounts", render=render)


@ctl.command()
@click.argument("account", shell_complete=complete_account)
@click.argument("credits", type=int)
@click.option("--expires-in", metavar="DURATION", help="Expire them after this, such as 30d.")
@pass_context
def grant(context: CtlContext, account: str, credits: int, expires_in: str | None) -> None:
    """Grant credits to an account."""
    body = without_none(credits=credits, expires_in=expires_in)
    context.send("POST", url_path("accounts", account, "grants"), body)


@ctl.command()
@click.argument("account", shell_complete=complete_account)
@click.option("--generation", help="Only the entries of this generation.")
@click.option("--limit", type=int, default=20, help="Maximum number to list.")
@pass_context
def ledger(context: CtlContext, /, account: str, **filters: Any) -> None:
    """List the last ledger entries of an account, with the balance after each."""
    render = table(
        "entries", "number", "created_at", "kind", "credits", "balance", "lot", "generation"
    )
    context.send("GET", url_path("accounts", account, "entries"), render=render, **filters)


@ctl.command()
@pass_context
def keys(context: CtlContext) -> None:
    """List the API keys."""
    render = table("keys", "id", "name", "account", "expires_at", "status")
    context.send("GET", "/keys", render=render)


@ctl.command()
@click.argument("account", shell_complete=complete_account)
@click.option("--name", help="A name that the list of keys shows.")
@click.option("--expires-in", metavar="DURATION", help="Expire it after this, such as 1h.")
@pass_context
def create_key(context: CtlContext, /, account: str, **fields: Any) -> None:
    """Create an API key for an account. It is shown once."""
    context.send("POST", "/keys", without_none(account=account, **fields))


@ctl.command()
@click.argument("key", shell_complete=complete_key)
@pass_context
def revoke(context: CtlContext, key: str) -> None:
    """Revoke an API key, by its id or name."""
    context.send("DELETE", url_path("keys", key))


@ctl.command()
@click.argument("key", shell_complete=complete_key)
@click.argument("duration")
@pass_context
def expire_key(context: CtlContext, key: str, duration: str) -> None:
    """Expire an API key, by its id or name, after a duration such as 10m or 0s."""
    context.send("PATCH", url_path("keys", key), {"expires_in": duration})


# -- generations, provider, faults, time ---------------------------------------------------------


@ctl.command()
@click.option("--status", help="Only those with this status, such as queued.")
@click.option("--limit", type=int, default=20, help="Maximum number to list.")
@pass_context
def generations(context: CtlContext, /, **filters: Any) -> None:
    """List the latest generations."""
    render = table(
        "generations", "id", "account", "status", "credits", "n", "size", "outcome", "prompt"
    )
    context.send("GET", "/generations", render=render, **filters)


@ctl.command()
@click.argument("generation")
@click.argument("outcome", type=click.Choice(["succeeded", "failed"]))
@pass_context
def complete(context: CtlContext, generation: str, outcome: str) -> None:
    """Complete a running generation."""
    route = url_path("generations", generation, "complete")
    context.send("POST", route, {"outcome": outcome})


@ctl.command()
@click.argument("outcomes", nargs=-1)
@pass_context
def provider(context: CtlContext, outcomes: tuple[str, ...]) -> None:
    """Show the script of the provider, or replace it: one outcome for each generation.

    The last outcome repeats.

    \b
    mockhub ctl provider fail "deliver=3 duration=2s" duration=0s
    """
    body = {"script": list(outcomes)} if outcomes else None
    context.send("PUT" if body else "GET", "/provider", body)


@ctl.command()
@click.argument("fault")
@click.option("--prompt", help="Fire only for prompts that contain this.")
@pass_context
def arm_fault(context: CtlContext, fault: str, prompt: str | None) -> None:
    """Arm a fault, such as "reset@after x1" or "status=503 p=0.1"."""
    body = without_none(fault=fault, prompt=prompt)
    context.send("POST", "/faults", body, render=_print_faults)


@ctl.command()
@click.option("--clear", is_flag=True, help="Disarm all of them.")
@click.option("--disarm", metavar="NUMBER", help="Disarm the one with this number.")
@pass_context
def faults(context: CtlContext, clear: bool, disarm: str | None) -> None:
    """List the armed faults."""
    reject_together(clear=clear, disarm=disarm)
    path = url_path("faults", disarm) if disarm else "/faults"
    context.send("DELETE" if clear or disarm else "GET", path, render=_print_faults)


@ctl.command()
@pass_context
def fault_types(context: CtlContext) -> None:
    """List the faults that exist."""
    render = table("faults", "name", "target", "phases", "argument", "summary")
    context.output(context.client.request("GET", "/fault-types"), render)


@ctl.command()
@click.option("--manual", is_flag=True, help="Use a clock that only `advance` moves.")
@click.option("--system", is_flag=True, help="Use the machine's clock.")
@click.option(
    "--mode",
    help="Of a manual clock: autojump moves it when a request waits, hold makes the request wait.",
)
@pass_context
def clock(context: CtlContext, manual: bool, system: bool, mode: str | None) -> None:
    """Show the clock, or replace it."""
    reject_together(manual=manual, system=system)
    kind = "manual" if manual else "system" if system else None
    body = without_none(kind=kind, mode=mode)
    context.send("PATCH" if body else "GET", "/clock", body or None)


@ctl.command()
@click.argument("duration", required=False)
@pass_context
def advance(context: CtlContext, duration: str | None) -> None:
    """Advance a manual clock by a DURATION such as 30s, or to the next event."""
    if duration is None:
        context.send("POST", "/clock/next")
    else:
        context.send("POST", "/clock/advance", {"by": duration})


# -- journal and client report -------------------------------------------------------------------


@ctl.command()
@click.option(
    "--min-poll-interval",
    metavar="DURATION",
    help="Report polls that follow each other faster than this, such as 500ms.",
)
@pass_context
def report(context: CtlContext, /, **query: Any) -> None:
    """Show what the client does wrong, and what of the API it has not used."""
    context.send("GET", "/report", render=tables.print_report, **query)


@ctl.command()
@click.option("--limit", type=int, default=20, help="Maximum number to show.")
@click.option("--status", type=int, help="Only those with this status.")
@click.option("--operation", help="Only those of this operation, such as get_credits.")
@click.option("--account", shell_complete=complete_account, help="Only those of this account.")
@click.option("--har", is_flag=True, help="Print a HAR file, for a browser.")
@click.option("--curl", is_flag=True, help="Print curl commands.")
@click.option("--follow", "-f", is_flag=True, help="Print each further one as it happens.")
@pass_context
def journal(context: CtlContext, /, har: bool, curl: bool, follow: bool, **filters: Any) -> None:
    """Show the latest exchanges."""
    reject_together(follow=follow, har=har, curl=curl)
    reject_together(json=context.as_json, curl=curl)
    export_format = "har" if har else "curl" if curl else None
    if follow:
        follow_journal(context, _EXCHANGE_COLUMNS, **filters)
    response = context.client.hub_request("GET", "/journal", format=export_format, **filters)
    if har:
        tables.print_json(response)
    else:
        context.output(response, table("exchanges", *_EXCHANGE_COLUMNS))
