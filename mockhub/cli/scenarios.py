"""`mockhub scenarios`: list the bundled scenarios."""

from __future__ import annotations

import click


@click.command()
def scenarios() -> None:
    """List the bundled scenarios with their API keys.

    Start one with `mockhub serve --scenario NAME`, or your own with `--scenario FILE`.
    """
    from mockhub.scenarios.loader import bundled_scenarios, load_scenario

    for scenario in map(load_scenario, bundled_scenarios().values()):
        click.secho(scenario.name, bold=True)
        click.echo(click.wrap_text(scenario.description, 78, "  ", "  "))
        for key, name, _ in scenario.predefined_keys():
            click.echo(f"    {name:<14} {key}")
        click.echo()
