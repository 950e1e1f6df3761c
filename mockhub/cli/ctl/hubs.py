"""Commands of `mockhub ctl` that create, change and delete hubs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mockhub.cli._click import SEED
from mockhub.cli.ctl import tables
from mockhub.cli.ctl.client import Json
from mockhub.cli.ctl.group import CtlContext, ctl, pass_context, table, without_none
from mockhub.domain.hub_registry import DEFAULT

_replace_option = click.option(
    "--replace",
    is_flag=True,
    default=None,
    help="Delete a hub of that name first, which a killed run may have left.",
)
_prompt_faults_option = click.option(
    "--prompt-faults/--no-prompt-faults",
    default=None,
    help="Let [[...]] in a prompt inject faults, or read it as text.",
)


@ctl.command()
@pass_context
def hubs(context: CtlContext) -> None:
    """List the hubs."""
    render = table("hubs", "name", "base_url", "accounts", "keys", "generations", "exchanges")
    context.output(context.client.request("GET", "/hubs"), render)


@ctl.command()
@pass_context
def show(context: CtlContext) -> None:
    """Show the hub: its contents, and the result of its ledger audit."""
    context.send("GET", render=tables.print_hub)


@ctl.command()
@click.argument("name", required=False)
@click.option("--scenario", help="A name from `mockhub scenarios`, instead of an empty hub.")
@click.option("--credits", type=int, help="Balance of the account of a hub that has no --scenario.")
@click.option("--seed", type=SEED, help="Seed of ids, keys and images.")
@click.option("--manual", is_flag=True, help="Use a clock that only `advance` moves.")
@_prompt_faults_option
@_replace_option
@pass_context
def create_hub(context: CtlContext, /, name: str | None, manual: bool, **fields: Any) -> None:
    """Create a hub, and print its API key."""
    clock = {"kind": "manual"} if manual else None
    body = without_none(name=name, clock=clock, **fields)
    context.output(context.client.request("POST", "/hubs", body), _print_created_hub)


def _print_created_hub(created: Json) -> None:
    key = {"key": created["key"]} if "key" in created else {}
    tables.print_hub(created["hub"] | key)


@ctl.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_context
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
@pass_context
def fork(context: CtlContext, /, **fields: Any) -> None:
    """Copy the hub to a new one with another name."""
    context.send("POST", "/fork", without_none(**fields), render=tables.print_hub)


@ctl.command()
@pass_context
def reset(context: CtlContext) -> None:
    """Restore the initial state of the hub."""
    context.send("POST", "/reset", render=tables.print_hub)


@ctl.command()
@click.option("--image-format", help="Format of the images: png, jpeg or webp.")
@click.option("--seed", type=SEED, help="Seed of the ids, keys and images from now on.")
@click.option("--max-generations", type=int, metavar="N", help="Number of generations to keep.")
@_prompt_faults_option
@pass_context
def update_hub(context: CtlContext, /, **fields: Any) -> None:
    """Change settings of the hub, such as the format of its images."""
    body = without_none(**fields)
    if not body:
        raise click.UsageError("give an option, such as --image-format webp")
    context.send("PATCH", "", body, render=tables.print_hub)


@ctl.command()
@pass_context
def delete_hub(context: CtlContext) -> None:
    """Delete the hub."""
    context.send("DELETE")
