"""Assembles and runs the server of `mockhub serve`."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mockhub._loopback import is_loopback_host
from mockhub._resources import resource_path
from mockhub._text import install_hint, plural, printable
from mockhub.cli.access_log import AccessLog
from mockhub.cli.banner import format_banner, format_started_event, page_url
from mockhub.cli.log_writer import LogWriter, LogWriterHandler
from mockhub.cli.serve_options import ServeOptions
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT
from mockhub.exceptions import MockhubError
from mockhub.scenarios.builder import build_hub, override
from mockhub.scenarios.loader import Scenario, find_scenario
from mockhub.server.server import bind, create_server
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.web.app import App, create_app

if TYPE_CHECKING:
    from mockhub.mutants.registry import Mutant, Variant
    from mockhub.recording.files import RecordedExchange
    from mockhub.recording.recorder import Recorder
    from mockhub.storage.store import Store

Watch = Callable[[], Coroutine[Any, Any, None]]

_WILDCARD_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def run_server(options: ServeOptions) -> None:
    """Serve until a signal.

    Raises:
        MockhubError: if the spec, the scenario, the mutant or the address cannot be used.
    """
    mutant = _find_mutant(options.mutant) if options.mutant else None
    control = _serves_control(options)
    _check_database_options(options)
    if control and not options.control_token and not is_loopback_host(options.host):
        raise MockhubError(
            f"--host {options.host} can be reached from outside: give --control-token, or "
            "--no-control"
        )
    if options.open and not control:
        reason = "--no-control" if mutant is None else f"--mutant {mutant.name}"
        raise MockhubError(f"--open opens the page, which {reason} switches off; give one of them")
    if options.watch and (mutant or options.record or options.replay):
        other = "--mutant" if mutant else "--record" if options.record else "--replay"
        raise MockhubError(f"--watch and {other} exclude each other")
    recording = _load_recording(options)
    spec, scenario = _load_files(options)
    listener = bind(options.host, options.port)
    address = local_url(options.host, listener.getsockname()[1])
    url = options.public_url or address
    if options.host in _WILDCARD_ADDRESSES and not options.public_url:
        click.echo(
            f"mockhub: image URLs name {url}, which other machines and containers cannot reach; "
            "give --public-url",
            err=True,
        )

    def run(worker: int) -> None:
        _run_worker(options, spec, scenario, url, address, listener, mutant, recording, worker)

    if options.workers == 1:
        run(0)
        return
    from mockhub.cli.workers import run_workers

    run_workers(options.workers, run)


def _serves_control(options: ServeOptions) -> bool:
    """Return whether to serve it; a reset by it would undo the defect of a mutant."""
    return options.control and options.mutant is None


def _check_database_options(options: ServeOptions) -> None:
    if options.workers > 1 and options.database is None:
        raise MockhubError(
            f"--workers {options.workers} needs --database, where the processes share their state"
        )
    if options.workers > 1 and options.record:
        raise MockhubError("--workers and --record exclude each other")
    for name in ("mutant", "watch", "replay"):
        if options.database is not None and getattr(options, name):
            raise MockhubError(f"--database and --{name} exclude each other")


def _run_worker(
    options: ServeOptions,
    spec: ApiSpec,
    scenario: Scenario,
    url: str,
    address: str,
    listener: socket.socket,
    mutant: Mutant | Variant | None,
    recording: tuple[RecordedExchange, ...],
    worker: int,
) -> None:
    control = _serves_control(options)
    access_log = AccessLog(options.log_level, options.log_format)

    def create(spec: ApiSpec, scenario: Scenario) -> App:
        app = _create_app(options, spec, scenario, url, access_log, mutant)
        if control:
            from mockhub.control.app import mount_control_plane

            mount_control_plane(app, token=options.control_token, host=options.host)
        return app

    app = create(spec, scenario)
    if recording:
        from mockhub.recording.replay import Replay

        hub = app.api.hub_registry.default
        app.api.replays[hub.name] = Replay(app.api, hub, recording, only=options.replay_only)
    recorder = record(app, options.record) if options.record else None
    if options.log_format == "json":
        start_message = format_started_event(url, address, scenario, spec, control=control)
    else:
        hub = app.api.hub_registry.default
        start_message = format_banner(
            url,
            address,
            scenario,
            hub,
            control=control,
            mutant=mutant,
            more_rows=_recording_rows(options, len(recording)),
        )
    watch = _watcher(options, app, scenario, create, access_log) if options.watch else None
    page = page_url(address) if options.open and not worker else None
    if worker:  # the first one prints it
        start_message = ""
    try:
        serve_app(app, listener, access_log, start_message, page, watch=watch)
    finally:
        if recorder:
            recorder.close()


def _load_recording(options: ServeOptions) -> tuple[RecordedExchange, ...]:
    if options.replay is None:
        if options.replay_only:
            raise MockhubError("--replay-only needs a recording: give --replay DIR too")
        return ()
    if options.record and options.record.resolve() == options.replay.resolve():
        raise MockhubError(f"--record and --replay are both {options.replay}; give two directories")
    from mockhub.recording.files import load_recording

    return load_recording(options.replay)


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


def _load_files(options: ServeOptions) -> tuple[ApiSpec, Scenario]:
    spec = load_spec(_spec_file(options))
    scenario = override(
        find_scenario(options.scenario),
        spec,
        credits=options.credits,
        faults=options.arm,
        provider=options.provider,
    )
    return spec, scenario


def _spec_file(options: ServeOptions) -> Path:
    return options.spec or resource_path("openapi.yaml")


def _watcher(
    options: ServeOptions,
    app: App,
    scenario: Scenario,
    create: Callable[[ApiSpec, Scenario], App],
    access_log: AccessLog,
) -> Watch:
    from mockhub.cli.watch import Watcher

    def load() -> tuple[App, Scenario]:
        spec, scenario = _load_files(options)
        return create(spec, scenario), scenario

    return Watcher(app, _spec_file(options), scenario, load, access_log).run


def _find_mutant(name: str) -> Mutant | Variant:
    from mockhub.mutants.catalog import find

    return find(name)


def _create_app(
    options: ServeOptions,
    spec: ApiSpec,
    scenario: Scenario,
    url: str,
    access_log: AccessLog,
    mutant: Mutant | Variant | None,
) -> App:
    if mutant is not None:
        from mockhub.mutants.patched_server import PatchedServer

        server = PatchedServer(
            spec,
            scenario,
            url,
            seed=options.seed,
            image_format=options.image_format,
            max_generations=options.max_generations,
            max_generations_size=options.max_generations_size,
            limits=options.limits,
            observers=[access_log.log_request],
        )
        if options.prompt_faults is not None:
            server.hub.prompt_faults = options.prompt_faults
        mutant.change(server)
        return server.app

    def build_default_hub() -> HubBackend:
        return build_hub(
            scenario,
            DEFAULT,
            spec,
            seed=options.seed,
            image_format=options.image_format,
            max_generations=options.max_generations,
            max_generations_size=options.max_generations_size,
            prompt_faults=options.prompt_faults,
        )

    observers = [access_log.log_request]
    if options.database is None:
        hub = build_default_hub()
        return create_app(spec, hub, url=url, limits=options.limits, observers=observers)
    store = _open_store(options.database, spec, build_default_hub)
    registry = store.session.registry
    app = create_app(spec, registry, url=url, limits=options.limits, observers=observers)
    from mockhub.web.transactions import StoredApp

    return StoredApp(app.api, store)


def _open_store(url: str, spec: ApiSpec, build_default_hub: Callable[[], HubBackend]) -> Store:
    try:
        from mockhub.storage.store import open_store
    except ModuleNotFoundError as error:
        raise MockhubError(f"--database needs {error.name}: {install_hint('storage')}") from None
    return open_store(url, spec, build_default_hub)


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
        handlers=[LogWriterHandler(error_log)],
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again after its shutdown
        signal.signal(number, lambda *_: None)
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
