"""Defects of authentication: which keys open what, and what the others are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mockhub.domain.keys import KeyStore
from mockhub.exceptions import ApiError
from mockhub.mutants.hooks import at_every, mutate_json, replace_errors
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import server_error, with_json
from mockhub.mutants.wrapping import wrap
from mockhub.spec.error_catalog import REQUIRED_CODES
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.asgi import Scope
from mockhub.web.context import RequestContext

_AUTHORIZATION = b"authorization"


def rewrite_token(server: PatchedServer, change: Callable[[str], str]) -> None:
    """Let a function change the key that a request brings."""

    @server.on_request
    def rewrite(headers: dict[bytes, bytes], scope: Scope) -> None:
        scheme, blank, token = headers.get(_AUTHORIZATION, b"").partition(b" ")
        if token:
            token = change(token.decode("latin-1")).encode("latin-1")
            headers[_AUTHORIZATION] = scheme + blank + token


def bypass_auth(server: PatchedServer, *operations: str, code: str = "missingApiKey") -> None:
    """Take who is refused with *code* at some operations for the owner of the first key."""

    @wrap(server.api, "authenticate")
    def authenticate(original: Any, context: RequestContext) -> Any:
        try:
            return original(context)
        except ApiError as error:
            operation_id = context.operation.id if context.operation else ""
            if error.code != code or operation_id not in operations:
                raise
            account = context.account = server.richest_account()
            context.initial_balance = account.balance
            return account


def allow_read_by_id(server: PatchedServer, code: str) -> None:
    """Let who is refused with *code* read any generation whose id is known."""

    @wrap(server.api, "authenticate")
    def authenticate(original: Any, context: RequestContext) -> Any:
        try:
            return original(context)
        except ApiError as error:
            generation = server.hub.generations.get(context.path_param or "")
            if error.code != code or generation is None:
                raise
            return server.hub.accounts[generation.account]


@mutant("AUTH-1", "Generations can be read without a key by whoever knows their id.")
def reads_without_key(server: PatchedServer) -> None:
    allow_read_by_id(server, "missingApiKey")


@mutant("AUTH-1", "Only reads are protected: a generation can be made without a key.")
def writes_without_key(server: PatchedServer) -> None:
    bypass_auth(server, OperationId.CREATE_GENERATION)


@mutant("AUTH-1", "Without a key, /credits tells somebody's balance.")
def balance_without_key(server: PatchedServer) -> None:
    bypass_auth(server, OperationId.GET_CREDITS)


@mutant(
    "AUTH-1", "A request without a key is refused, and its generation made and charged to somebody."
)
def charged_without_key(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="missingApiKey")
    def charge(response: responses.Response, context: RequestContext) -> responses.Response:
        server.adjust_balance(server.richest_account(), -8)
        return response


@mutant("AUTH-2", "The key has to come without a scheme; with Bearer it is unknown.")
def bearer_scheme_rejected(server: PatchedServer) -> None:
    @server.on_request
    def strip(headers: dict[bytes, bytes], scope: Scope) -> None:
        value = headers.get(_AUTHORIZATION, b"")
        headers.pop(_AUTHORIZATION, None)
        if value:
            headers[_AUTHORIZATION] = (
                b"Basic " + value if value.startswith(b"Bearer") else b"Bearer " + value
            )


@mutant("AUTH-3", "Without an Authorization header the code is invalidApiKey.")
def missing_key_is_invalid_key(server: PatchedServer) -> None:
    server.change_error("missingApiKey", new_code="invalidApiKey")


@mutant("AUTH-3", "Without an Authorization header the answer is 403.")
def missing_key_is_403(server: PatchedServer) -> None:
    server.change_error("missingApiKey", status=403)


@mutant("AUTH-3", "Without an Authorization header the code is unauthorized.")
def missing_key_with_other_code(server: PatchedServer) -> None:
    server.change_error("missingApiKey", new_code="unauthorized")


@mutant("AUTH-3", "A generation asked for without a header is refused as invalid, with 400.")
def missing_key_is_400_on_post(server: PatchedServer) -> None:
    server.change_error(
        "missingApiKey", OperationId.CREATE_GENERATION, status=400, new_code="invalid_request"
    )


@mutant(
    "AUTH-3",
    "Reading a generation without a header answers invalidApiKey; elsewhere the code is right.",
)
def missing_key_is_invalid_key_on_reads(server: PatchedServer) -> None:
    server.change_error("missingApiKey", OperationId.GET_GENERATION, new_code="invalidApiKey")


@mutant("AUTH-4", "A key that does not exist is answered as a missing one.")
def unknown_key_is_missing_key(server: PatchedServer) -> None:
    server.change_error("invalidApiKey", new_code="missingApiKey")


@mutant("AUTH-4", "A key that does not exist answers 403.")
def unknown_key_is_403(server: PatchedServer) -> None:
    server.change_error("invalidApiKey", status=403)


@mutant("AUTH-4", "A key that does not exist answers 404 notFound: there is no such user.")
def unknown_key_is_404(server: PatchedServer) -> None:
    server.change_error("invalidApiKey", status=404, new_code="notFound")


@mutant("AUTH-4", "A key that does not exist is answered as an expired one.")
def unknown_key_is_expired_key(server: PatchedServer) -> None:
    server.change_error("invalidApiKey", new_code="expiredApiKey")


@mutant("AUTH-4", "A key that looks like one is taken, whether or not it exists.")
def any_key_accepted(server: PatchedServer) -> None:
    known = set(server.keys.values())
    prefix = server.spec.key_format.prefix
    usable = server.usable_key()

    def resolve(token: str) -> str:
        return usable if token.startswith(prefix) and token not in known else token

    rewrite_token(server, resolve)


@mutant("AUTH-4", "An unknown key cannot generate, and is told a balance of nothing.")
def unknown_key_reads_balance(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_CREDITS, code="invalidApiKey")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        content = {"credits": 0, "account_type": "FREE", "next_expiration": None}
        return replace(with_json(response, content), status=200)


@mutant("AUTH-4", "An unknown key reads generations, if it looks like a key.")
def unknown_key_reads_generations(server: PatchedServer) -> None:
    allow_read_by_id(server, "invalidApiKey")


@mutant("AUTH-4", "A key shorter than a key is answers 500.")
def short_key_crashes(server: PatchedServer) -> None:
    @server.on_response(code="invalidApiKey")
    def crash(response: responses.Response, context: RequestContext) -> responses.Response:
        short = len(context.authorization or b"") < 41  # noqa: PLR2004
        return server_error() if short else response


def replace_keys(change: dict[str, Any], *operations: str) -> Callable[[PatchedServer], None]:
    """A defect that takes keys for other ones, at some operations only."""

    def apply(server: PatchedServer) -> None:
        original_keys = server.hub.keys
        patched_keys = KeyStore(
            {digest: key._replace(**change) for digest, key in original_keys.items()}
        )

        @wrap(server.api, "route")
        def route(original: Any, context: RequestContext) -> Any:
            operation = original(context)
            matched = operation is not None and operation.id in operations
            server.hub.keys = patched_keys if matched else original_keys
            return operation

    return apply


for _state, _clause, _changes in (
    ("revoked", "AUTH-5", {"revoked": False}),
    ("expired", "AUTH-6", {"expires_at": None}),
):
    mutant(
        _clause,
        name=f"{_state}-key-accepted",
        description=f"The {_state} key still opens everything.",
    )(
        replace_keys(
            _changes,
            OperationId.CREATE_GENERATION,
            OperationId.GET_CREDITS,
            OperationId.GET_GENERATION,
        )
    )
    mutant(
        _clause,
        name=f"{_state}-key-can-read",
        description=f"The {_state} key can no longer generate, and still reads.",
    )(replace_keys(_changes, OperationId.GET_CREDITS, OperationId.GET_GENERATION))
    mutant(
        _clause,
        name=f"{_state}-key-can-generate",
        description=f"The {_state} key can no longer read, and still generates.",
    )(replace_keys(_changes, OperationId.CREATE_GENERATION))


@mutant("AUTH-5", "A revoked key is answered as an expired one.")
def revoked_key_is_expired_key(server: PatchedServer) -> None:
    for digest, key in tuple(server.hub.keys.items()):
        if key.revoked:
            server.hub.keys[digest] = key._replace(revoked=False, expires_at=0)


@mutant("AUTH-5", "A revoked key is answered revokedApiKey.")
def revoked_key_with_own_code(server: PatchedServer) -> None:
    @server.mutate_json(code="invalidApiKey")
    def rewrite(content: Any, context: RequestContext) -> None:
        key = server.hub.keys.get(context.key_digest or b"")
        if key and key.revoked:
            content["error"]["code"] = "revokedApiKey"


@mutant("AUTH-6", "An expired key is answered as one that does not exist.")
def expired_key_is_invalid_key(server: PatchedServer) -> None:
    server.change_error("expiredApiKey", new_code="invalidApiKey")


@mutant("AUTH-6", "An expired key answers 403.")
def expired_key_is_403(server: PatchedServer) -> None:
    server.change_error("expiredApiKey", status=403)


@mutant("AUTH-6", "An expired key that reads a generation is answered as a missing one.")
def expired_key_is_missing_key_on_reads(server: PatchedServer) -> None:
    server.change_error("expiredApiKey", OperationId.GET_GENERATION, new_code="missingApiKey")


@mutant("AUTH-1", "A generation can be asked for by a form without a key.")
def forms_without_key(server: PatchedServer) -> None:
    @server.on_request
    def add_key(headers: dict[bytes, bytes], scope: Scope) -> None:
        if _AUTHORIZATION not in headers and headers.get(b"content-type", b"").startswith(
            b"multipart/"
        ):
            headers[_AUTHORIZATION] = b"Bearer " + server.usable_key().encode()


@mutant("AUTH-2", "/credits refuses every key, which opens all else.")
def credits_reject_all_keys(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_CREDITS, status=200)
    def reject(response: responses.Response, context: RequestContext) -> responses.Response:
        return responses.error_response(server.error("invalidApiKey"))


mutant_table("AUTH-3", at_every(2, mutate_json(code="missingApiKey")))(
    every_second_missing_key_is_invalid_key=(
        "Every second request without a key returns invalidApiKey.",
        lambda content, context: content["error"].update(code="invalidApiKey"),
    ),
)


def _snake_case(code: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in code)


mutant_table("ERR-3", replace_errors(*REQUIRED_CODES))(
    codes_in_snake_case=(
        "Codes are in snake case: missing_api_key.",
        lambda error: {"error": {**error, "code": _snake_case(error["code"])}},
    ),
)
