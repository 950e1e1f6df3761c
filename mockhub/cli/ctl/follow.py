"""`mockhub ctl journal --follow`: print each exchange once, as it happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from mockhub._text import plural
from mockhub.cli.ctl.client import Json
from mockhub.cli.ctl.group import CtlContext
from mockhub.cli.ctl.tables import TablePrinter

_POLL_INTERVAL = 0.5  # seconds between two requests
_MAX_EXCHANGES = 1000  # that a response has at most, and a journal too


def follow_journal(
    context: CtlContext, columns: Sequence[str], *, limit: int, **filters: Any
) -> NoReturn:
    """Print the latest *limit* exchanges, then each further one, until an interrupt."""
    printer = TablePrinter(columns)

    def get(since: int, limit: int = _MAX_EXCHANGES) -> Json:
        path, query = "/journal", {**filters, "since": since, "limit": limit}
        response: Json = context.client.hub_request("GET", path, **query)
        return response

    def show(response: Json) -> None:
        if response["exchanges"]:
            context.output(response, lambda content: printer.print(content["exchanges"]))

    response = get(0, limit)
    show(response)
    while True:
        time.sleep(_POLL_INTERVAL)
        former, response = response, get(response["total"])
        if response["journal"] != former["journal"]:
            click.echo("mockhub: the hub was reset or replaced, or its journal cleared", err=True)
            response = get(0)
        elif (missing := response["total"] - response["stored"] - former["total"]) > 0:
            left = f"{plural(missing, 'exchange')} left the journal before it was read"
            click.echo(f"mockhub: {left}", err=True)
        show(response)
