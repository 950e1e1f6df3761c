"""The commands of `mockhub ctl`, each one call of the control plane."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from mockhub.ctl import tables
from mockhub.ctl.client import Client, path

_PAUSE = 0.5  # seconds between two looks at a journal that is followed
_EXCHANGE = ("number", "at", "method", "target", "status", "code", "credits", "faults", "account")

Show = Callable[[Any], None]


class Shell:
    """A client, and whether answers are shown as JSON."""

    def __init__(self, client: Client, as_json: bool) -> None:
        self.client = client
        self.as_json = as_json

    def show(self, answer: Any, show: Show) -> None:
        """Print an answer for whom it is meant."""
        if isinstance(answer, str):
            click.echo(answer, nl=False)
        elif self.as_json:
            tables.show_json(answer)
        else:
            show(answer)


_shell = click.make_pass_decorator(Shell)


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
    mockhub ctl arm "drop@after x1"         lose the next answer
    mockhub ctl report                      what the client does wrong
    """
    ctx.obj = Shell(Client(url, hub, token), as_json)


# -- hubs ----------------------------------------------------------------------------------------


@ctl.command()
@_shell
def hubs(shell: Shell) -> None:
    """List the hubs."""
    columns = ("name", "base_url", "accounts", "keys", "generations", "exchanges")
    shell.show(shell.client.call("GET", "/hubs"), lambda got: tables.table(got["hubs"], columns))


@ctl.command()
@_shell
def show(shell: Shell) -> None:
    """Show the hub: what is in it, and whether its books are right."""
    shell.show(shell.client.of_hub("GET"), tables.pairs)


@ctl.command()
@click.argument("name", required=False)
@click.option("--scenario", help="A scenario that comes along; see `mockhub scenarios`.")
@click.option("--credits", type=int, help="Of a plain hub's account.")
@click.option("--seed", type=int, help="What ids, keys and pictures are made from.")
@click.option("--manual", is_flag=True, help="With a clock that moves only when told.")
@_shell
def make(shell: Shell, /, name: str | None, manual: bool, **wanted: Any) -> None:
    """Make a hub, and print its raw key."""
    clock = {"kind": "manual"} if manual else None
    body = _given(name=name, clock=clock, **wanted)
    shell.show(shell.client.call("POST", "/hubs", body), _show_made)


def _show_made(made: dict[str, Any]) -> None:
    tables.pairs({**made["hub"], **{name: made[name] for name in ("key",) if name in made}})


@ctl.command()
@click.argument("name", required=False)
@_shell
def fork(shell: Shell, name: str | None) -> None:
    """Fork the hub under another name."""
    shell.show(shell.client.of_hub("POST", "/fork", _given(name=name)), tables.pairs)


@ctl.command()
@_shell
def reset(shell: Shell) -> None:
    """Bring the hub back to its start."""
    shell.show(shell.client.of_hub("POST", "/reset"), tables.pairs)


@ctl.command()
@_shell
def drop(shell: Shell) -> None:
    """Drop the hub."""
    shell.show(shell.client.of_hub("DELETE"), tables.pairs)


# -- money and keys ------------------------------------------------------------------------------


@ctl.command()
@_shell
def accounts(shell: Shell) -> None:
    """List the accounts."""
    columns = ("id", "account_type", "credits", "next_expiration", "keys")
    got = shell.client.of_hub("GET", "/accounts")
    shell.show(got, lambda got: tables.table(got["accounts"], columns))


@ctl.command()
@click.argument("account")
@click.argument("credits", type=int)
@click.option("--expires-in", metavar="DURATION", help="Such as 30d.")
@_shell
def grant(shell: Shell, account: str, credits: int, expires_in: str | None) -> None:
    """Grant an account credits."""
    body = _given(credits=credits, expires_in=expires_in)
    where = path("accounts", account, "grants")
    shell.show(shell.client.of_hub("POST", where, body), tables.pairs)


@ctl.command()
@_shell
def keys(shell: Shell) -> None:
    """List the keys."""
    columns = ("id", "name", "account", "expires_at", "revoked")
    got = shell.client.of_hub("GET", "/keys")
    shell.show(got, lambda got: tables.table(got["keys"], columns))


@ctl.command()
@click.argument("account")
@click.option("--name", help="What the list calls it.")
@click.option("--expires-in", metavar="DURATION", help="Such as 1h.")
@_shell
def key(shell: Shell, /, account: str, **wanted: Any) -> None:
    """Make a key for an account; it is shown once."""
    body = _given(account=account, **wanted)
    shell.show(shell.client.of_hub("POST", "/keys", body), tables.pairs)


@ctl.command()
@click.argument("key")
@_shell
def revoke(shell: Shell, key: str) -> None:
    """Revoke a key, by its id or name."""
    shell.show(shell.client.of_hub("DELETE", path("keys", key)), tables.pairs)


@ctl.command()
@click.argument("key")
@click.argument("duration")
@_shell
def expire(shell: Shell, key: str, duration: str) -> None:
    """Let a key expire after a while, such as 10m or 0s."""
    body = {"expires_in": duration}
    shell.show(shell.client.of_hub("PATCH", path("keys", key), body), tables.pairs)


# -- generations, provider, faults, time ---------------------------------------------------------


@ctl.command()
@click.option("--status", help="Only those in this state.")
@click.option("--limit", type=int, default=20, show_default=True)
@_shell
def generations(shell: Shell, status: str | None, limit: int) -> None:
    """List the last generations."""
    columns = ("id", "account", "status", "credits", "n", "size", "outcome", "prompt")
    got = shell.client.of_hub("GET", "/generations", status=status, limit=limit)
    shell.show(got, lambda got: tables.table(got["generations"], columns))


@ctl.command()
@click.argument("generation")
@click.argument("outcome", type=click.Choice(["succeeded", "failed"]))
@_shell
def finish(shell: Shell, generation: str, outcome: str) -> None:
    """End a running generation by hand."""
    where = path("generations", generation, "finish")
    shell.show(shell.client.of_hub("POST", where, {"outcome": outcome}), tables.pairs)


@ctl.command()
@click.argument("outcomes", nargs=-1)
@_shell
def provider(shell: Shell, outcomes: tuple[str, ...]) -> None:
    """Show the provider's script, or write it: an argument an outcome.

    \b
    mockhub ctl provider fail "deliver=3 take=2s" take=0s
    """
    body = {"script": list(outcomes)} if outcomes else None
    got = shell.client.of_hub("PUT" if body else "GET", "/provider", body)
    shell.show(got, tables.pairs)


@ctl.command()
@click.argument("fault")
@click.option("--prompt", help="Strike only requests whose prompt contains this.")
@_shell
def arm(shell: Shell, fault: str, prompt: str | None) -> None:
    """Arm a fault, such as "drop@after x1" or "status=503 p=0.1"."""
    body = _given(fault=fault, prompt=prompt)
    shell.show(shell.client.of_hub("POST", "/faults", body), _show_faults)


@ctl.command()
@click.option("--clear", is_flag=True, help="Disarm all of them.")
@_shell
def faults(shell: Shell, clear: bool) -> None:
    """List the armed faults."""
    shell.show(shell.client.of_hub("DELETE" if clear else "GET", "/faults"), _show_faults)


def _show_faults(got: dict[str, Any]) -> None:
    columns = ("fault", "operation", "prompt", "times", "p", "nth", "seen", "struck")
    tables.table(got["faults"], columns)


@ctl.command()
@click.option("--manual", "kind", flag_value="manual", help="Moves only when told.")
@click.option("--system", "kind", flag_value="system", help="The machine's own time.")
@click.option("--manner", help="Of a manual clock: jump or hold.")
@_shell
def clock(shell: Shell, kind: str | None, manner: str | None) -> None:
    """Show the clock, or change its kind."""
    body = _given(kind=kind, manner=manner)
    got = shell.client.of_hub("PATCH" if body else "GET", "/clock", body or None)
    shell.show(got, tables.pairs)


@ctl.command()
@click.argument("duration", required=False)
@_shell
def advance(shell: Shell, duration: str | None) -> None:
    """Move a manual clock on by a DURATION, or to what falls due next."""
    if duration is None:
        shell.show(shell.client.of_hub("POST", "/clock/next"), tables.pairs)
    else:
        body = {"by": duration}
        shell.show(shell.client.of_hub("POST", "/clock/advance", body), tables.pairs)


# -- what passed ---------------------------------------------------------------------------------


@ctl.command()
@click.option("--poll-every", metavar="DURATION", help="The pause between polls that you want.")
@_shell
def report(shell: Shell, poll_every: str | None) -> None:
    """Tell what the client does wrong, and what it never met."""
    got = shell.client.of_hub("GET", "/report", poll_every=poll_every)
    shell.show(got, tables.report)


@ctl.command()
@click.option("--limit", type=int, default=20, show_default=True, help="How many at most.")
@click.option("--status", type=int, help="Only those with this status.")
@click.option("--operation", help="Only those of this operation.")
@click.option("--account", help="Only those of this account.")
@click.option("--har", "form", flag_value="har", help="As an HTTP archive, for a browser.")
@click.option("--curl", "form", flag_value="curl", help="As commands to paste.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what passes from now on.")
@_shell
def journal(shell: Shell, /, form: str | None, follow: bool, **filters: Any) -> None:
    """Show the last exchanges."""
    got = shell.client.of_hub("GET", "/journal", format=form, **filters)
    if form == "har":
        tables.show_json(got)
        return
    shell.show(got, _show_exchanges)
    while follow and form is None:
        time.sleep(_PAUSE)
        seen = max((one["number"] for one in got["exchanges"]), default=got["made"])
        got = shell.client.of_hub("GET", "/journal", since=seen, **filters)
        if got["exchanges"]:
            shell.show(got, _show_exchanges)


def _show_exchanges(got: dict[str, Any]) -> None:
    tables.table(got["exchanges"], _EXCHANGE)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
