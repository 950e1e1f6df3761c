"""Mutants of keys in other places, partial keys and keys in responses (AUTH-7 to AUTH-11)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import parse_qs

from msgspec.structs import replace

from mockhub.exceptions import ValidationError
from mockhub.mutants import hooks, responses
from mockhub.mutants.defects.auth import rewrite_token
from mockhub.mutants.hook import Hook
from mockhub.mutants.middleware import AsgiApp
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import Json, RequestContext, RequestHeaders, Response, Scope
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import OperationId
from mockhub.web.asgi import Message, Receive, Send
from mockhub.web.responses import error_response

FindKey = Callable[[RequestHeaders, Scope], bytes | None]

_QUERY_PARAMETERS = (b"api_key", b"key", b"token", b"access_token", b"apiKey")
_PREFIX = b"gih_live_"
_ALLOW_ORIGIN = b"access-control-allow-origin"
_KEY_LENGTH = 41
_SHORT_PREFIX_LENGTH = 16


def _key(context: RequestContext) -> str:
    return (context.authorization or b"").decode("latin-1").removeprefix("Bearer ")


@mutant("AUTH-7", "The URLs of images contain the key.")
@responses.mutate_json(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION)
def key_in_image_url(content: Json, context: RequestContext) -> None:
    for image in content.get("images", ()):
        image["url"] += f"?key={_key(context)}"


@mutant("AUTH-7", "A response header contains the key.")
@responses.on_response(OperationId.GET_CREDITS, status=200)
def key_in_response_header(response: Response, context: RequestContext) -> Response:
    header = (b"x-api-key", _key(context).encode("latin-1"))
    return replace(response, headers=(*response.headers, header))


mutant_table("AUTH-7", responses.mutate_json(code="invalidApiKey"))(
    key_in_error_message=Row(
        "The error message of a rejected key contains the key.",
        lambda content, context: content["error"].update(message=f"{_key(context)} is unknown"),
    )
)
mutant_table("AUTH-7", responses.mutate_json(OperationId.GET_GENERATION, status=200))(
    key_in_log=Row(
        "The log of a generation contains the key that reads it.",
        lambda content, context: content.update(api_key=_key(context)),
    )
)
mutant_table("AUTH-7", responses.mutate_json(OperationId.GET_CREDITS, status=200))(
    key_in_balance=Row(
        "/credits lists the keys of the account.",
        lambda content, context: content.update(keys=[{"key": _key(context)}]),
    )
)


@hooks.on_request.adapted
def accept_key_from(find: FindKey, headers: RequestHeaders, scope: Scope) -> None:
    """Use the key that *find* returns instead of that of the Authorization header."""
    if token := find(headers, scope):
        headers[hooks.AUTHORIZATION] = b"Bearer " + token


def _query_key(headers: RequestHeaders, scope: Scope) -> bytes | None:
    query = parse_qs(scope["query_string"]) if hooks.AUTHORIZATION not in headers else {}
    return next((bytes(query[name][0]) for name in _QUERY_PARAMETERS if name in query), None)


def _basic_auth_key(headers: RequestHeaders, scope: Scope) -> bytes | None:
    scheme, _, encoded = headers.get(hooks.AUTHORIZATION, b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded + b"==").partition(b":")
    except ValueError:
        return None
    return password or user


mutant_table("AUTH-8", accept_key_from)(
    key_in_query_accepted=Row("A key in the query string is accepted too.", _query_key),
    key_in_other_header_accepted=Row(
        "A key in X-API-Key is accepted too.",
        lambda headers, scope: (
            headers.get(b"x-api-key") if hooks.AUTHORIZATION not in headers else None
        ),
    ),
    key_without_scheme_accepted=Row(
        "A key without a scheme is accepted too.",
        lambda headers, scope: (
            value if (value := headers.get(hooks.AUTHORIZATION, b"")).startswith(_PREFIX) else None
        ),
    ),
    any_scheme_accepted=Row(
        "A key is accepted with any scheme, such as Token or Basic.",
        lambda headers, scope: headers.get(hooks.AUTHORIZATION, b"").partition(b" ")[2],
    ),
    basic_auth_accepted=Row("A key is accepted as the password of Basic too.", _basic_auth_key),
)


@mutant("AUTH-8", "`Bearer` without a token is accepted as some account.")
def empty_token_accepted(server: PatchedServer) -> None:
    usable = server.usable_key().encode()

    @accept_key_from.on(server)
    def find(headers: RequestHeaders, scope: Scope) -> bytes | None:
        return (
            usable if headers.get(hooks.AUTHORIZATION, b"").lower().strip() == b"bearer" else None
        )


@hooks.add_middleware.adapted
async def allow_origin(
    origin: Callable[[RequestHeaders], bytes],
    app: AsgiApp,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Allow pages of an origin to send the credentials of their user."""

    async def send_with_origin(message: Message) -> None:
        if message["type"] == "http.response.start":
            others = [each for each in message["headers"] if each[0] != _ALLOW_ORIGIN]
            allowed = [
                (_ALLOW_ORIGIN, origin(dict(scope["headers"]))),
                (b"access-control-allow-credentials", b"true"),
            ]
            message = {**message, "headers": others + allowed}
        await send(message)

    await app(scope, receive, send_with_origin)


mutant_table("AUTH-8", allow_origin)(
    any_origin_reflected_with_credentials=Row(
        "Pages of every origin may send credentials.",
        lambda headers: headers.get(b"origin", b"https://www.gptimagehub.com"),
    ),
    every_origin_with_credentials=Row(
        "Access-Control-Allow-Origin is * and credentials are allowed.", lambda headers: b"*"
    ),
)


@Hook
def find_key(server: PatchedServer, matches: Callable[[str, str], bool]) -> None:
    """Accept a token as the key that it matches, given the token and the key."""
    keys = tuple(server.keys.values())
    rewrite_token(lambda token: next((key for key in keys if matches(token, key)), token))(server)


mutant_table("AUTH-9", find_key)(
    key_prefix_accepted=Row(
        "The first 16 characters of a key are enough.",
        lambda token, key: len(token) >= _SHORT_PREFIX_LENGTH and key.startswith(token),
    ),
    last_character_ignored=Row(
        "The last character of a key is ignored.",
        lambda token, key: len(token) >= _KEY_LENGTH and key[:-1] == token[:-1],
    ),
    key_case_ignored=Row(
        "Keys are compared without regard to case.", lambda token, key: key.lower() == token.lower()
    ),
    token_containing_key_accepted=Row(
        "A token that contains a key is accepted as the key.", lambda token, key: key in token
    ),
)
mutant_table("AUTH-9", rewrite_token)(
    trailing_characters_ignored=Row(
        "Characters after the 41st of a key are ignored.", lambda token: token[:_KEY_LENGTH]
    )
)


@mutant("AUTH-10", "The body is validated before the key is checked.", conforms_if_documented=True)
def body_before_key(server: PatchedServer) -> None:
    path = server.spec.operations[OperationId.CREATE_GENERATION].path

    @wrap(server.api, "handle")
    async def validate_first(original: Original, context: RequestContext) -> object:
        if context.method == "POST" and context.path == path:
            context.hub = server.hub
            try:
                context.parsed_request = await server.api.parse_request(context)
            except ValidationError as error:
                return error_response(server.error("invalid_request", str(error)))
        return await original(context)

    @wrap(server.api, "parse_request")
    async def read_once(original: Original, context: RequestContext) -> object:
        return context.parsed_request or await original(context)


@Hook
def check_content_type_first(server: PatchedServer, is_known: Callable[[bytes], bool]) -> None:
    @wrap(server.api, "authenticate")
    def authenticate(original: Original, context: RequestContext) -> object:
        if context.method == "POST" and not is_known(context.headers.get(b"content-type", b"")):
            raise server.error("invalid_request")
        return original(context)


mutant_table("AUTH-10", check_content_type_first, conforms_if_documented=True)(
    content_type_before_key=Row(
        "Content types are checked before the key.",
        lambda content_type: content_type.startswith((b"application/json", b"multipart/")),
    ),
    boundary_before_key=Row(
        "The boundary of a form is checked before the key.",
        lambda content_type: (
            not content_type.startswith(b"multipart/") or b"boundary" in content_type
        ),
    ),
)


@mutant("AUTH-11", "The model list rejects invalid keys.", conforms_if_documented=True)
@hooks.wrap_handler(OperationId.LIST_MODELS).with_server
async def models_validate_keys(server: PatchedServer, call: hooks.Call) -> Response:
    if call.context.authorization is not None:
        server.hub.authenticate(call.context.credentials)
    return await call.proceed()


@mutant("AUTH-11", "The model list rejects other schemes with 400.", conforms_if_documented=True)
@responses.on_response(OperationId.LIST_MODELS, status=200)
def models_reject_other_schemes(response: Response, context: RequestContext) -> Response:
    if context.authorization is None or context.key_digest:
        return response
    return responses.error_response(context, "invalid_request")
