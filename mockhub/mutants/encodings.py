"""Defects of how a body is read: content types, JSON, and forms."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson

from mockhub.mutants.asking import Asked
from mockhub.mutants.house import POST, House, around
from mockhub.mutants.layers import Asgi
from mockhub.mutants.registry import mutant
from mockhub.mutants.replies import broken, with_body
from mockhub.spec.coerce import Invalid
from mockhub.spec.operations import FORM, JSON
from mockhub.web import wire
from mockhub.web.asgi import Message, Receive, Scope, Send
from mockhub.web.visit import Visit

_TYPE = b"content-type"


def retyped(house: House, wanted: Any, content_type: bytes = b"application/json") -> None:
    """Take a body for one of another type where *wanted* says so of its own."""

    @house.on_request
    def retype(headers: dict[bytes, bytes], scope: Scope) -> None:
        if scope["method"] == "POST" and wanted(headers.get(_TYPE, b"")):
            headers[_TYPE] = content_type


def refuse_type(house: House, wanted: Any, status: int = 400) -> None:
    """Refuse bodies whose content type *wanted* says so of."""

    @around(house.pipeline, "_request")
    async def request(original: Any, visit: Visit) -> Any:
        if wanted(visit.headers.get(_TYPE, b"")):
            raise house.error("invalid_request", "The content type is not taken")
        return await original(visit)

    @house.on_answer(POST, code="invalid_request")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        odd = wanted(visit.headers.get(_TYPE, b""))
        return answer._replace(status=status) if odd else answer


@mutant("REQ-2")
def forms_refused(house: House) -> None:
    """Forms are refused."""
    refuse_type(house, lambda kind: kind.startswith(b"multipart/"))


@mutant("REQ-2")
def forms_unsupported(house: House) -> None:
    """Forms answer 415."""
    refuse_type(house, lambda kind: kind.startswith(b"multipart/"), 415)


@mutant("REQ-2")
def json_refused(house: House) -> None:
    """JSON is refused: a generation has to be asked for by a form."""
    refuse_type(house, lambda kind: kind.startswith(b"application/json"))


@mutant("REQ-2")
def forms_need_a_file(house: House) -> None:
    """A form without a file is refused."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        if asked.media == FORM and not asked.uploads:
            raise Invalid("reference_image is missing")


@mutant("REQ-14", tolerable=True)
def json_with_a_charset_refused(house: House) -> None:
    """JSON whose content type names a charset is refused."""
    refuse_type(house, lambda kind: kind.startswith(b"application/json;"))


@mutant("REQ-14", tolerable=True)
def any_type_is_json(house: House) -> None:
    """A body of any other type is read as JSON."""
    retyped(house, lambda kind: not kind.startswith((b"application/json", b"multipart/")))


@mutant("REQ-14", tolerable=True)
def untyped_is_json(house: House) -> None:
    """A body without a content type is read as JSON."""
    retyped(house, lambda kind: not kind)


@mutant("REQ-14", tolerable=True)
def other_types_are_415(house: House) -> None:
    """A body of another content type answers 415."""
    known = (b"application/json", b"multipart/")
    refuse_type(house, lambda kind: not kind.startswith(known), 415)


@mutant("REQ-14")
def other_types_crash(house: House) -> None:
    """A body of another content type answers 500."""

    @around(house.pipeline, "_request")
    async def request(original: Any, visit: Visit) -> Any:
        if not visit.headers.get(_TYPE, b"").startswith((b"application/json", b"multipart/")):
            raise KeyError("content-type")
        return await original(visit)


def rebodied(house: House, change: Any) -> None:
    """Let *change* rewrite a POST's whole body, and its headers, before it is read."""

    @house.layer
    async def rewrite(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
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

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app({**scope, "headers": list(headers.items())}, again, send)


@mutant("REQ-14", tolerable=True)
def urlencoded_taken(house: House) -> None:
    """An urlencoded form is taken too."""

    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        if not headers.get(_TYPE, b"").startswith(b"application/x-www-form-urlencoded"):
            return raw
        fields: dict[str, Any] = dict(parse_qsl(raw.decode("latin-1")))
        headers[_TYPE] = JSON.encode()
        if str(fields.get("n")).isdigit():
            fields["n"] = int(fields["n"])
        return orjson.dumps(fields)

    rebodied(house, change)


@mutant("REQ-14")
def broken_json_crashes(house: House) -> None:
    """A body that is not JSON answers 500."""
    on_broken(house, lambda answer: broken())


@mutant("REQ-14")
def broken_json_is_422(house: House) -> None:
    """A body that is not JSON answers 422."""
    on_broken(house, lambda answer: answer._replace(status=422))


@mutant("REQ-14")
def broken_json_in_html(house: House) -> None:
    """A body that is not JSON is refused by a page of HTML."""
    page = b"<!DOCTYPE html><pre>SyntaxError: Unexpected token in JSON</pre>"
    on_broken(house, lambda answer: with_body(answer, page, "text/html; charset=utf-8"))


def on_broken(house: House, change: Any) -> None:
    """Change the refusal of JSON that cannot be read."""

    @house.on_answer(POST, code="invalid_request")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        return change(answer) if b"not valid JSON" in answer.body else answer


@mutant("REQ-14")
def broken_json_is_empty(house: House) -> None:
    """A body that is not JSON is taken for one with nothing but the model and a prompt."""

    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        if not headers.get(_TYPE, b"").startswith(b"application/json"):
            return raw
        try:
            orjson.loads(raw)
        except orjson.JSONDecodeError:
            return b'{"model": "gpt-image-2", "prompt": "anything"}'
        return raw

    rebodied(house, change)


@mutant("REQ-14")
def what_follows_json_ignored(house: House) -> None:
    """What stands behind the JSON of a body is not looked at."""

    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        end = raw.rfind(b"}")
        cut = headers.get(_TYPE, b"").startswith(b"application/json") and end > 0
        return raw[: end + 1] if cut else raw

    rebodied(house, change)


@mutant("REQ-14")
def arrays_crash(house: House) -> None:
    """A body that is JSON and no object answers 500."""

    @house.on_answer(POST, code="invalid_request")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        return broken() if b"expected a JSON object" in answer.body else answer


@mutant("REQ-14")
def array_of_one_taken(house: House) -> None:
    """A list with one request in it is taken for the request."""

    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        return raw.strip()[1:-1] if raw.strip().startswith(b"[{") else raw

    rebodied(house, change)


@mutant("REQ-14")
def cut_forms_taken(house: House) -> None:
    """A form that breaks off before its last boundary is taken as far as it came."""

    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        kind = headers.get(_TYPE, b"")
        if not kind.startswith(b"multipart/") or b"boundary=" not in kind:
            return raw
        boundary = b"--" + kind.partition(b"boundary=")[2].strip(b'"')
        end = boundary + b"--"
        if end in raw or raw.count(boundary) == 0:
            return raw
        return raw.removesuffix(b"\r\n") + b"\r\n" + end + b"\r\n"

    rebodied(house, change)


@mutant("REQ-14")
def broken_forms_crash(house: House) -> None:
    """A form that cannot be read answers 500."""

    @house.on_answer(POST, code="invalid_request")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        form = visit.headers.get(_TYPE, b"").startswith(b"multipart/")
        unread = visit.reading is not None and not visit.reading.values
        return broken() if form and unread else answer


@mutant("REQ-10")
def invalid_is_422(house: House) -> None:
    """Invalid requests answer 422."""
    house.refuse("invalid_request", status=422)


@mutant("REQ-10")
def invalid_forms_are_422(house: House) -> None:
    """Invalid forms answer 422; invalid JSON answers 400."""

    @house.on_answer(POST, code="invalid_request")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        form = visit.headers.get(_TYPE, b"").startswith(b"multipart/")
        return answer._replace(status=422) if form else answer


@mutant("REQ-10")
def invalid_is_200(house: House) -> None:
    """Invalid requests answer 200 with the error in the body."""
    house.refuse("invalid_request", status=200)


@mutant("REQ-10")
def invalid_forms_crash(house: House) -> None:
    """Whatever is wrong with a form answers 500."""

    @house.on_answer(POST, code="invalid_request")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        form = visit.headers.get(_TYPE, b"").startswith(b"multipart/")
        return broken() if form else answer


@mutant("REQ-16")
def fields_after_files_lost(house: House) -> None:
    """What stands behind a file in a form is not looked at."""

    def change(raw: bytes, headers: dict[bytes, bytes]) -> bytes:
        kind = headers.get(_TYPE, b"")
        if not kind.startswith(b"multipart/") or b"boundary=" not in kind:
            return raw
        boundary = b"--" + kind.partition(b"boundary=")[2].strip(b'"')
        parts = raw.split(boundary)
        first = next((at for at, part in enumerate(parts) if b"filename=" in part), len(parts))
        kept = [
            part
            for at, part in enumerate(parts)
            if at < first or b"filename=" in part or part.startswith(b"--")
        ]
        return boundary.join(kept)

    rebodied(house, change)
