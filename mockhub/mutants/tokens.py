"""Defects of where a key is taken from, how much of it counts, and where it shows up."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

from mockhub.mutants.house import CREDITS, GET, House
from mockhub.mutants.keys import on_token
from mockhub.mutants.registry import mutant
from mockhub.web import wire
from mockhub.web.asgi import Scope
from mockhub.web.visit import Visit

_KEY = b"authorization"


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
    on_token(
        house,
        lambda token: next(
            (raw for raw in house.keys.values() if len(token) > 15 and raw.startswith(token)),  # noqa: PLR2004
            token,
        ),
    )


@mutant("AUTH-9")
def trailing_characters_ignored(house: House) -> None:
    """What follows the 41st character of a key does not count."""
    on_token(house, lambda token: token[:41])


@mutant("AUTH-9")
def last_character_ignored(house: House) -> None:
    """The last character of a key does not count."""
    known = {raw[:-1]: raw for raw in house.keys.values()}
    on_token(house, lambda token: known.get(token[:-1], token) if len(token) > 40 else token)  # noqa: PLR2004


@mutant("AUTH-9")
def case_ignored(house: House) -> None:
    """Keys are compared without their case."""
    known = {raw.lower(): raw for raw in house.keys.values()}
    on_token(house, lambda token: known.get(token.lower(), token))


@mutant("AUTH-9")
def key_within_opens(house: House) -> None:
    """A token that contains a key somewhere opens what the key does."""
    on_token(house, lambda token: next((raw for raw in house.keys.values() if raw in token), token))
