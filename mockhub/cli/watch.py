"""`mockhub serve --watch`: load the scenario and the API spec again when their files change.

The files are polled, which also works where there are no change events, such as in the bind mount
of a container.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockhub.cli.access_log import AccessLog
from mockhub.domain.hub_registry import DEFAULT
from mockhub.exceptions import MockhubError
from mockhub.scenarios.loader import Scenario, load_scenario
from mockhub.spec.config_file import Pointer, format_pointer, load_yaml
from mockhub.web.app import App

_INTERVAL = 0.3  # seconds
_MAX_PLACES = 5
_MAX_DEPTH = 4
_ABSENT = object()


@dataclass
class Watcher:
    """Replaces the content of a running application when its files change.

    Attributes:
        app: The application.
        scenario: The scenario of its default hub.
        load: Returns a new application and its scenario; raises MockhubError.
        log: Where reloads and errors are logged.
    """

    app: App
    scenario: Scenario
    load: Callable[[], tuple[App, Scenario]]
    log: AccessLog

    async def run(self) -> None:
        """Poll the files until the task is cancelled."""
        versions, documents = self._versions(), self._documents()
        while True:
            await asyncio.sleep(_INTERVAL)
            if (current := self._versions()) == versions:
                continue
            versions = current
            try:
                documents = await self._reload(documents)
                versions = self._versions()  # the scenario may extend others than before
            except (MockhubError, OSError) as error:
                text = f"not reloaded, the former state remains: {error}"
                self.log.log_event("reload_failed", text, message=str(error))

    async def _reload(self, before: dict[Path, Any]) -> dict[Path, Any]:
        load_scenario.cache_clear()
        new, self.scenario = await asyncio.to_thread(self.load)
        documents = await asyncio.to_thread(self._documents)
        changes = [
            (file, list(_changed_places(before.get(file, _ABSENT), documents[file])))
            for file in documents
        ]
        places = {str(file): found for file, found in changes if found}
        if places:
            spec_changed = str(new.api.spec.document.path) in places
            self._replace(new, keep_hubs=not spec_changed)
            effect = "all hubs are deleted" if spec_changed else "other hubs remain"
            text = "; ".join(f"{file} ({_join(found)})" for file, found in places.items())
            text = f"reloaded {text}: the default hub is in its initial state, {effect}"
            self.log.log_event("reloaded", text, changed=places)
        return documents

    def _replace(self, new: App, *, keep_hubs: bool) -> None:
        old = self.app.api
        for hub in old.hub_registry if keep_hubs else ():
            if hub.name != DEFAULT:
                new.api.hub_registry.add(hub)
        self.app.api, self.app.handler, self.app.control_plane = (
            new.api,
            new.handler,
            new.control_plane,
        )
        old.clock_waiter.close()  # ends the requests that wait, and the streams of the page

    def _files(self) -> tuple[Path, ...]:
        return (self.app.api.spec.document.path, *self.scenario.files)

    def _versions(self) -> dict[Path, object]:
        return {file: _version(file) for file in self._files()}

    def _documents(self) -> dict[Path, Any]:
        return {file: load_yaml(file) for file in self._files()}


def _version(file: Path) -> object:
    try:
        status = file.stat()
    except OSError as error:  # an editor may replace the file
        return error.errno
    return status.st_mtime_ns, status.st_size, status.st_ino


def _changed_places(old: Any, new: Any, place: Pointer = ()) -> Iterator[str]:
    """Yield the JSON pointers at which two documents differ, down to some depth."""
    if old == new:
        return
    if len(place) == _MAX_DEPTH or not (isinstance(old, dict) and isinstance(new, dict)):
        yield format_pointer(place).removeprefix("#")
        return
    for name in {**old, **new}:
        values = old.get(name, _ABSENT), new.get(name, _ABSENT)
        yield from _changed_places(*values, (*place, name))


def _join(places: list[str]) -> str:
    more = ["..."] if len(places) > _MAX_PLACES else []
    return ", ".join(places[:_MAX_PLACES] + more)
