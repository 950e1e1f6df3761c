"""Runs the server of `mockhub serve`."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockhub._loopback import is_loopback_host
from mockhub._text import plural, printable
from mockhub.cli.access_log import AccessLog
from mockhub.cli.app_factory import AppFactory, load_files, load_recording
from mockhub.cli.banner import format_banner, format_started_event, page_url, raw_keys
from mockhub.cli.log_writer import LogWriter
from mockhub.cli.options import ServeOptions, ServerOptions
from mockhub.exceptions import MockhubError
from mockhub.scenarios.loader import Scenario
from mockhub.server.server import bind, create_server
from mockhub.spec.api_spec import ApiSpec
from mockhub.web.app import App

if TYPE_CHECKING:
    from mockhub.mutants.registry import Mutant, Variant
    from mockhub.recording.files import RecordedExchange
    from mockhub.recording.recorder import Recorder

Watch = Callable[[], Coroutine[Any, Any, None]]

_HUB_OPTIONS = (
    "seed",
    "credits",
    "arm",
    "provider",
    "image_format",
    "max_generations",
    "max_generations_size",
    "prompt_faults",
)
_WILDCARD_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def run_server(options: ServeOptions) -> None:
    """Serve until a signal.

    Raises:
        MockhubError: if the spec, the scenario, the mutant or the address cannot be used.
    """
    mutant: Mutant | Variant | None = None
    if options.mutant is not None:
        from mockhub.mutants.catalog import find

        mutant = find(options.mutant)
    _check_options(options)
    recording = load_recording(options)
    spec, scenario = load_files(options)
    listener = bind(options.host, options.port)
    address = local_url(options.host, listener.getsockname()[1])
    url = options.public_url or address
    if options.host in _WILDCARD_ADDRESSES and not options.public_url:
        click.echo(
            f"mockhub: image URLs name {url}, which other machines and containers cannot reach; "
            "give --public-url",
            err=True,
        )

    built = mmap(-1, 1)

    def run(worker: int) -> None:
        access_log = AccessLog(options.log_level, options.log_format)
        factory = AppFactory(options, url, access_log, mutant, built)
        _serve(factory, spec, scenario, recording, listener, address, first=not worker)

    if options.workers == 1:
        run(0)
        return
    from mockhub.cli.workers import run_workers

    run_workers(options.workers, run)


def _check_options(options: ServeOptions) -> None:
    """Raise MockhubError if options exclude each other, or one needs another."""
    check_control(options, f"--mutant {options.mutant}" if options.mutant else "")
    if options.workers > 1 and options.database is None:
        raise MockhubError(
            f"--workers {options.workers} needs --database, where the processes share their state"
        )
    exclusive = [
        *(("--watch", name) for name in ("mutant", "record", "replay") if options.watch),
        *(("--database", name) for name in ("mutant", "watch", "replay") if options.database),
        *(("--workers", name) for name in ("record",) if options.workers > 1),
    ]
    for option, other in exclusive:
        if getattr(options, other):
            raise MockhubError(f"{option} and --{other} exclude each other")


def check_control(options: ServerOptions, switched_off_by: str = "") -> None:
    """Raise MockhubError if others could control the server, or --open has no page to open."""
    switched_off_by = switched_off_by or ("" if options.control else "--no-control")
    if switched_off_by and options.open:
        raise MockhubError(
            f"--open opens the page, which {switched_off_by} switches off; give one of them"
        )
    if options.control_token == "":
        raise MockhubError("--control-token is empty; give a token, or leave the option out")
    if not (switched_off_by or options.control_token or is_loopback_host(options.host)):
        raise MockhubError(
            f"--host {options.host} can be reached from outside: give --control-token, or "
            "--no-control"
        )


def _serve(
    factory: AppFactory,
    spec: ApiSpec,
    scenario: Scenario,
    recording: tuple[RecordedExchange, ...],
    listener: socket.socket,
    address: str,
    *,
    first: bool,
) -> None:
    """Serve in this process; the *first* one prints where, and opens the page."""
    options = factory.options
    app = factory.create(spec, scenario)
    if recording:
        from mockhub.recording.replay import Replay

        hub = app.api.hub_registry.default
        app.api.replays[hub.name] = Replay(app.api, hub, recording, only=options.replay_only)
    recorder = record(app, options.record) if options.record else None
    start_message = _start_message(factory, app, scenario, address, len(recording)) if first else ""
    try:
        serve_app(
            app,
            listener,
            factory.access_log,
            start_message,
            page_url(address) if options.open and first else None,
            watch=_watcher(factory, app, scenario) if options.watch else None,
        )
    finally:
        if recorder:
            recorder.close()


def _start_message(
    factory: AppFactory, app: App, scenario: Scenario, address: str, exchanges: int
) -> str:
    options, hub = factory.options, app.api.hub_registry.default
    if factory.found_hub and (ignored := _hub_options(options)):
        click.echo(
            f"mockhub: not used, because the database has the hub already: {', '.join(ignored)}",
            err=True,
        )
    if options.log_format == "json":
        keys = {hub.keys[digest].name: raw for digest, raw in raw_keys(scenario, hub).items()}
        control = factory.has_control
        return format_started_event(factory.url, address, app.api.spec, control=control, keys=keys)
    return format_banner(
        factory.url,
        address,
        scenario,
        hub,
        control=factory.has_control,
        mutant=factory.mutant,
        stored=options.database is not None,
        more_rows=_recording_rows(options, exchanges),
    )


def _hub_options(options: ServeOptions) -> list[str]:
    """Return the given options that only a new hub uses."""
    given = ["--scenario"] if options.scenario != "default" else []
    return given + [
        f"--{name.replace('_', '-')}"
        for name in _HUB_OPTIONS
        if getattr(options, name) not in (None, ())
    ]


def _recording_rows(options: ServeOptions, count: int) -> dict[str, str]:
    rows = {"Recording to": printable(str(options.record))} if options.record else {}
    if options.replay:
        other = "404" if options.replay_only else "the simulation"
        rows["Replaying"] = (
            f"{printable(str(options.replay))}: {plural(count, 'exchange')}, else {other}"
        )
    return rows


def record(app: App, directory: Path) -> Recorder:
    """Record the requests of the public API of *app*; raises MockhubError.

    Returns:
        The recorder, to be closed when the server has stopped.
    """
    from mockhub.recording.recorder import Recorder, RecordingApp

    recorder = Recorder(directory, app.api.spec, app.api.public_url)
    app.handler = RecordingApp(app.handler, recorder)
    return recorder


def _watcher(factory: AppFactory, app: App, scenario: Scenario) -> Watch:
    from mockhub.cli.watch import Watcher

    def load() -> tuple[App, Scenario]:
        spec, scenario = load_files(factory.options)
        return factory.create(spec, scenario), scenario

    return Watcher(app, scenario, load, factory.access_log).run


def serve_app(
    app: App,
    listener: socket.socket,
    access_log: AccessLog,
    start_message: str,
    page: str | None,
    *,
    watch: Watch | None = None,
    **settings: Any,
) -> None:
    """Serve until a signal.

    Args:
        app: The application.
        listener: The socket to accept connections from.
        access_log: Prints *start_message*; it is closed at the end.
        start_message: What to print when the server accepts connections.
        page: The URL to open in the browser then, if any.
        watch: A coroutine function that runs beside the server.
        settings: More settings of `uvicorn.Config`.
    """
    tasks = []  # asyncio keeps only weak references to tasks

    def on_ready() -> None:
        if start_message:
            access_log.print_line(start_message)
        if page:
            _open_browser(page)
        if watch:
            tasks.append(asyncio.get_running_loop().create_task(watch()))

    server = create_server(app, on_ready=on_ready, **settings)
    _tune_gc()
    error_log = LogWriter(sys.stderr)
    logging.basicConfig(
        stream=error_log,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again after its shutdown
        signal.signal(number, server.handle_exit)
    try:
        server.run(sockets=[listener])
    finally:
        access_log.close()
        error_log.close(timeout=1)
        listener.close()


def _open_browser(url: str) -> None:
    import webbrowser  # slow to import
    from threading import Thread

    Thread(target=webbrowser.open, args=[url], daemon=True).start()  # it may wait for the browser


def _tune_gc() -> None:
    """Collect rarely: requests make no cycles, and a full hub is slow to traverse."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def local_url(host: str, port: int) -> str:
    """Return the URL of a server that listens there, as this machine reaches it."""
    host = _WILDCARD_ADDRESSES.get(host, host)
    url_host = f"[{host}]" if ":" in host else host
    return f"http://{url_host}:{port}"
