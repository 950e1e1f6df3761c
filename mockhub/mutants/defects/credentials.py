"""Defects of where a key is taken from, how much of it counts, and where it shows up."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

from msgspec.structs import replace

from mockhub.mutants.defects.auth import rewrite_token
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.asgi import Scope
from mockhub.web.context import RequestContext

_AUTHORIZATION = b"authorization"


@mutant("AUTH-7", "A refusal repeats the key that it refuses.")
def key_in_error_message(server: PatchedServer) -> None:
    @server.mutate_json(code="invalidApiKey")
    def rewrite(content: Any, context: RequestContext) -> None:
        given = (context.authorization or b"").decode("latin-1")
        content["error"]["message"] = f"{given} is not a valid API key"


@mutant("AUTH-7", "A generation's log names the key that made it.")
def key_in_log(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.GET_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        content["api_key"] = (context.authorization or b"").decode("latin-1")[7:]


@mutant("AUTH-7", "Image URLs carry the key, so that it passes on with them.")
def key_in_image_url(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION)
    def rewrite(content: Any, context: RequestContext) -> None:
        for image in content.get("images", ()):
            image["url"] += "?key=" + (context.authorization or b"").decode("latin-1")[7:]


@mutant("AUTH-7", "Answers repeat the key in a header of their own.")
def key_in_response_header(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_CREDITS, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        key = (b"x-api-key", (context.authorization or b"")[7:])
        return replace(response, headers=(*response.headers, key))


@mutant("AUTH-7", "/credits lists the owner's keys.")
def key_in_balance(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.GET_CREDITS, status=200)
    def rewrite(content: Any, context: RequestContext) -> None:
        content["keys"] = [{"key": (context.authorization or b"").decode("latin-1")[7:]}]


def accept_key_from(server: PatchedServer, find: Any) -> None:
    """Take a key from elsewhere too, where no Authorization header opens anything."""

    @server.on_request
    def rewrite(headers: dict[bytes, bytes], scope: Scope) -> None:
        if token := find(headers, scope):
            headers[_AUTHORIZATION] = b"Bearer " + token


@mutant("AUTH-8", "A key in the query string is taken too.")
def key_in_query_accepted(server: PatchedServer) -> None:
    def find(headers: dict[bytes, bytes], scope: Scope) -> bytes | None:
        query = parse_qs(scope["query_string"])
        for name in (b"api_key", b"key", b"token", b"access_token", b"apiKey"):
            if _AUTHORIZATION not in headers and name in query:
                return bytes(query[name][0])
        return None

    accept_key_from(server, find)


@mutant("AUTH-8", "A key in X-API-Key is taken too.")
def key_in_other_header_accepted(server: PatchedServer) -> None:
    accept_key_from(
        server, lambda headers, scope: _AUTHORIZATION not in headers and headers.get(b"x-api-key")
    )


@mutant("AUTH-8", "The bare key is taken as the whole header.")
def key_without_scheme_accepted(server: PatchedServer) -> None:
    prefix = b"gih_live_"
    accept_key_from(
        server,
        lambda headers, scope: (
            headers.get(_AUTHORIZATION, b"").startswith(prefix) and headers[_AUTHORIZATION]
        ),
    )


@mutant(
    "AUTH-8", "The scheme is not looked at: Token and Basic before a key serve as well as Bearer."
)
def any_scheme_accepted(server: PatchedServer) -> None:
    accept_key_from(
        server, lambda headers, scope: headers.get(_AUTHORIZATION, b"").partition(b" ")[2]
    )


@mutant("AUTH-8", "The key is taken as the password of Basic authentication too.")
def basic_auth_accepted(server: PatchedServer) -> None:
    def find(headers: dict[bytes, bytes], scope: Scope) -> bytes | None:
        scheme, _, encoded = headers.get(_AUTHORIZATION, b"").partition(b" ")
        if scheme.lower() != b"basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded + b"==").partition(b":")
        except ValueError:
            return None
        return password or user

    accept_key_from(server, find)


@mutant("AUTH-8", "`Bearer` with nothing after it is taken for somebody.")
def empty_token_accepted(server: PatchedServer) -> None:
    usable = server.usable_key().encode()
    accept_key_from(
        server,
        lambda headers, scope: (
            headers.get(_AUTHORIZATION, b"x").lower().strip() == b"bearer" and usable
        ),
    )


@mutant("AUTH-9", "The first 16 characters of a key are enough.")
def key_prefix_accepted(server: PatchedServer) -> None:
    rewrite_token(
        server,
        lambda token: next(
            (raw for raw in server.keys.values() if len(token) > 15 and raw.startswith(token)),  # noqa: PLR2004
            token,
        ),
    )


@mutant("AUTH-9", "What follows the 41st character of a key does not count.")
def trailing_characters_ignored(server: PatchedServer) -> None:
    rewrite_token(server, lambda token: token[:41])


@mutant("AUTH-9", "The last character of a key does not count.")
def last_character_ignored(server: PatchedServer) -> None:
    known = {raw[:-1]: raw for raw in server.keys.values()}
    rewrite_token(server, lambda token: known.get(token[:-1], token) if len(token) > 40 else token)  # noqa: PLR2004


@mutant("AUTH-9", "Keys are compared without their case.")
def key_case_ignored(server: PatchedServer) -> None:
    known = {raw.lower(): raw for raw in server.keys.values()}
    rewrite_token(server, lambda token: known.get(token.lower(), token))


@mutant("AUTH-9", "A token that contains a key somewhere opens what the key does.")
def token_containing_key_accepted(server: PatchedServer) -> None:
    rewrite_token(
        server, lambda token: next((raw for raw in server.keys.values() if raw in token), token)
    )
