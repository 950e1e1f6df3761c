"""Defects of authentication: which keys open what, and what the others are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import CREDITS, GET, POST, House, around
from mockhub.mutants.registry import mutant
from mockhub.mutants.replies import broken, with_content
from mockhub.spec.errors import ApiError
from mockhub.web import wire
from mockhub.web.asgi import Scope
from mockhub.web.visit import Visit

_KEY = b"authorization"


def on_token(house: House, change: Callable[[str], str]) -> None:
    """Let a function change the key that a request brings."""

    @house.on_request
    def reread(headers: dict[bytes, bytes], scope: Scope) -> None:
        scheme, blank, token = headers.get(_KEY, b"").partition(b" ")
        if token:
            token = change(token.decode("latin-1")).encode("latin-1")
            headers[_KEY] = scheme + blank + token


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
            visit.account, visit.balance = account, account.balance
            return await house.pipeline._handlers[asked](visit, account)


def read_by_id(house: House, code: str) -> None:
    """Let who is refused with *code* read any generation whose id is known."""

    @around(house.pipeline, "_pass")
    async def passing(original: Any, visit: Visit) -> Any:
        try:
            return await original(visit)
        except ApiError as error:
            made = house.hub.generations.get(visit.argument or "")
            if error.code != code or made is None:
                raise
            return await house.pipeline._handlers[GET](visit, house.hub.accounts[made.account])


@mutant("AUTH-1")
def reads_open(house: House) -> None:
    """Generations can be read without a key by whoever knows their id."""
    read_by_id(house, "missingApiKey")


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

    def taken(token: str) -> str:
        return good if token.startswith(prefix) and token not in known else token

    on_token(house, taken)


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
    read_by_id(house, "invalidApiKey")


@mutant("AUTH-4")
def short_key_crashes(house: House) -> None:
    """A key shorter than a key is answers 500."""

    @house.on_answer(code="invalidApiKey")
    def crash(answer: wire.Answer, visit: Visit) -> wire.Answer:
        short = len(visit.authorization or b"") < 41  # noqa: PLR2004
        return broken() if short else answer


def looked_up_as(change: dict[str, Any], *operations: str) -> Callable[[House], None]:
    """A defect that takes keys for other ones, at some operations only."""

    def put(house: House) -> None:
        strict = dict(house.hub.keys)
        lax = {digest: key._replace(**change) for digest, key in strict.items()}

        @around(house.pipeline, "_route")
        def route(original: Any, visit: Visit) -> Any:
            operation = original(visit)
            found = operation is not None and operation.id in operations
            house.hub.keys = lax if found else strict
            return operation

    return put


for _word, _clause, _good in (
    ("revoked", "AUTH-5", {"revoked": False}),
    ("expired", "AUTH-6", {"expires_at": None}),
):
    mutant(_clause, name=f"{_word}-works", says=f"The {_word} key still opens everything.")(
        looked_up_as(_good, POST, CREDITS, GET)
    )
    mutant(
        _clause,
        name=f"{_word}-reads",
        says=f"The {_word} key can no longer generate, and still reads.",
    )(looked_up_as(_good, CREDITS, GET))
    mutant(
        _clause,
        name=f"{_word}-generates",
        says=f"The {_word} key can no longer read, and still generates.",
    )(looked_up_as(_good, POST))


@mutant("AUTH-5")
def revoked_is_expired(house: House) -> None:
    """A revoked key is answered as an expired one."""
    for digest, key in tuple(house.hub.keys.items()):
        if key.revoked:
            house.hub.keys[digest] = key._replace(revoked=False, expires_at=0)


@mutant("AUTH-5")
def revoked_has_a_code(house: House) -> None:
    """A revoked key is answered revokedApiKey."""

    @house.on_content(code="invalidApiKey")
    def rewrite(content: Any, visit: Visit) -> None:
        key = house.hub.keys.get(visit.digest or b"")
        if key and key.revoked:
            content["error"]["code"] = "revokedApiKey"


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


@mutant("AUTH-1")
def forms_open(house: House) -> None:
    """A generation can be asked for by a form without a key."""

    @house.on_request
    def lend(headers: dict[bytes, bytes], scope: Scope) -> None:
        if _KEY not in headers and headers.get(b"content-type", b"").startswith(b"multipart/"):
            headers[_KEY] = b"Bearer " + house.good_key().encode()


@mutant("AUTH-2")
def credits_refuse_the_key(house: House) -> None:
    """/credits refuses every key, which opens all else."""

    @house.on_answer(CREDITS, status=200)
    def refuse(answer: wire.Answer, visit: Visit) -> wire.Answer:
        return wire.refusal(house.error("invalidApiKey"))
