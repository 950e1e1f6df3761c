"""How a house reads a request's body: as the pipeline does, with a seam in the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from mockhub.mutants import uploads
from mockhub.mutants.uploads import Upload
from mockhub.spec.coerce import validate
from mockhub.spec.operations import FORM
from mockhub.web import bodies, wire
from mockhub.web.asgi import Received
from mockhub.web.bodies import Reading
from mockhub.web.pipeline import Pipeline
from mockhub.web.visit import Visit
from mockhub.world.generations import Request


class Asked(NamedTuple):
    """A request's body as it was read, before it is held to anything."""

    media: str
    values: dict[str, Any]
    uploads: tuple[Upload, ...]


class Asking:
    """The reading of one house; *changes* are told of each body, and may refuse it by Invalid."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.changes: list[Callable[[Asked], object]] = []
        self.any_files = False  # files of whatever type and size are taken
        self._pipeline = pipeline

    async def read(self, visit: Visit) -> Request:
        """What the visit asks for; raises Invalid."""
        law = self._pipeline.law
        operation = law.operations["create_generation"]
        if self.any_files:
            rules = {name: uploads.taking_all(rule) for name, rule in operation.files.items()}
            operation = replace(operation, files=rules)
        reading = visit.reading = Reading()
        receive, raw = uploads.recorded(visit.receive)
        incoming = Received(receive)
        await bodies.read(reading, incoming, visit.headers, operation, self._pipeline.limits)
        files = uploads.split(bytes(raw), visit.headers) if reading.media == FORM else ()
        asked = Asked(reading.media, dict(reading.values), files)
        for change in self.changes:
            change(asked)
        values = validate(asked.values, operation.bodies[reading.media])
        law.catalog.check(values, len(reading.references))
        return wire.request(values, reading.references)
