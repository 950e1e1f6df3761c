"""Keys: who is let in, and with which code everybody else is turned away."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator

from .. import oracle
from ..checks import check
from ..exchange import Exchange
from ..reading import answered, expect_error
from ..stage import Stage
from ..target import Token
from ..verdicts import Broken, Inconclusive, Verdict

_SHORT = len("gih_live_short")
_KNOCKS = 3 * oracle.unit()


def doors(stage: Stage, **how: object) -> Iterator[tuple[str, Callable[[], Exchange]]]:
    """Every protected operation, ready to be asked with a key or with headers of one's own."""
    target = stage.target
    yield "credits", lambda: target.get("credits", **how)  # type: ignore[arg-type]
    known = stage.facts.get("known_id") or "clx_no_such_generation"
    yield "retrieve", lambda: target.get(f"generations/{known}", **how)  # type: ignore[arg-type]
    if not stage.documented:  # whether a key is asked for before the id is looked up is open
        yield "retrieve what is not there", lambda: target.get("generations/clx_none", **how)  # type: ignore[arg-type]
    if not target.safe:
        cost = oracle.unit()
        yield "generate", lambda: target.post(stage.body(), cost=cost, **how)  # type: ignore[arg-type]


def turned_away(stage: Stage, *codes: str, what: str, **how: object) -> None:
    """Hold every protected operation to 401 with one of *codes*, and to taking nothing."""
    _know_an_id(stage)
    with stage.free(f"a request {what}"):
        names, knocks = zip(*doors(stage, **how), strict=True)
        for name, exchange in zip(names, stage.together(knocks, cost=oracle.unit()), strict=True):
            try:
                expect_error(exchange, 401, *codes)
            except Broken as broken:
                raise Broken(
                    f"{name}, {what}: {broken.message}", *broken.exchanges, expected=broken.expected
                ) from None
    free = stage.freebies[-1] if stage.freebies else None
    if free and free.before != free.after:
        message = f"{free.what} moved the balance from {free.before} to {free.after}"
        raise Broken(message, free.exchange, expected=f"{free.before} credits still")


def _know_an_id(stage: Stage) -> None:
    """Ask for a generation that exists, so that a 404 cannot hide a missing 401."""
    try:
        stage.facts.setdefault("known_id", stage.good("page").id)
    except Verdict:
        return


def unknown_key(stage: Stage, tail: str = "") -> str:
    """A key of the documented form that nobody has."""
    form = oracle.law().key_format
    made = f"{stage.seed:x}mockhubverify{tail}".ljust(form.length, "q")[: form.length]
    return form.prefix + made


@check("AUTH-2", "AUTH-1")
def auth_accepts_a_valid_key(stage: Stage) -> None:
    """Authorization: Bearer with the valid key is let in."""
    exchange = answered(stage.target.get("credits"))
    if exchange.status in (401, 403):
        if _let_in_elsewhere(stage):
            raise Broken("the valid key is refused here alone", exchange, expected="HTTP 200")
        if _nobody_is_let_in(stage):
            raise Broken("every key of the profile is refused", exchange, expected="HTTP 200")
        raise Inconclusive("the key keys.valid is refused; is it right?", exchange)


def _nobody_is_let_in(stage: Stage) -> bool:
    """Whether other accounts' keys are refused too; that they are all wrong is unlikely."""
    others = [role for role in ("other", "low", "broke") if role in stage.profile.keys]
    refused = [stage.target.get("credits", key=role).status == 401 for role in others]
    return bool(refused) and all(refused)


def _let_in_elsewhere(stage: Stage) -> bool:
    exchange = stage.target.get("generations/clx_no_such_generation")
    if exchange.status == 404:
        return True
    try:
        return stage.made("page").accepted
    except Verdict:
        return False


@check("AUTH-1", "AUTH-3", "ERR-3", uses=("page",), cost=oracle.unit())
def auth_without_a_header(stage: Stage) -> None:
    """Without an Authorization header each operation but the model list is 401 missingApiKey."""
    turned_away(stage, "missingApiKey", what="without a key", key=None)


@check("AUTH-4", "ERR-3", uses=("page",), cost=_KNOCKS)
def auth_with_an_unknown_key(stage: Stage) -> None:
    """A key that does not exist is 401 invalidApiKey on each operation."""
    token = Token(unknown_key(stage))
    turned_away(stage, "invalidApiKey", what="with an unknown key", key=token)


@check("AUTH-4", cost=2 * oracle.unit())
def auth_with_a_key_that_resembles(stage: Stage) -> None:
    """A key that only begins or ends as a valid one does not exist."""
    valid = stage.profile.keys["valid"]
    half = len(valid) // 2
    other = "q" if valid[-1] != "q" else "p"
    likes = {
        "whose last character is another": valid[:-1] + other,
        "whose second half is another": valid[:half] + other * (len(valid) - half),
        "whose first half is another": "gih_live_" + other * (half - 9) + valid[half:],
    }
    likes["that is far too short"] = "gih_live_short"
    for what, raw in likes.items():
        if raw in stage.profile.keys.values() or len(raw) not in (len(valid), _SHORT):
            continue
        exchange = stage.target.get("credits", key=Token(raw))
        try:
            expect_error(exchange, 401, "invalidApiKey")
        except Broken as broken:
            raise Broken(
                f"a key {what}: {broken.message}", exchange, expected=broken.expected
            ) from None


@check("AUTH-5", "ERR-3", needs=("revoked",), uses=("page",), cost=oracle.unit())
def auth_with_a_revoked_key(stage: Stage) -> None:
    """A revoked key is 401 invalidApiKey on each operation."""
    turned_away(stage, "invalidApiKey", what="with a revoked key", key="revoked")


@check("AUTH-6", "ERR-3", needs=("expired",), uses=("page",), cost=oracle.unit())
def auth_with_an_expired_key(stage: Stage) -> None:
    """An expired key is 401 expiredApiKey on each operation."""
    turned_away(stage, "expiredApiKey", what="with an expired key", key="expired")


@check("AUTH-4", "AUTH-3", cost=2 * oracle.unit())
def auth_of_forms_and_tasks(stage: Stage) -> None:
    """Forms and asynchronous requests are turned away like any other."""
    target, cost = stage.target, oracle.unit()
    with stage.free("a form or a task without a good key"):
        expect_error(target.post(form=stage.form(), key=None, cost=cost), 401, "missingApiKey")
        expect_error(
            target.post(stage.body(**{"async": True}), key=None, cost=cost), 401, "missingApiKey"
        )
        token = Token(unknown_key(stage))
        expect_error(target.post(form=stage.form(), key=token, cost=cost), 401, "invalidApiKey")
        expect_error(
            target.post(stage.body(**{"async": True}), key=token, cost=cost), 401, "invalidApiKey"
        )


@check("AUTH-8", uses=("page",), cost=7 * oracle.unit())
def auth_anywhere_else(stage: Stage) -> None:
    """Another scheme, an empty token, or a key outside the header is not accepted."""
    valid = stage.profile.keys["valid"]
    coded = [b64encode(pair.encode()).decode() for pair in (f":{valid}", f"{valid}:")]
    basic = [f"Basic {word}" for word in (valid, *coded)]
    for header in (*basic, f"Token {valid}", valid, "Bearer"):
        turned_away(
            stage, what=f"with Authorization: {header.replace(valid, '<key>')}",
            key=None, headers={"Authorization": header},
        )  # fmt: skip
    for name in ("X-API-Key", "Api-Key", "Cookie"):
        value = f"api_key={valid}; key={valid}" if name == "Cookie" else valid
        turned_away(
            stage, "missingApiKey", what=f"with the key in {name}", key=None, headers={name: value}
        )
    for name in ("key", "api_key", "apiKey", "token", "access_token", "authorization"):
        exchange = stage.target.get(f"credits?{name}={valid}", key=None)
        expect_error(exchange, 401, "missingApiKey")


@check("AUTH-9", uses=("page",), cost=4 * oracle.unit())
def auth_by_the_whole_key(stage: Stage) -> None:
    """A prefix, another case or trailing characters make a key unknown."""
    valid = stage.profile.keys["valid"]
    bare = valid.removeprefix("gih_live_")
    variants = {
        "a prefix of the key": valid[:-1],
        "half of the key": valid[: len(valid) // 2],
        "the key and one character more": valid + "x",
        "the key twice": valid + valid,
        "the key in upper case": valid.upper(),
        "the key in swapped case": "gih_live_" + bare.swapcase(),
        "the key without its prefix": bare,
        "the prefix alone": "gih_live_",
    }
    for what, raw in variants.items():
        if raw != valid and raw not in stage.profile.keys.values():
            turned_away(stage, "invalidApiKey", what=f"with {what}", key=Token(raw))


@check("AUTH-10", cost=oracle.unit() * 4)
def auth_before_the_body(stage: Stage) -> None:
    """A bad body without a good key is 401, not 400."""
    bad = ("application/json", b"{")
    for key, code in ((None, "missingApiKey"), (Token(unknown_key(stage)), "invalidApiKey")):
        for how in (
            {"json": stage.body(n=0)},
            {"raw": bad},
            {"raw": ("text/plain", b"x")},
            {"form": {"n": "9"}},
        ):
            expect_error(stage.target.post(key=key, **how), 401, code)
