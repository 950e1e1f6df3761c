"""Mutants of the body: content types, JSON and forms (REQ-2, REQ-10, REQ-14, REQ-16)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import orjson
from msgspec.structs import replace

from mockhub.mutants.field_mutants import mutate_values, reject_if
from mockhub.mutants.hooks import change_error, hook
from mockhub.mutants.middleware import AsgiApp
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Hook, mutant_table
from mockhub.mutants.responses import Json, server_error, with_body
from mockhub.mutants.wrapping import wrap
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM, JSON, OperationId
from mockhub.web.asgi import Message, Receive, Scope, Send
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

Headers = dict[bytes, bytes]
MatchesType = Callable[[bytes], bool]
ChangeBody = Callable[[bytes, Headers], bytes]
ChangeResponse = Callable[[Response], Response]
Parse = Callable[[RequestContext], Awaitable[GenerationRequest]]

_HTML_ERROR = b"<!DOCTYPE html><pre>SyntaxError: Unexpected token in JSON</pre>"


def _is_json(content_type: bytes) -> bool:
    return content_type.startswith(b"application/json")


def _is_form(content_type: bytes) -> bool:
    return content_type.startswith(b"multipart/")


def _is_undocumented(content_type: bytes) -> bool:
    return not _is_json(content_type) and not _is_form(content_type)


def _content_type(headers: Headers) -> bytes:
    return headers.get(b"content-type", b"")


# -- content types -------------------------------------------------------------------------------


def reject_content_type(status: int = 400) -> Hook[MatchesType]:
    """Reject bodies of some content types."""

    @hook
    def apply(server: PatchedServer, matches: MatchesType) -> None:
        @wrap(server.api, "parse_request")
        async def parse(original: Parse, context: RequestContext) -> GenerationRequest:
            if matches(_content_type(context.headers)):
                raise server.error("invalid_request", "The content type is not supported")
            return await original(context)

        @server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
        def change_status(response: Response, context: RequestContext) -> Response:
            matched = matches(_content_type(context.headers))
            return replace(response, status=status) if matched else response

    return apply


@hook
def crash_on_content_type(server: PatchedServer, matches: MatchesType) -> None:
    """Return 500 for bodies of some content types."""

    @wrap(server.api, "parse_request")
    async def parse(original: Parse, context: RequestContext) -> GenerationRequest:
        if matches(_content_type(context.headers)):
            raise KeyError("content-type")
        return await original(context)


@hook
def read_as_json(server: PatchedServer, matches: MatchesType) -> None:
    """Read bodies of some content types as JSON."""

    @server.on_request
    def override(headers: Headers, scope: Scope) -> None:
        if scope["method"] == "POST" and matches(_content_type(headers)):
            headers[b"content-type"] = JSON.encode()


mutant_table("REQ-2", reject_content_type())(
    forms_rejected=("Forms are rejected.", _is_form),
    json_rejected=("JSON is rejected; only forms are accepted.", _is_json),
)
mutant_table("REQ-2", reject_content_type(415))(
    forms_are_415=("Forms return 415.", _is_form),
)
mutant_table("REQ-2", reject_if)(
    forms_require_file=(
        "A form without a file is rejected.",
        lambda request: request.media_type == FORM and not request.uploads,
    ),
)
mutant_table("REQ-14", reject_content_type(), conforms_if_documented=True)(
    json_with_charset_rejected=(
        "JSON with a charset in its content type is rejected.",
        lambda content_type: content_type.startswith(b"application/json;"),
    ),
)
mutant_table("REQ-14", reject_content_type(415), conforms_if_documented=True)(
    other_content_types_are_415=("A body of another content type returns 415.", _is_undocumented),
)
mutant_table("REQ-14", read_as_json, conforms_if_documented=True)(
    any_content_type_read_as_json=(
        "A body of another content type is read as JSON.",
        _is_undocumented,
    ),
    missing_content_type_read_as_json=(
        "A body without a content type is read as JSON.",
        lambda content_type: not content_type,
    ),
)
mutant_table("REQ-14", crash_on_content_type)(
    other_content_types_crash=("A body of another content type returns 500.", _is_undocumented),
)

# -- malformed bodies that are accepted ----------------------------------------------------------


@hook
def rewrite_body(server: PatchedServer, change: ChangeBody) -> None:
    """Replace the body of a POST, and change its headers in place, before it is parsed."""

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
        messages = [{"type": "http.request", "body": change(raw, headers), "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await app({**scope, "headers": list(headers.items())}, replay, send)


def _read_urlencoded(raw: bytes, headers: Headers) -> bytes:
    if not _content_type(headers).startswith(b"application/x-www-form-urlencoded"):
        return raw
    fields: Json = dict(parse_qsl(raw.decode("latin-1")))
    headers[b"content-type"] = JSON.encode()
    if str(fields.get("n")).isdigit():
        fields["n"] = int(fields["n"])
    return orjson.dumps(fields)


def _replace_malformed_json(raw: bytes, headers: Headers) -> bytes:
    if not _is_json(_content_type(headers)):
        return raw
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return b'{"model": "gpt-image-2", "prompt": "anything"}'
    return raw


def _remove_trailing_data(raw: bytes, headers: Headers) -> bytes:
    end = raw.rfind(b"}")
    return raw[: end + 1] if _is_json(_content_type(headers)) and end > 0 else raw


def _unwrap_array(raw: bytes, headers: Headers) -> bytes:
    return raw.strip()[1:-1] if raw.strip().startswith(b"[{") else raw


def _delimiter(headers: Headers) -> bytes:
    """Return what separates the parts of a form, or nothing if the body is not a form."""
    content_type = _content_type(headers)
    _, found, boundary = content_type.partition(b"boundary=")
    return b"--" + boundary.strip(b'"') if found and _is_form(content_type) else b""


def _complete_form(raw: bytes, headers: Headers) -> bytes:
    delimiter = _delimiter(headers)
    if not delimiter or delimiter not in raw or delimiter + b"--" in raw:
        return raw
    return raw.removesuffix(b"\r\n") + b"\r\n" + delimiter + b"--\r\n"


def _remove_fields_after_file(raw: bytes, headers: Headers) -> bytes:
    delimiter = _delimiter(headers)
    if not delimiter:
        return raw
    parts = raw.split(delimiter)
    first = next((at for at, part in enumerate(parts) if b"filename=" in part), len(parts))
    remaining = [part for part in parts[first:] if b"filename=" in part or part.startswith(b"--")]
    return delimiter.join(parts[:first] + remaining)


mutant_table("REQ-14", rewrite_body, conforms_if_documented=True)(
    urlencoded_accepted=("An urlencoded form is accepted.", _read_urlencoded),
)
mutant_table("REQ-14", rewrite_body)(
    malformed_json_accepted=(
        "Malformed JSON is read as a request with only a model and a prompt.",
        _replace_malformed_json,
    ),
    trailing_data_after_json_ignored=(
        "Data after the JSON of a body is ignored.",
        _remove_trailing_data,
    ),
    single_item_array_accepted=("An array with one request is accepted.", _unwrap_array),
    truncated_forms_accepted=(
        "A form that ends before its last boundary is accepted.",
        _complete_form,
    ),
)
mutant_table("REQ-16", rewrite_body)(
    fields_after_files_ignored=(
        "Fields after a file in a form are ignored.",
        _remove_fields_after_file,
    ),
)

# -- errors of invalid bodies --------------------------------------------------------------------


def on_invalid(matches: Callable[[Response, RequestContext], bool]) -> Hook[ChangeResponse]:
    """Replace some of the responses with invalid_request."""

    @hook
    def apply(server: PatchedServer, change: ChangeResponse) -> None:
        server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")(
            lambda response, context: change(response) if matches(response, context) else response
        )

    return apply


on_malformed_json = on_invalid(lambda response, context: b"not valid JSON" in response.body)
on_array = on_invalid(lambda response, context: b"expected a JSON object" in response.body)
on_invalid_form = on_invalid(lambda response, context: _is_form(_content_type(context.headers)))
on_malformed_form = on_invalid(
    lambda response, context: (
        _is_form(_content_type(context.headers))
        and context.body is not None
        and not context.body.values
    )
)

mutant_table("REQ-14", on_malformed_json)(
    malformed_json_crashes=("Malformed JSON returns 500.", lambda response: server_error()),
    malformed_json_is_422=(
        "Malformed JSON returns 422.",
        lambda response: replace(response, status=422),
    ),
    malformed_json_error_in_html=(
        "Malformed JSON returns an error in HTML.",
        lambda response: with_body(response, _HTML_ERROR, "text/html; charset=utf-8"),
    ),
)
mutant_table("REQ-14", on_array)(
    arrays_crash=(
        "JSON that is not an object returns 500.",
        lambda response: server_error(),
    ),
)
mutant_table("REQ-14", on_malformed_form)(
    malformed_forms_crash=("A malformed form returns 500.", lambda response: server_error()),
)
mutant_table("REQ-10", change_error("invalid_request"))(
    invalid_is_422=("Invalid requests return 422.", (422, "invalid_request")),
    invalid_is_200=(
        "Invalid requests return 200 with the error in the body.",
        (200, "invalid_request"),
    ),
)
mutant_table("REQ-10", on_invalid_form)(
    invalid_forms_are_422=(
        "Invalid forms return 422; invalid JSON returns 400.",
        lambda response: replace(response, status=422),
    ),
    invalid_forms_crash=("Invalid forms return 500.", lambda response: server_error()),
)

# -- the texts of a form -------------------------------------------------------------------------

mutant_table("REQ-16", mutate_values(FORM))(
    n_ignored_in_forms=("The n of a form is ignored.", lambda values: values.pop("n", None)),
    async_ignored_in_forms=(
        "The async of a form is ignored.",
        lambda values: values.pop("async", None),
    ),
    any_string_is_true_in_forms=(
        "In a form, async=false is read as true because the text is not empty.",
        lambda values: values.update({"async": True}) if "async" in values else None,
    ),
)
mutant_table("REQ-16", reject_if)(
    form_numbers_rejected=(
        "The n of a form is rejected because it is a text.",
        lambda request: request.media_type == FORM and "n" in request.values,
    ),
)
