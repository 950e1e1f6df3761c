"""Reference images: how many, of which kind, how large."""

from __future__ import annotations

from functools import partial

from .. import oracle, recipes
from ..checks import check
from ..exchange import Exchange
from ..forms import File
from ..reading import answered, equal, expect_error
from ..stage import Stage
from ..verdicts import Broken, NotAsked

_UNIT = oracle.unit()
_MEBIBYTE = 1024 * 1024
_STRANGERS = ("picture.gif", "notes.txt", "drawing.svg", "paper.pdf", "picture.bmp")


def upload(stage: Stage, *files: File, **more: object) -> Exchange:
    """Post a form with *files* as its reference images."""
    return stage.target.post(form=stage.form(), files=files, cost=_UNIT, **more)  # type: ignore[arg-type]


def _refused(exchange: Exchange, what: str) -> None:
    try:
        expect_error(exchange, 400, "invalid_request")
    except Broken as broken:
        raise Broken(f"{what}: {broken.message}", exchange, expected=broken.expected) from None


@check("REQ-7", "REQ-8", uses=("many_references",), cost=4 * _UNIT)
def references_up_to_the_limit(stage: Stage) -> None:
    """Sixteen reference images are taken, PNG, JPG, JPEG and WebP among them."""
    made = stage.made("many_references")
    if made.exchange.status == 400:
        _find_the_refused_kind(stage)
        raise Broken("16 reference images are refused", made.exchange, expected="HTTP 200")
    if answered(made.exchange).status in (413, 415, 422, 500):
        raise Broken(
            f"16 reference images are answered {made.exchange.status}",
            made.exchange,
            expected="HTTP 200",
        )


@check("REQ-8", uses=("page_form", "many_references"), cost=4 * _UNIT)
def references_of_each_kind(stage: Stage) -> None:
    """A PNG alone is taken, and each other kind if all together are not."""
    if answered(stage.made("page_form").exchange).status == 400:
        raise Broken("a PNG is refused", stage.made("page_form").exchange, expected="HTTP 200")
    if stage.made("many_references").exchange.status == 400:
        _find_the_refused_kind(stage)


def _find_the_refused_kind(stage: Stage) -> None:
    def ask() -> dict[str, Exchange]:
        kinds = ("sunset.jpg", "sunset.jpeg", "sunset.webp")
        return {kind: upload(stage, *recipes.files((kind,))) for kind in kinds}

    for kind, exchange in stage.remember("kinds", ask).items():
        if answered(exchange).status == 400:
            raise Broken(f"{kind} is refused", exchange, expected="HTTP 200")


@check("REQ-7", "REQ-10", cost=_UNIT)
def references_beyond_the_limit(stage: Stage) -> None:
    """Seventeen reference images are 400 invalid_request."""
    files = recipes.files(("sunset.png",) * (oracle.reference_limit() + 1))
    with stage.free("a form with too many references"):
        _refused(upload(stage, *files), f"{len(files)} references")


@check("REQ-8", "REQ-10", cost=_UNIT)
def references_of_other_kinds(stage: Stage) -> None:
    """A GIF, text, SVG, PDF or BMP that says so is 400 invalid_request."""
    with stage.free("a form with a file of another kind"):
        calls = [partial(upload, stage, recipes.stranger(name)) for name in _STRANGERS]
        for name, exchange in zip(_STRANGERS, stage.together(calls, cost=_UNIT), strict=True):
            _refused(exchange, name)


@check("REQ-8", "REQ-10", cost=_UNIT)
def references_are_each_looked_at(stage: Stage) -> None:
    """A file of another kind is found wherever it stands among good ones."""
    good, bad = recipes.files(("sunset.png",))[0], recipes.stranger("picture.gif")
    with stage.free("a form with a file of another kind among others"):
        for where, files in (
            ("first", (bad, good)),
            ("last", (good, bad)),
            ("second", (good, bad, good)),
        ):
            _refused(upload(stage, *files), f"a GIF {where} of {len(files)}")


@check("REQ-9", uses=("large_reference",))
def references_may_be_large(stage: Stage) -> None:
    """A PNG of 49 MB is taken."""
    if not stage.target.loopback:
        raise NotAsked("files of 50 MB are sent only to this machine")
    made = stage.made("large_reference")
    if answered(made.exchange).status != 200:
        raise Broken(
            f"a PNG of 49 MB is answered {made.exchange.status}", made.exchange, expected="HTTP 200"
        )


@check("REQ-9", cost=_UNIT)
def references_may_not_be_larger(stage: Stage) -> None:
    """A PNG larger than 50 MB, however megabytes are counted, is refused."""
    if not stage.target.loopback:
        raise NotAsked("files of 50 MB are sent only to this machine")
    large = File("large.png", recipes.png_of(50 * _MEBIBYTE + 1), "image/png")
    with stage.free("a form with too large a file"):
        exchange = upload(stage, large, open=stage.documented)
    if exchange.lost == "closed":
        return  # refused while it was still arriving
    if answered(exchange).status not in (400, 413):
        raise Broken(
            f"a PNG of 50 MB and one byte is answered {exchange.status}",
            exchange,
            expected="400 invalid_request",
        )
    if not stage.documented:
        _refused(exchange, "a PNG of 50 MB and one byte")


@check("GEN-9", uses=("page_form", "page", "many_references"))
def references_change_nothing_in_the_answer(stage: Stage) -> None:
    """A request with a reference is answered with the same fields as one without."""
    plain, made = stage.good("page"), stage.good("page_form")
    equal(plain.exchange.status, made.exchange.status, "the status", made.exchange)
    if plain.alone and made.alone and None not in (made.before, made.after):
        taken = (made.before or 0) - (made.after or 0)
        equal(oracle.unit(), taken, "what a request with a reference took", made.exchange)
    many = stage.made("many_references")
    if many.accepted and not oracle.same_ratio(many.size, str(many.final.get("aspect_ratio"))):
        raise Broken(f"{many.size} is another ratio", many.exchange, expected="the size's ratio")
    if lacking := sorted(plain.body.keys() - made.body.keys()):
        raise Broken(f"{', '.join(lacking)} missing", made.exchange, expected=", ".join(plain.body))


# What the page leaves open.


@check("REQ-17", uses=("form_async",), cost=4 * _UNIT)
def references_are_what_their_content_is(stage: Stage) -> None:
    """A file's content decides its format: liars are refused, a PNG of another name is taken."""
    with stage.free("a form with a liar"):
        for name in ("text_named.png", "gif_named.png", "cut_header.png", "empty.png"):
            _refused(upload(stage, recipes.liar(name)), name)
    made = stage.made("form_async")
    if answered(made.exchange).status == 400:
        raise Broken("a PNG under another name is refused", made.exchange, expected="HTTP 202")


@check("REQ-8", level="inferred", cost=_UNIT)
def references_are_files(stage: Stage) -> None:
    """A text part named reference_image is 400 invalid_request."""
    with stage.free("a form with a text as reference"):
        exchange = stage.target.post(form=stage.form(reference_image="sunset.png"), cost=_UNIT)
        _refused(exchange, "reference_image as text")
