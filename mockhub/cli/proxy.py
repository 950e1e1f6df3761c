"""`mockhub proxy`: its options; `run_proxy` does the work."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from mockhub.cli._click import Seconds, absolute_url
from mockhub.cli.config_option import add_environment_variables, config_option
from mockhub.cli.proxy_options import ProxyOptions
from mockhub.cli.serve import serve
from mockhub.web.limits import Limits

_DEFAULT_PORT = 8081
_LIMIT_NAMES = [field.name for field in fields(Limits)]
_OPTIONS_OF_SERVE = [
    *("arm", "host", "public_url", "spec", "log_level", "log_format", "control", "control_token"),
    *("open", "record", *_LIMIT_NAMES),
]


@click.command()
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
    show_default=True,
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
def proxy(**options: Any) -> None:
    """Forward requests to the real service until Ctrl-C or SIGTERM.

    Point a client at the printed address instead of the service, with its own API key, which is
    passed on and stored nowhere.

    \b
    mockhub proxy --target https://gptimagehub.com/api/v1
    """
    if options["target"] is None:
        raise click.UsageError("--target is missing; expected the URL of the service")
    from mockhub.cli.run_proxy import run_proxy

    limits = {name: options.pop(name) for name in _LIMIT_NAMES if name in options}
    run_proxy(ProxyOptions(**options, limits=Limits(**limits)))


proxy.params += [option for option in serve.params if option.name in _OPTIONS_OF_SERVE]
add_environment_variables(proxy)
