"""Check exchanges: against the API spec, and against what earlier exchanges have shown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from mockhub.domain.generations import FINAL_STATUSES, STATUSES
from mockhub.proxy.balance_check import BalanceCheck
from mockhub.proxy.checked_exchange import Exchange, KnownGeneration
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.findings import Problem
from mockhub.proxy.response_checks import (
    authentication,
    content_type,
    documented_status,
    error_code,
    key_in_response,
    response_schema,
)
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.operations import OperationId

_OK, _ACCEPTED, _NOT_FOUND = 200, 202, 404
_MAX_MESSAGE = 500  # characters
_MAX_KNOWN = 10_000  # generations


class ExchangeChecks:
    """Checks all exchanges of a proxy; see `CHECKS`.

    Args:
        spec: The API spec.
        exclusive: Whether no other client uses the accounts at the same time.
    """

    def __init__(self, spec: ApiSpec, *, exclusive: bool = False) -> None:
        self._spec = spec
        self.balance = BalanceCheck(exclusive=exclusive)
        self._generations: OrderedDict[str, KnownGeneration] = OrderedDict()

    def check(self, context: ProxyContext) -> list[Problem]:
        """Return what is wrong in an exchange whose response was read."""
        operation, status = context.operation, context.upstream_status
        if operation is None or status is None:
            return []
        seen = context.seen
        id = context.path_param if operation.id == OperationId.GET_GENERATION else seen.id
        known = self._generations.get(id or "")
        exchange = Exchange(self._spec, context, operation, status, context.content, seen, known)
        checks = CHECKS if operation.id in _GENERATION_OPERATIONS else _OTHER_CHECKS
        problems = [problem for check in checks for problem in check(exchange)]
        request, price = context.parsed_request, exchange.price_of_an_image
        total = price * request.n if request and price is not None else None
        problems += self.balance.check(context, seen, total)
        self._remember(exchange)
        return [one._replace(message=one.message[:_MAX_MESSAGE]) for one in problems]

    def _remember(self, exchange: Exchange) -> None:
        seen, context = exchange.seen, exchange.context
        is_generation = exchange.is_accepted and seen.status in STATUSES
        if seen.id is None or not is_generation or context.key_digest is None:
            return
        created = exchange.operation.id == OperationId.CREATE_GENERATION
        known = self._generations.setdefault(
            seen.id, KnownGeneration(context.key_digest, seen, created)
        )
        known.last = seen
        if seen.status in FINAL_STATUSES and known.final is None:
            known.final = seen
        if len(self._generations) > _MAX_KNOWN:
            self._generations.popitem(last=False)


# -- requests, generations and models ------------------------------------------------------------


def validation(exchange: Exchange) -> Iterator[Problem]:
    """Check that invalid requests get 400, and valid ones do not."""
    context = exchange.context
    if exchange.operation.id != OperationId.CREATE_GENERATION or context.request_body is None:
        return
    problem = context.request_body.problem
    if problem is not None and exchange.is_accepted:
        message = f"an invalid request was accepted: {problem}"
        yield Problem("invalid_request_accepted", ("REQ-10",), message, "warning", problem[:30])
    if context.parsed_request is not None and context.code == "invalid_request":
        message = f"a valid request was rejected: {_error_message(exchange.content)}"
        yield Problem("valid_request_rejected", ("REQ-10",), message)


def properties(exchange: Exchange) -> Iterator[Problem]:
    """Check model, tier and aspect ratio against the request."""
    request, seen = exchange.context.parsed_request, exchange.seen
    if request is None or not exchange.is_accepted:
        return
    quote = exchange.spec.catalog.quote(request.model, request.size)
    for name, actual, expected, clause in (
        ("model", seen.model, quote.model, "GEN-2"),
        ("quality", seen.quality, quote.tier, "GEN-4"),
        ("aspect_ratio", seen.aspect_ratio, quote.aspect_ratio, "GEN-5"),
    ):
        if actual is not None and actual != expected:
            message = f"{name} is {actual!r}; expected {expected!r} for size {request.size}"
            yield Problem("wrong_property", (clause,), message, place=name)


def usage(exchange: Exchange) -> Iterator[Problem]:
    """Check what a generation costs: its images times the price of the tier."""
    seen, price = exchange.seen, exchange.price_of_an_image
    if not exchange.is_accepted or seen.status not in STATUSES or price is None:
        return
    request = exchange.context.parsed_request
    images = len(seen.images)
    expected = images * price if seen.status == "succeeded" else 0
    if seen.credits is not None and seen.credits != expected:
        clause = {"succeeded": ("GEN-6", "LED-3"), "failed": ("LED-2", "ASY-7")}
        message = f"usage.credits is {seen.credits}; expected {expected} for {images} images"
        clauses = clause.get(seen.status or "", ("ASY-4",))
        yield Problem("wrong_usage", clauses, message, place=f"{seen.status}")
    requested = request.n * price if request else None
    if requested is not None and seen.credits_requested not in (None, requested):
        message = f"usage.credits_requested is {seen.credits_requested}; expected {requested}"
        yield Problem("wrong_usage", ("ASY-4",), message, place="credits_requested")
    if request is not None and images > request.n:
        message = f"{images} images, though {request.n} were requested"
        yield Problem("wrong_images", ("GEN-3",), message)
    if len(set(seen.image_ids)) < images:
        yield Problem("wrong_images", ("GEN-11",), "two images have the same id", place="ids")


def mode(exchange: Exchange) -> Iterator[Problem]:
    """Check that a request gets the response of its mode."""
    request, seen = exchange.context.parsed_request, exchange.seen
    if request is None or not exchange.is_accepted:
        return
    expected = _ACCEPTED if request.run_async else _OK
    clause = "ASY-1" if request.run_async else "GEN-1"
    if exchange.status != expected:
        name = "asynchronous" if request.run_async else "synchronous"
        message = f"{exchange.status} for an {name} request; expected {expected}"
        yield Problem("wrong_mode", (clause,), message)
    elif seen.status not in (None, "queued" if request.run_async else "succeeded"):
        message = f"the status of the new generation is {seen.status!r}"
        yield Problem("wrong_mode", (clause,), message, place="status")


def poll_url(exchange: Exchange) -> Iterator[Problem]:
    """Check that `poll_url` is absolute and names the generation."""
    url = exchange.content.get("poll_url") if isinstance(exchange.content, dict) else None
    if not isinstance(url, str) or exchange.seen.id is None:
        return
    path = exchange.spec.operations[OperationId.GET_GENERATION].path.rpartition("/")[0]
    suffix = f"{path.removeprefix(exchange.spec.base_path)}/{exchange.seen.id}"
    if not url.startswith(("http://", "https://")) or not url.endswith(suffix):
        message = f"poll_url is {url!r}; expected an absolute URL that ends with {suffix}"
        yield Problem("wrong_poll_url", ("ASY-2",), message)


def repeated_reads(exchange: Exchange) -> Iterator[Problem]:
    """Check that a generation moves forward only, and does not change after its end."""
    known, seen = exchange.known, exchange.seen
    if known is None or exchange.operation.id != OperationId.GET_GENERATION:
        return
    if exchange.status == _NOT_FOUND and known.key_digest == exchange.context.key_digest:
        message = "404 for a generation that this key has read or created before"
        yield Problem("lost_generation", ("RET-1",), message)
    if exchange.status != _OK or seen.status not in STATUSES:
        return
    if seen.id != exchange.context.path_param:
        yield Problem("wrong_id", ("RET-1",), f"the id is {seen.id!r}", place="id")
    earlier = known.last.status or ""
    if earlier in FINAL_STATUSES and seen.status != earlier:
        message = f"the status was {earlier}, and is {seen.status} now"
        yield Problem("status_moved_back", ("ASY-6", "RET-4"), message)
    elif earlier == "processing" and seen.status == "queued":
        message = "the status was processing, and is queued now"
        yield Problem("status_moved_back", ("ASY-6",), message)
    elif known.final is not None:
        for name in ("credits", "image_ids"):
            before, now = getattr(known.final, name), getattr(seen, name)
            if before != now:
                message = f"{name} has changed after the end, from {before} to {now}"
                yield Problem("changed_after_end", ("RET-4",), message, place=name)
    if known.created_here and seen.status == "succeeded":
        for name in ("model", "quality", "aspect_ratio"):
            before, now = getattr(known.last, name), getattr(seen, name)
            if None not in (before, now) and before != now:
                message = f"{name} was {before!r} at the creation, and is {now!r} now"
                yield Problem("wrong_property", ("RET-1",), message, place=name)


def ownership(exchange: Exchange) -> Iterator[Problem]:
    """Notice that one key reads what another has created: both must be of one user."""
    known, context = exchange.known, exchange.context
    reads = exchange.operation.id == OperationId.GET_GENERATION and exchange.status == _OK
    if reads and known and known.created_here and known.key_digest != context.key_digest:
        message = "the generation was created with another key; right only if both are of one user"
        yield Problem("read_by_another_key", ("RET-2",), message, "warning")


def catalog(exchange: Exchange) -> Iterator[Problem]:
    """Compare the model list with the API spec, by whose prices the budget counts."""
    if exchange.operation.id != OperationId.LIST_MODELS or not isinstance(exchange.content, dict):
        return
    expected = {model["id"]: model for model in exchange.spec.model_list["data"]}
    data = exchange.content.get("data")
    models = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    for model in models:
        ours = expected.pop(str(model.get("id")), None)
        if ours is None:
            message = f"the model {model.get('id')!r} is not in the API spec"
            yield Problem("other_models", ("MOD-1",), message, "warning", str(model.get("id")))
            continue
        for name, clause in _MODEL_CLAUSES.items():
            if name in model and _without_extra(model[name], ours[name]) != ours[name]:
                message = f"{name} of {model['id']} is {model[name]}; expected {ours[name]}"
                yield Problem("other_models", (clause,), message, place=f"{model['id']} {name}")
    for id in expected:
        yield Problem("other_models", ("MOD-2",), f"the model {id!r} is not listed", place=id)


def _without_extra(value: object, expected: object) -> object:
    """Return a value without the fields that are not in the spec."""
    if isinstance(value, dict) and isinstance(expected, dict):
        return {name: value[name] for name in expected if name in value}
    return value


_MODEL_CLAUSES = {
    "credits_per_image": "MOD-3",
    "default_options": "MOD-4",
    "supported_qualities": "MOD-5",
    "supported_aspect_ratios": "MOD-6",
    "reference_image_limit": "MOD-7",
}

_GENERATION_OPERATIONS = (OperationId.CREATE_GENERATION, OperationId.GET_GENERATION)
_RESPONSE_CHECKS: tuple[Callable[[Exchange], Iterator[Problem]], ...] = (
    *(documented_status, response_schema, content_type, error_code, authentication),
    key_in_response,
)
_OTHER_CHECKS = (*_RESPONSE_CHECKS, catalog)
CHECKS = (
    *_RESPONSE_CHECKS,
    *(validation, properties, usage, mode, poll_url, repeated_reads, ownership),
    catalog,
)


def _error_message(content: object) -> str:
    error = content.get("error") if isinstance(content, dict) else None
    return str(error.get("message") if isinstance(error, dict) else "")[:200]
