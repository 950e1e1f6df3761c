"""Read a request body as the public API does, with a hook before the validation."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from mockhub.mutants.form_files import ANY_FILE, parse_files, recording_receive
from mockhub.mutants.types import ParsedRequest
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM, OperationId
from mockhub.web import request_body
from mockhub.web.api import PublicApi
from mockhub.web.asgi import AsgiBodySource
from mockhub.web.context import RequestContext
from mockhub.web.request_body import ParsedBody

RequestHook = Callable[[ParsedRequest], object]


class RequestReader:
    """Reads request bodies for one server.

    Attributes:
        hooks: Called with each body; they may change it, or reject it by ValidationError.
        accept_any_file: Whether files of any type and size are accepted.
    """

    def __init__(self, api: PublicApi) -> None:
        self.hooks: list[RequestHook] = []
        self.accept_any_file = False
        self._api = api

    async def read(self, context: RequestContext) -> GenerationRequest:
        if context.parsed_request is not None:  # another mutant has read the body already
            return context.parsed_request
        spec = self._api.spec
        operation = spec.operations[OperationId.CREATE_GENERATION]
        if self.accept_any_file:
            operation = replace(operation, files=dict.fromkeys(operation.files, ANY_FILE))
        body = context.body = ParsedBody()
        receive, raw = recording_receive(context.source.receive)
        source = AsgiBodySource(receive)
        await request_body.read_body(body, source, context.headers, operation, self._api.limits)
        files = parse_files(bytes(raw), context.headers) if body.media_type == FORM else ()
        parsed = ParsedRequest(body.media_type, dict(body.values), files)
        for hook in self.hooks:
            hook(parsed)
        return spec.build_request(parsed.values, body.references, body.media_type)
