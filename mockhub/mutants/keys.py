"""Defects of authentication: which keys open what, and what the others are told."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

from mockhub.mutants.house import CREDITS, GET, MODELS, POST, House, around, with_content
from mockhub.mutants.registry import mutant
from mockhub.spec.errors import ApiError
from mockhub.web import wire
from mockhub.web.asgi import Scope
from mockhub.web.visit import Visit
from mockhub.world.accounts import Key

_KEY = b"authorization"


def let_in(house: House, *operations: str, code: str = "missingApiKey") -> None:
    """Take who is refused with *code* at some operations for the owner of the first key."""

    @around(house.pipeline, "_pass")
    async def passing(original: Any, visit: Visit) -> Any:
        try:
            return await original(visit)
        except ApiError as error:
            asked = visit.operation.id if visit.operation else ""
            if error.code != code or asked not in operations:
                raise
            account = house.somebody()
            visit.enter(account)
            return await house.pipeline._handlers[asked](visit, account)


@mutant("AUTH-1")
def reads_open(house: House) -> None:
    """Generations can be read without a key by whoever knows their id."""

    @around(house.pipeline, "_pass")
    async def passing(original: Any, visit: Visit) -> Any:
        try:
            return await original(visit)
        except ApiError as error:
            made = house.hub.generations.get(visit.argument or "")
            if error.code != "missingApiKey" or made is None:
                raise
            return await house.pipeline._handlers[GET](visit, house.hub.accounts[made.account])


@mutant("AUTH-1")
def writes_open(house: House) -> None:
    """Only reads are protected: a generation can be made without a key."""
    let_in(house, POST)


@mutant("AUTH-1")
def balance_open(house: House) -> None:
    """Without a key, /credits tells somebody's balance."""
    let_in(house, CREDITS)


@mutant("AUTH-1")
def charged_without_a_key(house: House) -> None:
    """A request without a key is refused, and its generation made and charged to somebody."""

    @house.on_answer(POST, code="missingApiKey")
    def charge(answer: wire.Answer, visit: Visit) -> wire.Answer:
        house.move(house.somebody(), -8)
        return answer


@mutant("AUTH-2")
def bearer_refused(house: House) -> None:
    """The key has to come without a scheme; with Bearer it is unknown."""

    @house.on_request
    def strip(headers: dict[bytes, bytes], scope: Scope) -> None:
        value = headers.get(_KEY, b"")
        headers.pop(_KEY, None)
        if value:
            headers[_KEY] = b"Basic " + value if value.startswith(b"Bearer") else b"Bearer " + value


@mutant("AUTH-3")
def missing_is_invalid(house: House) -> None:
    """Without an Authorization header the code is invalidApiKey."""
    house.refuse("missingApiKey", named="invalidApiKey")


@mutant("AUTH-3")
def missing_is_forbidden(house: House) -> None:
    """Without an Authorization header the answer is 403."""
    house.refuse("missingApiKey", status=403)


@mutant("AUTH-3")
def missing_renamed(house: House) -> None:
    """Without an Authorization header the code is unauthorized."""
    house.refuse("missingApiKey", named="unauthorized")


@mutant("AUTH-3")
def missing_is_bad_request_on_post(house: House) -> None:
    """A generation asked for without a header is refused as invalid, with 400."""
    house.refuse("missingApiKey", POST, status=400, named="invalid_request")


@mutant("AUTH-3")
def missing_differs_on_reads(house: House) -> None:
    """Reading a generation without a header answers invalidApiKey; elsewhere the code is right."""
    house.refuse("missingApiKey", GET, named="invalidApiKey")


@mutant("AUTH-4")
def unknown_is_missing(house: House) -> None:
    """A key that does not exist is answered as a missing one."""
    house.refuse("invalidApiKey", named="missingApiKey")


@mutant("AUTH-4")
def unknown_is_forbidden(house: House) -> None:
    """A key that does not exist answers 403."""
    house.refuse("invalidApiKey", status=403)


@mutant("AUTH-4")
def unknown_is_not_found(house: House) -> None:
    """A key that does not exist answers 404 notFound: there is no such user."""
    house.refuse("invalidApiKey", status=404, named="notFound")


@mutant("AUTH-4")
def unknown_is_expired(house: House) -> None:
    """A key that does not exist is answered as an expired one."""
    house.refuse("invalidApiKey", named="expiredApiKey")


@mutant("AUTH-4")
def every_key_opens(house: House) -> None:
    """A key that looks like one is taken, whether or not it exists."""
    known = set(house.keys.values())
    prefix = house.law.key_format.prefix
    good = house.good_key()
    house.on_token(lambda token: good if token.startswith(prefix) and token not in known else token)


@mutant("AUTH-4")
def unknown_reads_balance(house: House) -> None:
    """An unknown key cannot generate, and is told a balance of nothing."""

    @house.on_answer(CREDITS, code="invalidApiKey")
    def nobody(answer: wire.Answer, visit: Visit) -> wire.Answer:
        content = {"credits": 0, "account_type": "FREE", "next_expiration": None}
        return with_content(answer, content)._replace(status=200)


@mutant("AUTH-4")
def unknown_reads_generations(house: House) -> None:
    """An unknown key reads generations, if it looks like a key."""

    @around(house.pipeline, "_pass")
    async def passing(original: Any, visit: Visit) -> Any:
        try:
            return await original(visit)
        except ApiError as error:
            made = house.hub.generations.get(visit.argument or "")
            if error.code != "invalidApiKey" or made is None:
                raise
            return await house.pipeline._handlers[GET](visit, house.hub.accounts[made.account])


@mutant("AUTH-4")
def short_key_crashes(house: House) -> None:
    """A key shorter than a key is answers 500."""

    @house.on_answer(code="invalidApiKey")
    def crash(answer: wire.Answer, visit: Visit) -> wire.Answer:
        short = len(visit.authorization or b"") < 41  # noqa: PLR2004
        return broken() if short else answer


def keyed(house: House, change: Any) -> None:
    """Let *change* decide on keys as they are looked up; it gets each key and the operation."""
    for digest, key in tuple(house.hub.keys.items()):
        house.hub.keys[digest] = change(key)


@mutant("AUTH-5")
def revoked_works(house: House) -> None:
    """A revoked key still opens everything."""
    keyed(house, lambda key: key._replace(revoked=False))


@mutant("AUTH-5")
def revoked_reads(house: House) -> None:
    """A revoked key can no longer generate, and still reads."""
    by_operation(house, lambda key: key._replace(revoked=False), CREDITS, GET)


@mutant("AUTH-5")
def revoked_generates(house: House) -> None:
    """A revoked key can no longer read, and still generates."""
    by_operation(house, lambda key: key._replace(revoked=False), POST)


@mutant("AUTH-5")
def revoked_is_expired(house: House) -> None:
    """A revoked key is answered as an expired one."""
    keyed(house, lambda key: key._replace(revoked=False, expires_at=0) if key.revoked else key)


@mutant("AUTH-5")
def revoked_has_a_code(house: House) -> None:
    """A revoked key is answered revokedApiKey."""

    @house.on_content(code="invalidApiKey")
    def rewrite(content: Any, visit: Visit) -> None:
        key = house.hub.keys.get(visit.digest or b"")
        if key and key.revoked:
            content["error"]["code"] = "revokedApiKey"


@mutant("AUTH-6")
def expired_works(house: House) -> None:
    """An expired key still opens everything."""
    keyed(house, lambda key: key._replace(expires_at=None))


@mutant("AUTH-6")
def expired_reads(house: House) -> None:
    """An expired key can no longer generate, and still reads."""
    by_operation(house, lambda key: key._replace(expires_at=None), CREDITS, GET)


@mutant("AUTH-6")
def expired_generates(house: House) -> None:
    """An expired key can no longer read, and still generates."""
    by_operation(house, lambda key: key._replace(expires_at=None), POST)


@mutant("AUTH-6")
def expired_is_invalid(house: House) -> None:
    """An expired key is answered as one that does not exist."""
    house.refuse("expiredApiKey", named="invalidApiKey")


@mutant("AUTH-6")
def expired_is_forbidden(house: House) -> None:
    """An expired key answers 403."""
    house.refuse("expiredApiKey", status=403)


@mutant("AUTH-6")
def expired_is_missing_on_reads(house: House) -> None:
    """An expired key that reads a generation is answered as a missing one."""
    house.refuse("expiredApiKey", GET, named="missingApiKey")


def by_operation(house: House, change: Any, *operations: str) -> None:
    """Look keys up otherwise, by *change*, at some operations only."""
    strict = dict(house.hub.keys)
    lax: dict[bytes, Key] = {digest: change(key) for digest, key in strict.items()}

    @around(house.pipeline, "_route")
    def route(original: Any, visit: Visit) -> Any:
        operation = original(visit)
        found = operation is not None and operation.id in operations
        house.hub.keys = lax if found else strict
        return operation


@mutant("AUTH-7")
def key_in_the_refusal(house: House) -> None:
    """A refusal repeats the key that it refuses."""

    @house.on_content(code="invalidApiKey")
    def rewrite(content: Any, visit: Visit) -> None:
        given = (visit.authorization or b"").decode("latin-1")
        content["error"]["message"] = f"{given} is not a valid API key"


@mutant("AUTH-7")
def key_in_the_log(house: House) -> None:
    """A generation's log names the key that made it."""

    @house.on_content(GET, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        content["api_key"] = (visit.authorization or b"").decode("latin-1")[7:]


@mutant("AUTH-7")
def key_in_the_image_url(house: House) -> None:
    """Image URLs carry the key, so that it passes on with them."""

    @house.on_generation
    def rewrite(content: Any, visit: Visit) -> None:
        for image in content.get("images", ()):
            image["url"] += "?key=" + (visit.authorization or b"").decode("latin-1")[7:]


@mutant("AUTH-7")
def key_in_a_header(house: House) -> None:
    """Answers repeat the key in a header of their own."""

    @house.on_answer(CREDITS, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        key = (b"x-api-key", (visit.authorization or b"")[7:])
        return answer._replace(headers=(*answer.headers, key))


@mutant("AUTH-7")
def key_in_the_balance(house: House) -> None:
    """/credits lists the owner's keys."""

    @house.on_content(CREDITS, status=200)
    def rewrite(content: Any, visit: Visit) -> None:
        content["keys"] = [{"key": (visit.authorization or b"").decode("latin-1")[7:]}]


def also(house: House, find: Any) -> None:
    """Take a key from elsewhere too, where no Authorization header opens anything."""

    @house.on_request
    def reread(headers: dict[bytes, bytes], scope: Scope) -> None:
        if token := find(headers, scope):
            headers[_KEY] = b"Bearer " + token


@mutant("AUTH-8")
def key_in_the_query(house: House) -> None:
    """A key in the query string is taken too."""

    def find(headers: dict[bytes, bytes], scope: Scope) -> bytes | None:
        query = parse_qs(scope["query_string"])
        for name in (b"api_key", b"key", b"token", b"access_token", b"apiKey"):
            if _KEY not in headers and name in query:
                return bytes(query[name][0])
        return None

    also(house, find)


@mutant("AUTH-8")
def key_in_another_header(house: House) -> None:
    """A key in X-API-Key is taken too."""
    also(house, lambda headers, scope: _KEY not in headers and headers.get(b"x-api-key"))


@mutant("AUTH-8")
def key_without_a_scheme(house: House) -> None:
    """The bare key is taken as the whole header."""
    prefix = b"gih_live_"
    also(
        house,
        lambda headers, scope: headers.get(_KEY, b"").startswith(prefix) and headers[_KEY],
    )


@mutant("AUTH-8")
def any_scheme(house: House) -> None:
    """The scheme is not looked at: Token and Basic before a key serve as well as Bearer."""
    also(house, lambda headers, scope: headers.get(_KEY, b"").partition(b" ")[2])


@mutant("AUTH-8")
def basic_password(house: House) -> None:
    """The key is taken as the password of Basic authentication too."""

    def find(headers: dict[bytes, bytes], scope: Scope) -> bytes | None:
        scheme, _, coded = headers.get(_KEY, b"").partition(b" ")
        if scheme.lower() != b"basic":
            return None
        try:
            user, _, password = base64.b64decode(coded + b"==").partition(b":")
        except ValueError:
            return None
        return password or user

    also(house, find)


@mutant("AUTH-8")
def empty_token_opens(house: House) -> None:
    """`Bearer` with nothing after it is taken for somebody."""
    good = house.good_key().encode()
    also(
        house, lambda headers, scope: headers.get(_KEY, b"x").lower().strip() == b"bearer" and good
    )


@mutant("AUTH-9")
def prefix_of_a_key_opens(house: House) -> None:
    """The first 16 characters of a key are enough."""
    house.on_token(
        lambda token: next(
            (raw for raw in house.keys.values() if len(token) > 15 and raw.startswith(token)),  # noqa: PLR2004
            token,
        )
    )


@mutant("AUTH-9")
def trailing_characters_ignored(house: House) -> None:
    """What follows the 41st character of a key does not count."""
    house.on_token(lambda token: token[:41])


@mutant("AUTH-9")
def last_character_ignored(house: House) -> None:
    """The last character of a key does not count."""
    known = {raw[:-1]: raw for raw in house.keys.values()}
    house.on_token(lambda token: known.get(token[:-1], token) if len(token) > 40 else token)  # noqa: PLR2004


@mutant("AUTH-9")
def case_ignored(house: House) -> None:
    """Keys are compared without their case."""
    known = {raw.lower(): raw for raw in house.keys.values()}
    house.on_token(lambda token: known.get(token.lower(), token))


@mutant("AUTH-9")
def key_within_opens(house: House) -> None:
    """A token that contains a key somewhere opens what the key does."""
    house.on_token(lambda token: next((raw for raw in house.keys.values() if raw in token), token))


@mutant("AUTH-10", tolerable=True)
def body_before_key(house: House) -> None:
    """A bad body is refused before the key is looked at."""
    house.body_first()


@mutant("AUTH-10", tolerable=True)
def content_type_before_key(house: House) -> None:
    """A body of another content type is refused before the key is looked at."""

    @around(house.pipeline, "_pass")
    async def passing(original: Any, visit: Visit) -> Any:
        media = visit.headers.get(b"content-type", b"")
        if visit.method == "POST" and not media.startswith((b"application/json", b"multipart/")):
            visit.hub = house.hub
            raise house.error("invalid_request")
        return await original(visit)


@mutant("AUTH-3", level="inferred")
def unknown_id_before_key(house: House) -> None:
    """An unknown generation is not found, with or without a key."""

    @house.on_answer(GET, code="missingApiKey")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if visit.argument in house.hub.generations:
            return answer
        return wire.refusal(house.error("notFound"))


@mutant("AUTH-11", tolerable=True)
def models_judge_keys(house: House) -> None:
    """The model list needs no key, and refuses one that is unknown, revoked or expired."""

    @around(house.pipeline, "_pass")
    async def passing(original: Any, visit: Visit) -> Any:
        answer = await original(visit)
        if visit.operation and visit.operation.id == MODELS and visit.authorization is not None:
            house.hub.authenticate(visit.digest, given=True)
        return answer


@mutant("AUTH-11", tolerable=True)
def models_crash_on_schemes(house: House) -> None:
    """The model list refuses an Authorization header of another scheme with 400."""

    @house.on_answer(MODELS, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        if visit.authorization is None or visit.digest:
            return answer
        return wire.refusal(house.error("invalid_request"))


def broken() -> wire.Answer:
    """The page of a server whose program ended by an exception."""
    body = b"Internal Server Error"
    headers = ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)))
    return wire.Answer(500, body, headers)
