"""Defects of how a body is read: content types, JSON, and forms."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson
from msgspec.structs import replace

from mockhub.exceptions import ValidationError
from mockhub.mutants.middleware import AsgiApp
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.mutants.responses import server_error, with_body
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import FORM, JSON, OperationId
from mockhub.web import responses
from mockhub.web.asgi import Message, Receive, Scope, Send
from mockhub.web.context import RequestContext

_CONTENT_TYPE = b"content-type"


def override_content_type(
    server: PatchedServer, matches: Any, content_type: bytes = b"application/json"
) -> None:
    """Take a body for one of another type where *wanted* says so of its own."""

    @server.on_request
    def override(headers: dict[bytes, bytes], scope: Scope) -> None:
        if scope["method"] == "POST" and matches(headers.get(_CONTENT_TYPE, b"")):
            headers[_CONTENT_TYPE] = content_type


def reject_content_type(server: PatchedServer, matches: Any, status: int = 400) -> None:
    """Refuse bodies whose content type *wanted* says so of."""

    @wrap(server.api, "parse_request")
    async def request(original: Any, context: RequestContext) -> Any:
        if matches(context.headers.get(_CONTENT_TYPE, b"")):
            raise server.error("invalid_request", "The content type is not taken")
        return await original(context)

    @server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        matched = matches(context.headers.get(_CONTENT_TYPE, b""))
        return replace(response, status=status) if matched else response


@mutant("REQ-2", "Forms are refused.")
def forms_rejected(server: PatchedServer) -> None:
    reject_content_type(server, lambda content_type: content_type.startswith(b"multipart/"))


@mutant("REQ-2", "Forms answer 415.")
def forms_are_415(server: PatchedServer) -> None:
    reject_content_type(server, lambda content_type: content_type.startswith(b"multipart/"), 415)


@mutant("REQ-2", "JSON is refused: a generation has to be asked for by a form.")
def json_rejected(server: PatchedServer) -> None:
    reject_content_type(server, lambda content_type: content_type.startswith(b"application/json"))


@mutant("REQ-2", "A form without a file is refused.")
def forms_require_file(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        if request.media_type == FORM and not request.uploads:
            raise ValidationError("reference_image is missing")


@mutant(
    "REQ-14", "JSON whose content type names a charset is refused.", conforms_if_documented=True
)
def json_with_charset_rejected(server: PatchedServer) -> None:
    reject_content_type(server, lambda content_type: content_type.startswith(b"application/json;"))


@mutant("REQ-14", "A body of any other type is read as JSON.", conforms_if_documented=True)
def any_content_type_read_as_json(server: PatchedServer) -> None:
    override_content_type(
        server,
        lambda content_type: not content_type.startswith((b"application/json", b"multipart/")),
    )


@mutant("REQ-14", "A body without a content type is read as JSON.", conforms_if_documented=True)
def missing_content_type_read_as_json(server: PatchedServer) -> None:
    override_content_type(server, lambda content_type: not content_type)


@mutant("REQ-14", "A body of another content type answers 415.", conforms_if_documented=True)
def other_content_types_are_415(server: PatchedServer) -> None:
    known = (b"application/json", b"multipart/")
    reject_content_type(server, lambda content_type: not content_type.startswith(known), 415)


@mutant("REQ-14", "A body of another content type answers 500.")
def other_content_types_crash(server: PatchedServer) -> None:
    @wrap(server.api, "parse_request")
    async def request(original: Any, context: RequestContext) -> Any:
        if not context.headers.get(_CONTENT_TYPE, b"").startswith(
            (b"application/json", b"multipart/")
        ):
            raise KeyError("content-type")
        return await original(context)


def rewrite_body(server: PatchedServer, change: Any) -> None:
    """Let *change* rewrite a POST's whole body, and its headers, before it is read."""

    @server.add_middleware
    async def rewrite(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await app(scope, receive, send)
            return
        raw, more = b"", True
        while more:
            message = await receive()
            raw += message.get("body", b"")
            more = message.get("more_body", False)
        headers = dict(scope["headers"])
        body = change(raw, headers)
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app({**scope, "headers": list(headers.items())}, replay, send)


@mutant("REQ-14", "An urlencoded form is taken too.", conforms_if_documented=True)
def urlencoded_accepted(server: PatchedServer) -> None:
    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        if not headers.get(_CONTENT_TYPE, b"").startswith(b"application/x-www-form-urlencoded"):
            return raw
        fields: dict[str, Any] = dict(parse_qsl(raw.decode("latin-1")))
        headers[_CONTENT_TYPE] = JSON.encode()
        if str(fields.get("n")).isdigit():
            fields["n"] = int(fields["n"])
        return orjson.dumps(fields)

    rewrite_body(server, change)


@mutant("REQ-14", "A body that is not JSON answers 500.")
def malformed_json_crashes(server: PatchedServer) -> None:
    on_malformed_json(server, lambda response: server_error())


@mutant("REQ-14", "A body that is not JSON answers 422.")
def malformed_json_is_422(server: PatchedServer) -> None:
    on_malformed_json(server, lambda response: replace(response, status=422))


@mutant("REQ-14", "A body that is not JSON is refused by a page of HTML.")
def malformed_json_error_in_html(server: PatchedServer) -> None:
    page = b"<!DOCTYPE html><pre>SyntaxError: Unexpected token in JSON</pre>"
    on_malformed_json(
        server, lambda response: with_body(response, page, "text/html; charset=utf-8")
    )


def on_malformed_json(server: PatchedServer, change: Any) -> None:
    """Change the refusal of JSON that cannot be read."""

    @server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        return change(response) if b"not valid JSON" in response.body else response


@mutant(
    "REQ-14", "A body that is not JSON is taken for one with nothing but the model and a prompt."
)
def malformed_json_accepted(server: PatchedServer) -> None:
    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        if not headers.get(_CONTENT_TYPE, b"").startswith(b"application/json"):
            return raw
        try:
            orjson.loads(raw)
        except orjson.JSONDecodeError:
            return b'{"model": "gpt-image-2", "prompt": "anything"}'
        return raw

    rewrite_body(server, change)


@mutant("REQ-14", "What stands behind the JSON of a body is not looked at.")
def trailing_data_after_json_ignored(server: PatchedServer) -> None:
    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        end = raw.rfind(b"}")
        is_json = headers.get(_CONTENT_TYPE, b"").startswith(b"application/json") and end > 0
        return raw[: end + 1] if is_json else raw

    rewrite_body(server, change)


@mutant("REQ-14", "A body that is JSON and no object answers 500.")
def arrays_crash(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        return server_error() if b"expected a JSON object" in response.body else response


@mutant("REQ-14", "A list with one request in it is taken for the request.")
def single_item_array_accepted(server: PatchedServer) -> None:
    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        return raw.strip()[1:-1] if raw.strip().startswith(b"[{") else raw

    rewrite_body(server, change)


@mutant("REQ-14", "A form that breaks off before its last boundary is taken as far as it came.")
def truncated_forms_accepted(server: PatchedServer) -> None:
    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        content_type = headers.get(_CONTENT_TYPE, b"")
        if not content_type.startswith(b"multipart/") or b"boundary=" not in content_type:
            return raw
        boundary = b"--" + content_type.partition(b"boundary=")[2].strip(b'"')
        end = boundary + b"--"
        if end in raw or raw.count(boundary) == 0:
            return raw
        return raw.removesuffix(b"\r\n") + b"\r\n" + end + b"\r\n"

    rewrite_body(server, change)


@mutant("REQ-14", "A form that cannot be read answers 500.")
def malformed_forms_crash(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        form = context.headers.get(_CONTENT_TYPE, b"").startswith(b"multipart/")
        unparsed = context.body is not None and not context.body.values
        return server_error() if form and unparsed else response


@mutant("REQ-10", "Invalid requests answer 422.")
def invalid_is_422(server: PatchedServer) -> None:
    server.change_error("invalid_request", status=422)


@mutant("REQ-10", "Invalid forms answer 422; invalid JSON answers 400.")
def invalid_forms_are_422(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        form = context.headers.get(_CONTENT_TYPE, b"").startswith(b"multipart/")
        return replace(response, status=422) if form else response


@mutant("REQ-10", "Invalid requests answer 200 with the error in the body.")
def invalid_is_200(server: PatchedServer) -> None:
    server.change_error("invalid_request", status=200)


@mutant("REQ-10", "Whatever is wrong with a form answers 500.")
def invalid_forms_crash(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        form = context.headers.get(_CONTENT_TYPE, b"").startswith(b"multipart/")
        return server_error() if form else response


@mutant("REQ-16", "What stands behind a file in a form is not looked at.")
def fields_after_files_ignored(server: PatchedServer) -> None:
    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        content_type = headers.get(_CONTENT_TYPE, b"")
        if not content_type.startswith(b"multipart/") or b"boundary=" not in content_type:
            return raw
        boundary = b"--" + content_type.partition(b"boundary=")[2].strip(b'"')
        parts = raw.split(boundary)
        first = next((at for at, part in enumerate(parts) if b"filename=" in part), len(parts))
        remaining = [
            part
            for at, part in enumerate(parts)
            if at < first or b"filename=" in part or part.startswith(b"--")
        ]
        return boundary.join(remaining)

    rewrite_body(server, change)
