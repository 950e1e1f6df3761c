"""Assembles and runs the server of `mockhub proxy`."""

from __future__ import annotations

import json

import click

from mockhub._loopback import is_loopback_host
from mockhub._text import printable
from mockhub._timestamps import SECOND
from mockhub.cli.access_log import AccessLog
from mockhub.cli.banner import format_started_event, page_url
from mockhub.cli.options import ProxyOptions
from mockhub.cli.report_files import check_writable, write_reports
from mockhub.cli.run_server import check_control, local_url, record, serve_app
from mockhub.domain.hub_registry import DEFAULT
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import parse_directives
from mockhub.proxy.api import ProxyApi
from mockhub.proxy.checks import ExchangeChecks
from mockhub.proxy.findings import SEVERITIES
from mockhub.proxy.guard import Guard
from mockhub.proxy.guard_state import StateFile
from mockhub.proxy.mirror import ProxyHub
from mockhub.proxy.target import Target
from mockhub.proxy.upstream import UpstreamClient, UpstreamTimeouts
from mockhub.server.server import bind
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.web.app import App

_FAILING = ("never", *SEVERITIES)  # the number of severities that each value of --fail-on means
_MARGIN = 10  # seconds that the service may take longer than documented


def run_proxy(options: ProxyOptions) -> None:
    """Forward until a signal.

    Raises:
        MockhubError: if the target, the spec or the address cannot be used.
    """
    check_control(options)
    check_writable(options.report_json, options.report_html, options.report_junit)
    spec = load_spec(options.spec)
    target = Target(options.target, spec.base_path)
    listener = bind(options.host, options.port)
    port = listener.getsockname()[1]
    address = local_url(options.host, port)
    try:
        is_local = target.host == options.host or is_loopback_host(target.host)
        if is_local and target.port == port:
            raise MockhubError(
                f"--target {options.target} is the proxy itself; give another --port"
            )
        api = _create_api(options, spec, target, options.public_url or address)
        app = App(api)
        recorder = record(app, options.record) if options.record else None
    except MockhubError:
        listener.close()
        raise
    if options.control:
        from mockhub.control.app import mount_control_plane

        mount_control_plane(app, token=options.control_token, host=options.host)
    access_log = AccessLog(options.log_level, options.log_format, violation_label="VIOLATION")
    api.observers.append(access_log.log_request)
    message = _started(options, api.public_url, address, api)
    page = page_url(address) if options.open else None
    try:
        serve_app(app, listener, access_log, message, page, date_header=False)
    finally:
        if recorder:
            recorder.close()
        api.guard.close()
    _finish(options, api)


def _create_api(options: ProxyOptions, spec: ApiSpec, target: Target, url: str) -> ProxyApi:
    timeout = options.upstream_timeout or spec.timeout_seconds + _MARGIN
    timeouts = UpstreamTimeouts(response=timeout)
    guard = Guard(
        spec,
        options.target,
        budget=options.budget,
        repeats=options.repeats,
        repeat_window=round(options.repeat_window * SECOND),
        file=StateFile(options.state),
    )
    hub = ProxyHub(DEFAULT, spec)
    for text in options.arm:
        hub.arm(parse_directives(text))
    return ProxyApi(
        spec,
        hub,
        url,
        UpstreamClient(target, ca_file=options.ca_file, timeouts=timeouts),
        guard=guard,
        checks=ExchangeChecks(spec, exclusive=options.exclusive),
        strict=options.strict,
        rewrite_images=options.rewrite_images or options.record is not None,
        limits=options.limits,
    )


def _finish(options: ProxyOptions, api: ProxyApi) -> None:
    """Print the findings and write the reports; exit with 1 if --fail-on demands it."""
    from mockhub.proxy import report

    if options.log_format == "json":
        counts = {name: api.findings.count(name) for name in SEVERITIES}
        spent = api.guard.state.spent
        click.echo(json.dumps({"event": "finished", "findings": counts, "credits_spent": spent}))
    else:
        click.echo(report.summary(api))
    write_reports(
        (
            (options.report_json, lambda: report.render_json(api, options.target)),
            (options.report_html, lambda: report.render_html(api, options.target)),
            (options.report_junit, lambda: report.render_junit(api, options.target)),
        )
    )
    failing = SEVERITIES[: _FAILING.index(options.fail_on)]
    if any(api.findings.count(severity) for severity in failing):
        raise click.exceptions.Exit(1)


def _started(options: ProxyOptions, url: str, address: str, api: ProxyApi) -> str:
    spec, control, target = api.spec, options.control, options.target
    if options.log_format == "json":
        return format_started_event(url, address, spec, control=control, target=target)
    rows = {"API": url, "For OpenAI SDKs": url + spec.base_path, "Target": target}
    if options.budget is not None or options.state is not None:
        rows["Credits"] = _describe_credits(options, api)
    if control:
        rows["Page"] = page_url(url)
    if address != url:
        rows["Listening on"] = address
    if options.record:
        rows["Recording to"] = printable(str(options.record))
    title = click.style("mockhub forwards to the target. Press Ctrl-C to stop it.", bold=True)
    return "\n".join([title, "", *(f"  {name:<16} {value}" for name, value in rows.items()), ""])


def _describe_credits(options: ProxyOptions, api: ProxyApi) -> str:
    limit = "" if options.budget is None else f" of {options.budget}"
    place = f"in {options.state}" if options.state else "not kept over a restart; see --state"
    return f"{api.guard.state.spent}{limit} spent, {place}"
