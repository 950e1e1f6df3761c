"""Builds the application of `mockhub serve` from its options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from mmap import mmap
from typing import TYPE_CHECKING

from mockhub.cli.access_log import AccessLog
from mockhub.cli.options import ServeOptions
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT
from mockhub.exceptions import MockhubError
from mockhub.scenarios.builder import build_hub, override
from mockhub.scenarios.loader import Scenario, find_scenario
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.web.app import App, create_app

if TYPE_CHECKING:
    from mockhub.mutants.registry import Mutant, Variant
    from mockhub.recording.files import RecordedExchange


@dataclass(frozen=True)
class AppFactory:
    """Builds an application for each spec and scenario that the files have in turn.

    Attributes:
        url: The public URL.
        access_log: Logs each request.
        mutant: The defect to build in, or None.
        built: One byte that the workers share: 1 if the default hub of the database is new.
    """

    options: ServeOptions
    url: str
    access_log: AccessLog
    mutant: Mutant | Variant | None
    built: mmap

    @property
    def found_hub(self) -> bool:
        """Whether the default hub was in the database already, so its options are not used."""
        return self.options.database is not None and not self.built[0]

    @property
    def has_control(self) -> bool:
        """Whether it serves the control plane; a reset by it would undo the defect of a mutant."""
        return self.options.control and self.mutant is None

    def create(self, spec: ApiSpec, scenario: Scenario) -> App:
        app = self._create_public_app(spec, scenario)
        if self.has_control:
            from mockhub.control.app import mount_control_plane

            mount_control_plane(app, token=self.options.control_token, host=self.options.host)
        return app

    def _create_public_app(self, spec: ApiSpec, scenario: Scenario) -> App:
        options = self.options
        build = partial(
            build_hub,
            scenario,
            DEFAULT,
            seed=options.seed,
            image_format=options.image_format,
            max_generations=options.max_generations,
            max_generations_size=options.max_generations_size,
            prompt_faults=options.prompt_faults,
        )
        create = partial(
            create_app,
            url=self.url,
            limits=options.limits,
            observers=[self.access_log.log_request],
        )
        if self.mutant is not None:
            from mockhub.mutants.patched_server import PatchedServer

            server = PatchedServer(spec, scenario, self.url, build_hub=build, create_app=create)
            self.mutant.change(server)
            return server.app
        if options.database is None:
            return create(spec, build(spec))
        from mockhub.storage.store import open_store
        from mockhub.web.transactions import StoredApp

        def build_first() -> HubBackend:
            self.built[0] = 1
            return build(spec)

        store = open_store(options.database, spec, build_first)
        return StoredApp(create(spec, store.session.registry).api, store)


def load_files(options: ServeOptions) -> tuple[ApiSpec, Scenario]:
    """Load the spec and the scenario; raises MockhubError."""
    spec = load_spec(options.spec)
    scenario = override(
        find_scenario(options.scenario),
        spec,
        credits=options.credits,
        faults=options.arm,
        provider=options.provider,
    )
    return spec, scenario


def load_recording(options: ServeOptions) -> tuple[RecordedExchange, ...]:
    """Load the exchanges of --replay, none without it; raises MockhubError."""
    if options.replay is None:
        if options.replay_only:
            raise MockhubError("--replay-only needs a recording: give --replay DIR too")
        return ()
    if options.record and options.record.resolve() == options.replay.resolve():
        raise MockhubError(f"--record and --replay are both {options.replay}; give two directories")
    from mockhub.recording import files

    return files.load_recording(options.replay)
