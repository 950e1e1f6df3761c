"""How a house reads a request's body: as the pipeline does, with a seam in the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from mockhub.mutants import form_files
from mockhub.mutants.form_files import Upload
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM, OperationId
from mockhub.spec.request_validation import validate
from mockhub.web import request_body, serializers
from mockhub.web.api import PublicApi
from mockhub.web.asgi import AsgiBodySource
from mockhub.web.context import RequestContext
from mockhub.web.request_body import ParsedBody


class ParsedRequest(NamedTuple):
    """A request's body as it was read, before it is held to anything."""

    media_type: str
    values: dict[str, Any]
    uploads: tuple[Upload, ...]


class RequestReader:
    """The reading of one house; *changes* are told of each body, and may refuse it by Invalid."""

    def __init__(self, api: PublicApi) -> None:
        self.hooks: list[Callable[[ParsedRequest], object]] = []
        self.accept_any_file = False  # files of whatever type and size are taken
        self._api = api

    async def read(self, context: RequestContext) -> GenerationRequest:
        """What the visit asks for; raises Invalid."""
        spec = self._api.spec
        operation = spec.operations[OperationId.CREATE_GENERATION]
        if self.accept_any_file:
            rules = {name: form_files.accept_all(rule) for name, rule in operation.files.items()}
            operation = replace(operation, files=rules)
        body = context.body = ParsedBody()
        receive, raw = form_files.recording_receive(context.receive)
        source = AsgiBodySource(receive)
        await request_body.read_body(body, source, context.headers, operation, self._api.limits)
        files = (
            form_files.parse_files(bytes(raw), context.headers) if body.media_type == FORM else ()
        )
        parsed = ParsedRequest(body.media_type, dict(body.values), files)
        for hook in self.hooks:
            hook(parsed)
        values = validate(parsed.values, operation.bodies[body.media_type])
        spec.catalog.check_request(values, len(body.references))
        return serializers.build_request(values, body.references)
