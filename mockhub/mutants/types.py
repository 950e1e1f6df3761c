"""The types in the signatures of mutants and variants, in one place to import them from."""

from __future__ import annotations

from typing import Any, NamedTuple

from mockhub.domain.accounts import Account as Account
from mockhub.domain.generations import Generation as Generation
from mockhub.mutants.form_files import Upload
from mockhub.spec.generation_request import GenerationRequest as GenerationRequest
from mockhub.web.api import Handler as Handler
from mockhub.web.asgi import Scope as Scope
from mockhub.web.context import RequestContext as RequestContext
from mockhub.web.responses import Response as Response

Json = dict[str, Any]
RequestHeaders = dict[bytes, bytes]


class ParsedRequest(NamedTuple):
    """A request body before it is validated."""

    media_type: str
    values: Json
    uploads: tuple[Upload, ...]
