"""Shell completion of `mockhub ctl`: the hubs, accounts and keys of the running server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mockhub.cli.ctl.client import ControlClient
from mockhub.exceptions import MockhubError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]

_TIMEOUT = 2  # seconds; a person waits for the completion


def complete(field: str, name: str, help_field: str, *, of_hub: bool = True) -> Complete:
    """Return a function that completes the names of the objects in a list of the control plane.

    Args:
        field: The list, and its path: ``accounts``.
        name: The field with the name of an object.
        help_field: The field that some shells show beside it.
        of_hub: Whether the list is of a hub, or of the server.
    """

    def items(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        options = {**(ctx.parent.params if ctx.parent else {}), **ctx.params}
        client = ControlClient(
            options["url"], options["hub"] or "default", options["token"], timeout=_TIMEOUT
        )
        request = client.hub_request if of_hub else client.request
        try:
            rows = request("GET", f"/{field}")[field]
        except MockhubError:  # there is no server, or it wants a token
            return []
        return [
            CompletionItem(row[name], help=f"{help_field} {row[help_field]}")
            for row in rows
            if row[name].startswith(incomplete)
        ]

    return items


complete_hub = complete("hubs", "name", "exchanges", of_hub=False)
complete_account = complete("accounts", "id", "credits")
complete_key = complete("keys", "name", "status")
