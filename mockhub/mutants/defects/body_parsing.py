"""Mutants of the body: content types, JSON and forms (REQ-2, REQ-10, REQ-14, REQ-16)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qsl

import orjson

from mockhub.exceptions import ApiError
from mockhub.mutants import fields, hooks, responses
from mockhub.mutants.changes import constant, remove
from mockhub.mutants.hook import hook_factory
from mockhub.mutants.matching import is_task
from mockhub.mutants.middleware import AsgiApp
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant_table
from mockhub.mutants.responses import ResponseChange, crash, send_body, send_status
from mockhub.mutants.types import Json, RequestContext, RequestHeaders, Response, Scope
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import FORM, JSON, OperationId
from mockhub.web.asgi import Message, Receive, Send

MatchesType = Callable[[bytes], bool]

_HTML_ERROR = b"<!DOCTYPE html><pre>SyntaxError: Unexpected token in JSON</pre>"


def _is_json(content_type: bytes) -> bool:
    return content_type.startswith(b"application/json")


def _is_form(content_type: bytes) -> bool:
    return content_type.startswith(b"multipart/")


def _is_undocumented(content_type: bytes) -> bool:
    return not _is_json(content_type) and not _is_form(content_type)


def _content_type(headers: RequestHeaders) -> bytes:
    return headers.get(b"content-type", b"")


@hook_factory
def raise_on_content_type(
    server: PatchedServer, matches: MatchesType, error: type[Exception], *args: object
) -> None:
    @wrap(server.api, "parse_request")
    async def parse(original: Original, context: RequestContext) -> object:
        if matches(_content_type(context.headers)):
            raise error(*args)
        return await original(context)


_NOT_SUPPORTED = ("invalid_request", "The content type is not supported")
reject_content_type = raise_on_content_type(ApiError, 400, *_NOT_SUPPORTED)
reject_content_type_with_415 = raise_on_content_type(ApiError, 415, *_NOT_SUPPORTED)


@hooks.on_request.adapted
def read_as_json(matches: MatchesType, headers: RequestHeaders, scope: Scope) -> None:
    if scope["method"] == "POST" and matches(_content_type(headers)):
        headers[b"content-type"] = JSON.encode()


mutant_table("REQ-2", reject_content_type)(
    forms_rejected=Row("Forms are rejected.", _is_form),
    json_rejected=Row("JSON is rejected; only forms are accepted.", _is_json),
)
mutant_table("REQ-2", reject_content_type_with_415)(
    forms_are_415=Row("Forms return 415.", _is_form)
)
mutant_table("REQ-2", fields.reject_if)(
    form_prompt_of_two_lines_rejected=Row(
        "A form whose prompt has a line break is rejected.",
        lambda request: request.media_type == FORM and "\n" in str(request.values.get("prompt")),
    ),
    forms_require_file=Row(
        "A form without a file is rejected.",
        lambda request: request.media_type == FORM and not request.uploads,
    ),
    apostrophe_rejected_in_forms=Row(
        "A form whose prompt has an apostrophe is rejected.",
        lambda request: request.media_type == FORM and "'" in str(request.values.get("prompt")),
    ),
    medium_form_tasks_rejected=Row(
        "A form that is a task of medium quality is rejected.",
        lambda request: (
            request.media_type == FORM
            and is_task(request)
            and request.values.get("quality") == "medium"
        ),
    ),
)
mutant_table("REQ-14", reject_content_type, conforms_if_documented=True)(
    json_with_charset_rejected=Row(
        "JSON with a charset in its content type is rejected.",
        lambda content_type: content_type.startswith(b"application/json;"),
    )
)
mutant_table("REQ-14", reject_content_type_with_415, conforms_if_documented=True)(
    other_content_types_are_415=Row("A body of another content type returns 415.", _is_undocumented)
)
mutant_table("REQ-14", read_as_json, conforms_if_documented=True)(
    any_content_type_read_as_json=Row("Any other content type is read as JSON.", _is_undocumented),
    missing_content_type_read_as_json=Row(
        "A body without a content type is read as JSON.", lambda content_type: not content_type
    ),
)
mutant_table("REQ-14", raise_on_content_type(KeyError, "content-type"))(
    other_content_types_crash=Row("A body of another content type returns 500.", _is_undocumented)
)


@hooks.add_middleware.adapted
async def rewrite_body(
    change: Callable[[bytes, RequestHeaders], bytes],
    app: AsgiApp,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Replace the body of a POST, and change its headers in place, before it is parsed."""
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


def _read_urlencoded(raw: bytes, headers: RequestHeaders) -> bytes:
    if not _content_type(headers).startswith(b"application/x-www-form-urlencoded"):
        return raw
    fields: Json = dict(parse_qsl(raw.decode("latin-1")))
    headers[b"content-type"] = JSON.encode()
    if str(fields.get("n")).isdigit():
        fields["n"] = int(fields["n"])
    return orjson.dumps(fields)


def _replace_malformed_json(raw: bytes, headers: RequestHeaders) -> bytes:
    if not _is_json(_content_type(headers)):
        return raw
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return b'{"model": "gpt-image-2", "prompt": "anything"}'
    return raw


def _remove_trailing_data(raw: bytes, headers: RequestHeaders) -> bytes:
    end = raw.rfind(b"}")
    return raw[: end + 1] if _is_json(_content_type(headers)) and end > 0 else raw


def _unwrap_array(raw: bytes, headers: RequestHeaders) -> bytes:
    return raw.strip()[1:-1] if raw.strip().startswith(b"[{") else raw


def _delimiter(headers: RequestHeaders) -> bytes:
    """Return what separates the parts of a form, or nothing if the body is not a form."""
    content_type = _content_type(headers)
    _, found, boundary = content_type.partition(b"boundary=")
    return b"--" + boundary.strip(b'"') if found and _is_form(content_type) else b""


def _complete_form(raw: bytes, headers: RequestHeaders) -> bytes:
    delimiter = _delimiter(headers)
    if not delimiter or delimiter not in raw or delimiter + b"--" in raw:
        return raw
    return raw.removesuffix(b"\r\n") + b"\r\n" + delimiter + b"--\r\n"


def _remove_fields_after_file(raw: bytes, headers: RequestHeaders) -> bytes:
    delimiter = _delimiter(headers)
    if not delimiter:
        return raw
    parts = raw.split(delimiter)
    first = next((at for at, part in enumerate(parts) if b"filename=" in part), len(parts))
    remaining = [part for part in parts[first:] if b"filename=" in part or part.startswith(b"--")]
    return delimiter.join(parts[:first] + remaining)


mutant_table("REQ-14", rewrite_body, conforms_if_documented=True)(
    urlencoded_accepted=Row("An urlencoded form is accepted.", _read_urlencoded)
)
mutant_table("REQ-14", rewrite_body)(
    malformed_json_accepted=Row("Malformed JSON is read as a request.", _replace_malformed_json),
    trailing_data_after_json_ignored=Row("Data after JSON is ignored.", _remove_trailing_data),
    single_item_array_accepted=Row("An array with one request is accepted.", _unwrap_array),
    truncated_forms_accepted=Row("A form without its last boundary is accepted.", _complete_form),
)
mutant_table("REQ-16", rewrite_body)(
    fields_after_files_ignored=Row("Fields after a file are ignored.", _remove_fields_after_file)
)


@rewrite_body.adapted
def crash_on_body(pattern: bytes, raw: bytes, headers: RequestHeaders) -> bytes:
    """Fail at bodies in which a pattern occurs."""
    if re.search(pattern, raw):
        raise RuntimeError("this mutant does not support the body")
    return raw


@rewrite_body.adapted
def reject_body(
    matches: Callable[[bytes, RequestHeaders], bool], raw: bytes, headers: RequestHeaders
) -> bytes:
    """Return 400 to some bodies."""
    return b"" if matches(raw, headers) else raw


mutant_table("REQ-14", crash_on_body)(
    nul_in_json_crashes=Row("NUL in JSON returns 500.", rb"\\u0000"),
    lone_surrogates_crash=Row("A lone surrogate in JSON returns 500.", rb"\\ud800"),
    deep_nesting_crashes=Row("Deeply nested JSON returns 500.", rb"\[{1000}"),
    infinite_numbers_crash=Row("A number that is infinite returns 500.", b"1e400"),
    long_integers_crash=Row("An integer of thousands of digits returns 500.", b"9{4500}"),
    fractional_n_crashes=Row("A number with a fraction returns 500.", rb'"n": -?0\.'),
    repeated_fields_crash=Row("A field that occurs twice returns 500.", b'"prompt".*"prompt"'),
    other_encodings_crash=Row("JSON that is not in UTF-8 returns 500.", rb"^\xff\xfe|\{\0"),
    invalid_utf_8_in_forms_crashes=Row(
        "In a form, bytes that are not UTF-8 return 500.", rb"name=(?s:.)* \xff\xfe"
    ),
)
mutant_table("REQ-14", raise_on_content_type(LookupError, "unknown encoding"))(
    unknown_charsets_crash=Row(
        "An unknown charset returns 500.", lambda content_type: b"nonsense" in content_type
    )
)
mutant_table("REQ-14", reject_content_type)(
    content_types_with_capitals_rejected=Row(
        "The case of a content type is not ignored.",
        lambda content_type: content_type.startswith((b"App", b"Mul")),
    ),
    quoted_boundaries_rejected=Row(
        "A boundary in quotation marks is rejected.",
        lambda content_type: b'boundary="' in content_type,
    ),
)
mutant_table("REQ-14", reject_body)(
    chunked_bodies_rejected=Row(
        "A body in chunks is rejected.", lambda raw, headers: b"transfer-encoding" in headers
    ),
    expect_rejected=Row(
        "A body that is announced by Expect is rejected.", lambda raw, headers: b"expect" in headers
    ),
)
mutant_table("REQ-16", reject_body)(
    typed_text_parts_rejected=Row(
        "A text field with a content type is rejected.", lambda raw, headers: b"text/plain" in raw
    ),
    lower_case_part_headers_rejected=Row(
        "Part headers in lower case are rejected.",
        lambda raw, headers: b"content-disposition" in raw,
    ),
    file_names_outside_ascii_rejected=Row(
        "A file name with other letters than ASCII ones is rejected.",
        lambda raw, headers: re.search(rb'filename="[^"]*[\x80-\xff]', raw) is not None,
    ),
    file_names_with_paths_rejected=Row(
        "A file name with a slash is rejected.",
        lambda raw, headers: re.search(rb'filename="[^"\r]*/', raw) is not None,
    ),
)


mutant_table("REQ-2", fields.reject_if, generated="random_bodies")(
    pair_of_medium_quality_rejected=Row(
        "In JSON, two images of medium quality and size auto are rejected.",
        lambda request: (
            request.media_type == JSON
            and [request.values.get(name) for name in ("n", "quality", "size")]
            == [2, "medium", "auto"]
        ),
    )
)


@hook_factory
def on_invalid(
    server: PatchedServer,
    change: ResponseChange,
    matches: Callable[[Response, RequestContext], bool],
) -> None:
    """Replace some of the responses with invalid_request."""

    @responses.on_response(OperationId.CREATE_GENERATION, code="invalid_request").on(server)
    def replace(response: Response, context: RequestContext) -> Response:
        return change(response, context) if matches(response, context) else response


def _has_form(response: Response, context: RequestContext) -> bool:
    return _is_form(_content_type(context.headers))


def _has_malformed_form(response: Response, context: RequestContext) -> bool:
    return _has_form(response, context) and context.body is not None and not context.body.values


mutant_table("REQ-14", on_invalid(lambda response, context: b"not valid JSON" in response.body))(
    malformed_json_crashes=Row("Malformed JSON returns 500.", crash),
    malformed_json_is_422=Row("Malformed JSON returns 422.", send_status(422)),
    malformed_json_error_in_html=Row(
        "Malformed JSON returns HTML.", send_body(_HTML_ERROR, "text/html; charset=utf-8")
    ),
)
mutant_table("REQ-14", on_invalid(lambda response, _: b"expected a JSON object" in response.body))(
    arrays_crash=Row("JSON that is not an object returns 500.", crash)
)
mutant_table("REQ-14", on_invalid(_has_malformed_form))(
    malformed_forms_crash=Row("A malformed form returns 500.", crash)
)
mutant_table("REQ-10", responses.change_error("invalid_request"))(
    invalid_is_422=Row("Invalid requests return 422.", 422),
    invalid_is_200=Row("Invalid requests return 200 with an error.", 200),
)
mutant_table("REQ-10", on_invalid(_has_form))(
    invalid_forms_are_422=Row("Invalid forms return 422, invalid JSON 400.", send_status(422)),
    invalid_forms_crash=Row("Invalid forms return 500.", crash),
)
mutant_table("REQ-16", fields.mutate_values(FORM))(
    n_ignored_in_forms=Row("The n of a form is ignored.", remove("n")),
    async_ignored_in_forms=Row("The async of a form is ignored.", remove("async")),
)
mutant_table("REQ-16", fields.replace_field("async", FORM))(
    any_string_is_true_in_forms=Row("In a form, async=false is read as true.", constant(True))
)
mutant_table("REQ-16", fields.reject_if)(
    form_numbers_rejected=Row(
        "The n of a form is rejected because it is a text.",
        lambda request: request.media_type == FORM and "n" in request.values,
    )
)
