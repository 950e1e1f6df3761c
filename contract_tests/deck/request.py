"""What a request may say, in JSON and in a form alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from .. import forms, oracle
from ..checks import check
from ..exchange import Exchange
from ..reading import answered, equal, expect_error, field
from ..recipes import PUBLISHED, RECIPES
from ..stage import Stage
from ..verdicts import Broken, Inconclusive
from .models import listing

_UNIT = oracle.unit()
_JSON = "application/json"


def refused(stage: Stage, *changes: Mapping[str, Any], also_form: bool = True) -> None:
    """Hold requests with *changes* to 400 invalid_request, in JSON and in a form, for nothing."""
    with stage.free("a request that is refused"):
        calls, told, most = [], [], max(map(_worst, changes))
        for change in changes:
            cost, post = _worst(change), stage.target.post
            calls.append(partial(post, stage.body(**change), cost=cost))
            told.append((change, "JSON"))
            if also_form:
                calls.append(partial(post, form=stage.form(**change), cost=cost))
                told.append((change, "a form"))
        for exchange, (change, how) in zip(stage.together(calls, cost=most), told, strict=True):
            _refuse(exchange, change, how)


def _worst(change: Mapping[str, Any]) -> int:
    n = change.get("n", 1)
    return oracle.dearest() * (max(int(n) + 1, 1) if isinstance(n, float) else max(_whole(n), 1))


def _whole(n: Any) -> int:
    return n if isinstance(n, int) else 4


def _refuse(exchange: Exchange, change: Mapping[str, Any], how: str) -> None:
    try:
        expect_error(exchange, 400, "invalid_request")
    except Broken as broken:
        shown = ", ".join(
            f"{name} {'left out' if value is ... else json.dumps(value)[:60]}"
            for name, value in change.items()
        )
        raise Broken(
            f"{how} with {shown}: {broken.message}", *broken.exchanges, expected=broken.expected
        ) from None


@check("REQ-1", "REQ-10", cost=6 * _UNIT)
def request_needs_a_listed_model(stage: Stage) -> None:
    """A model that is not listed is 400 invalid_request, and so is none."""
    refused(stage, {"model": "mockhub-no-such-model"}, {"model": ...}, {"model": "GPT-Image-2"})
    listed = listing(stage).text
    others = ("gpt-image-1", "dall-e-3", "gpt-image-2-x", "gpt-image")
    unlisted = [{"model": name} for name in others if f'"{name}"' not in listed]
    refused(stage, {"model": ""}, *unlisted, also_form=False)
    refused(stage, {"model": "mockhub-no-such-model", "async": True}, also_form=False)


@check("REQ-3", "REQ-10", cost=2 * _UNIT)
def request_needs_a_size_that_is_one(stage: Stage) -> None:
    """A size that is neither auto nor WIDTHxHEIGHT is 400 invalid_request."""
    refused(stage, {"size": "banana"})
    refused(stage, {"size": "1024x"}, {"size": "-1024x1024"}, also_form=False)


@check("REQ-4", "REQ-10", cost=2 * _UNIT)
def request_needs_a_known_quality(stage: Stage) -> None:
    """A quality beside auto, low, medium and high is 400 invalid_request."""
    refused(stage, {"quality": "ultra"}, {"quality": "hd"}, {"quality": "1K"})
    refused(stage, {"quality": "standard"}, {"quality": "4K"}, {"quality": "HIGH"}, also_form=False)


@check("REQ-5", "REQ-10", cost=8 * _UNIT)
def request_bounds_the_count(stage: Stage) -> None:
    """n below 1, above 4, or no whole number is 400 invalid_request, for tasks and forms too."""
    refused(stage, {"n": 0}, {"n": 5})
    refused(stage, {"n": -1}, {"n": 2.5}, also_form=False)
    refused(stage, {"n": 5, "async": True}, {"n": 0, "async": True}, also_form=False)


@check("REQ-5", needs=("low",), cost=_UNIT)
def request_bounds_great_counts(stage: Stage) -> None:
    """An n that is 1 in eight, sixteen or thirty-two bits is refused all the same."""
    credits = stage.credits("low")  # all that a mistake can cost
    if credits < _UNIT:
        raise Inconclusive(f"keys.low has {credits} credits, which pay for no image")
    for bits in (8, 16, 32):
        n = 2**bits + 1
        exchange = answered(stage.target.post(stage.body(n=n), key="low", cost=credits))
        if exchange.status not in (400, 402):
            stage.claim([exchange])
            raise Broken(f"n {n}: HTTP {exchange.status}", exchange, expected="400 invalid_request")


@check("REQ-6", "REQ-10", cost=2 * _UNIT)
def request_takes_references_in_forms_only(stage: Stage) -> None:
    """A reference_image in a JSON body is 400 invalid_request."""
    url = "data:image/png;base64,iVBORw0KGgo="
    refused(stage, {"reference_image": url}, {"reference_image": [url]}, also_form=False)


@check("REQ-10", cost=3 * _UNIT)
def request_that_is_no_json_is_refused(stage: Stage) -> None:
    """A body that is not JSON is refused, and no failure of the server."""
    body = json.dumps(stage.body())
    for raw in (body[:-1], f"[{body}]", '"a prompt"'):
        exchange = answered(
            stage.target.post(raw=(_JSON, raw.encode()), cost=_UNIT, open=stage.documented)
        )
        if not 400 <= exchange.status < 500:
            raise Broken(
                f"HTTP {exchange.status} to a body that is no JSON object",
                exchange,
                expected="400 invalid_request",
            )


@check("REQ-2", "END-3", uses=("page", "page_form", "plain_form"))
def request_is_taken_as_json_and_as_form(stage: Stage) -> None:
    """The page's own requests are taken, in JSON and as a form with or without a file."""
    for name in ("page", "page_form", "plain_form"):
        _taken(stage, name)


@check("REQ-3", uses=("page", "auto"))
def request_takes_the_sizes_of_the_page(stage: Stage) -> None:
    """size auto and 1024x1024 are taken."""
    for name in ("page", "auto"):
        _taken(stage, name)


@check("REQ-4", uses=("page", "auto", "plain_form", "many_references"))
def request_takes_each_quality(stage: Stage) -> None:
    """quality auto, low, medium and high are taken."""
    for name in ("page", "auto", "plain_form", "many_references"):
        _taken(stage, name)


@check("REQ-5", uses=("page", "page_form", "plain_form", "three", "many_references"))
def request_takes_each_count(stage: Stage) -> None:
    """n from 1 to 4 is taken, and counts the images in a form too."""
    for name in ("page", "page_form", "plain_form", "three"):
        _taken(stage, name)
    for name in ("plain_form", "three", "many_references"):
        made = stage.plain(name)
        images = field(made.final, "images", list, made.witness)
        equal(made.n, len(images), "the number of images", made.witness)


@check("REQ-5", needs=("partial",), uses=("partial",))
def request_takes_the_greatest_count(stage: Stage) -> None:
    """n of 4 is taken in JSON."""
    made = stage.made("partial")
    if answered(made.exchange).status == 400:
        _taken(stage, "partial")


def _taken(stage: Stage, name: str) -> None:
    made = stage.made(name)
    exchange = answered(made.exchange)
    if exchange.status == 402 and (made.before or 0) < RECIPES[name].worst:
        raise Inconclusive("the account cannot pay for it", exchange)
    if exchange.status == 401:
        raise Inconclusive("the key keys.valid is refused; is it right?", exchange)
    offered = made.size in PUBLISHED or not stage.documented
    if not made.accepted and (offered or exchange.status != 400):
        raise Broken(
            f"a valid request is answered {exchange.status}",
            exchange,
            expected="200, or 202 for a task",
        )


# What the page leaves open.


# It comes right after generations of several images, which a server must not remember.
@check("REQ-11", "REQ-12", "GEN-12", uses=("bare",))
def request_needs_no_more_than_a_prompt(stage: Stage) -> None:
    """A model and a long prompt in any script are enough: one image, and it costs as auto does."""
    _taken(stage, "bare")
    made = stage.good("bare")
    equal(200, made.exchange.status, "the status without async", made.exchange)
    equal(_UNIT, made.used, "usage.credits", made.exchange)


@check("REQ-11", cost=4 * _UNIT)
def request_needs_a_prompt(stage: Stage) -> None:
    """prompt is required and a text of 1 to 32,000 characters."""
    refused(stage, {"prompt": ...}, {"prompt": ""}, {"prompt": "x" * 32_001})
    refused(stage, {"prompt": None}, {"prompt": 7}, {"prompt": ["a"]}, also_form=False)


@check("REQ-12", cost=4 * _UNIT)
def request_holds_fields_to_their_types(stage: Stage) -> None:
    """A field of another JSON type is 400 invalid_request, null included."""
    wrong: Iterable[dict[str, Any]] = (
        {"n": "2"}, {"n": None}, {"n": 1.5}, {"n": True}, {"n": []},
        {"async": "true"}, {"async": 1}, {"async": None},
        {"size": 1024}, {"size": None}, {"quality": None}, {"quality": 5}, {"model": None},
    )  # fmt: skip
    refused(stage, *wrong, also_form=False)


@check("REQ-13", cost=4 * _UNIT)
def request_bounds_the_size(stage: Stage) -> None:
    """Sides divisible by 16, a ratio from 1:3 to 3:1, at most 3840x2160."""
    sizes = ("1000x1000", "4096x1024", "3840x3840", "3856x2160", "1024x320", "0x0", "01024x1024")
    refused(stage, *({"size": size} for size in sizes), also_form=False)
    refused(stage, {"size": "1024X1024"}, {"size": "1024x1024\n"}, {"size": "1000x1000"})


@check("REQ-14", cost=6 * _UNIT)
def request_needs_a_readable_body(stage: Stage) -> None:
    """Another content type, malformed JSON or a malformed form is 400 invalid_request."""
    good = json.dumps(stage.body()).encode()
    form = forms.encode(stage.form())
    media = f"multipart/form-data; boundary={forms.BOUNDARY}"
    bodies = (
        (_JSON, b""), (_JSON, good[:-1]), (_JSON, good + b" {}"), (_JSON, good + b" tail"),
        (_JSON, b"[" + good + b"]"), (_JSON, b"[1]"), (_JSON, b"null"), (_JSON, b'{"n": NaN}'),
        ("", good), ("text/plain", good), ("application/xml", b"<a/>"),
        ("application/x-www-form-urlencoded", b"model=gpt-image-2&prompt=a"),
        ("multipart/form-data", form), (media, form[: len(form) // 2]), (media, b"nonsense"),
    )  # fmt: skip
    with stage.free("an unreadable body"):
        calls = [partial(stage.target.post, raw=raw, cost=_UNIT) for raw in bodies]
        for exchange, raw in zip(stage.together(calls, cost=_UNIT), bodies, strict=True):
            try:
                expect_error(exchange, 400, "invalid_request")
            except Broken as broken:
                raise Broken(
                    f"a body of {raw[0]}: {broken.message}", exchange, expected=broken.expected
                ) from None


@check("REQ-15", uses=("unknown_field",))
def request_may_have_unknown_fields(stage: Stage) -> None:
    """Fields that the page does not know are ignored."""
    _taken(stage, "unknown_field")


@check("REQ-14", uses=("unknown_field",))
def request_may_name_a_charset(stage: Stage) -> None:
    """JSON whose content type names UTF-8 as its charset is taken."""
    _taken_so(stage, "unknown_field", "JSON with a charset")


@check("REQ-16", uses=("form_async",))
def request_may_have_files_first(stage: Stage) -> None:
    """In a form the texts that stand behind a file count like any other."""
    _taken_so(stage, "form_async", "a form with its file first")


def _taken_so(stage: Stage, name: str, what: str) -> None:
    """Hold a generation to having been taken in its recipe's manner, not in the usual one only."""
    made = stage.made(name)
    if made.refusal and made.accepted:
        raise Broken(
            f"{what} is answered {made.refusal.status}, and taken otherwise",
            made.refusal,
            expected="200, or 202 for a task",
        )
    _taken(stage, name)


@check("REQ-16", uses=("form_async",))
def request_says_async_in_a_form(stage: Stage) -> None:
    """async=true in a form queues a task."""
    _taken(stage, "form_async")
    equal(
        202,
        stage.made("form_async").exchange.status,
        "the status",
        stage.made("form_async").exchange,
    )


@check("REQ-16", cost=4 * _UNIT)
def request_reads_texts_strictly(stage: Stage) -> None:
    """A text that does not spell its field's type is 400 invalid_request."""
    with stage.free("a form with a wrong text"):
        for change in ({"n": "two"}, {"n": "1.5"}, {"n": ""}, {"async": "yes"}, {"async": "1"}):
            form = {**stage.form(), **change}
            _refuse(stage.target.post(form=form, cost=4 * _UNIT), change, "a form")
