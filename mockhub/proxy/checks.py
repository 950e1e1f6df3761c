"""Check exchanges: against the API spec, and against what earlier exchanges have shown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mockhub.domain.generations import FINAL_STATUSES, STATUSES
from mockhub.domain.keys import NoApiKey
from mockhub.proxy.balance_check import BalanceCheck
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.findings import Problem
from mockhub.proxy.observation import Observation
from mockhub.recording.compare import response_clauses
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.operations import JSON, Operation, OperationId
from mockhub.web.context import parse_bearer_token

_OK, _ACCEPTED, _BAD_REQUEST, _NOT_FOUND, _SERVER_ERROR = 200, 202, 400, 404, 500
_FROM_A_GATEWAY = (408, 413, 429, 502, 503, 504)
_MAX_MESSAGE = 500  # characters
_MAX_KNOWN = 10_000  # generations
_UNPROCESSED = ("queued", "processing")


@dataclass
class KnownGeneration:
    """What earlier responses said about a generation."""

    key_digest: bytes
    last: Observation
    created_here: bool
    final: Observation | None = None


@dataclass
class Exchange:
    """One exchange that is checked."""

    spec: ApiSpec
    context: ProxyContext
    operation: Operation
    status: int
    content: object
    seen: Observation
    known: KnownGeneration | None

    @property
    def price_of_an_image(self) -> int | None:
        """The price by the request, or by the model and tier of the response."""
        request, seen, catalog = self.context.parsed_request, self.seen, self.spec.catalog
        if request is not None:
            return catalog.quote(request.model, request.size).credits_per_image
        model = catalog.models.get(seen.model or "")
        return model.prices.get(seen.quality or "") if model else None


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
        problems = [problem for check in CHECKS for problem in check(exchange)]
        request, price = context.parsed_request, exchange.price_of_an_image
        total = price * request.n if request and price is not None else None
        problems += self.balance.check(context, seen, total)
        self._remember(exchange)
        return [one._replace(message=one.message[:_MAX_MESSAGE]) for one in problems]

    def _remember(self, exchange: Exchange) -> None:
        seen, context = exchange.seen, exchange.context
        is_generation = exchange.status in (_OK, _ACCEPTED) and seen.status in STATUSES
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


# -- the checks ----------------------------------------------------------------------------------


def documented_status(exchange: Exchange) -> Iterator[Problem]:
    """Check that the status is documented, for this operation."""
    status = exchange.status
    if status in exchange.operation.responses:
        return
    if status in _FROM_A_GATEWAY:
        message = f"status {status}, which may be from a gateway before the API"
        yield Problem("undocumented_status", ("LIM-2",), message, "warning", str(status))
    else:
        allowed = ", ".join(map(str, exchange.operation.responses))
        message = f"status {status} is not documented; expected one of {allowed}"
        clauses = ("ERR-1",) if status >= _BAD_REQUEST else _clauses(exchange, ())
        yield Problem("undocumented_status", clauses, message, place=str(status))


def response_schema(exchange: Exchange) -> Iterator[Problem]:
    """Check the body against the schema of its status."""
    validator = exchange.operation.responses.get(exchange.status)
    if validator is None:
        return
    if exchange.content is None:
        message = "the body is not JSON"
        yield Problem("response_schema", ("ERR-7",), message, place="not JSON")
        return
    if validator.is_valid(exchange.content):
        return
    for error in validator.iter_errors(exchange.content):
        place = tuple(error.instance_path)
        shown = "/".join(map(str, place)) or "the body"
        is_extra = "Additional properties" in error.message or "Unevaluated" in error.message
        yield Problem(
            "undocumented_field" if is_extra else "response_schema",
            _clauses(exchange, place),
            f"{shown}: {error.message}",
            "warning" if is_extra else "violation",
            "/".join("*" if isinstance(part, int) else str(part) for part in place),
        )
        return


def content_type(exchange: Exchange) -> Iterator[Problem]:
    """Check that JSON is declared as such."""
    upstream = exchange.context.upstream
    if upstream is None or exchange.status in _FROM_A_GATEWAY:
        return
    declared = dict(upstream.headers).get(b"content-type", b"").decode("latin-1")
    if declared.partition(";")[0].strip().lower() != JSON:
        message = f"Content-Type is {declared[:100]!r}; expected {JSON}"
        yield Problem("content_type", ("ERR-7",), message, place=declared[:100])


def error_code(exchange: Exchange) -> Iterator[Problem]:
    """Check that an error code has its documented status."""
    code, statuses = exchange.context.code, exchange.spec.errors.statuses
    if exchange.status < _BAD_REQUEST or code is None or exchange.status in _FROM_A_GATEWAY:
        return
    expected = statuses.get(code)
    if expected != exchange.status:
        known = f"its documented status is {expected}" if expected else "no documented code"
        message = f"{exchange.status} with the code {code!r}: {known}"
        clauses = ("ERR-1", *_CLAUSES_OF_CODES.get(code, ()))
        yield Problem("error_code", clauses, message, place=f"{exchange.status} {code}")


_CLAUSES_OF_CODES = {
    "invalid_request": ("ERR-2",),
    "missingApiKey": ("ERR-3",),
    "invalidApiKey": ("ERR-3",),
    "expiredApiKey": ("ERR-3",),
    "insufficientCredits": ("ERR-4",),
    "notFound": ("ERR-5",),
    "generationFailed": ("ERR-6",),
}


def authentication(exchange: Exchange) -> Iterator[Problem]:
    """Check that a request without a key is 401 missingApiKey."""
    if not exchange.operation.requires_auth:
        return
    if exchange.context.credentials is NoApiKey.MISSING:
        if exchange.status < _BAD_REQUEST:
            yield Problem("missing_key_accepted", ("AUTH-1", "AUTH-3"), "accepted without a key")
        elif exchange.context.code != "missingApiKey":
            message = f"{exchange.status} {exchange.context.code} for a request without a key"
            yield Problem("missing_key_code", ("AUTH-3",), message)
    elif exchange.context.code == "missingApiKey":
        yield Problem("missing_key_code", ("AUTH-4",), "missingApiKey, though a key was sent")


def key_in_response(exchange: Exchange) -> Iterator[Problem]:
    """Check that the response does not contain the API key."""
    token = parse_bearer_token(exchange.context.authorization or b"")
    body = exchange.context.local_body or b""
    if token and len(token) >= exchange.spec.key_format.length and token in body:
        yield Problem("key_in_response", ("AUTH-7",), "the response contains the API key")


def validation(exchange: Exchange) -> Iterator[Problem]:
    """Check that invalid requests get 400, and valid ones do not."""
    context = exchange.context
    if exchange.operation.id != OperationId.CREATE_GENERATION or context.request_body is None:
        return
    problem = context.request_body.problem
    if problem is not None and exchange.status in (_OK, _ACCEPTED):
        message = f"an invalid request was accepted: {problem}"
        yield Problem("invalid_request_accepted", ("REQ-10",), message, "warning", problem[:30])
    if context.parsed_request is not None and context.code == "invalid_request":
        message = f"a valid request was rejected: {_error_message(exchange.content)}"
        yield Problem("valid_request_rejected", ("REQ-10",), message)


def properties(exchange: Exchange) -> Iterator[Problem]:
    """Check model, tier and aspect ratio against the request."""
    request, seen = exchange.context.parsed_request, exchange.seen
    if request is None or exchange.status not in (_OK, _ACCEPTED):
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
    if exchange.status not in (_OK, _ACCEPTED) or seen.status not in STATUSES or price is None:
        return
    request = exchange.context.parsed_request
    images = len(seen.images)
    expected = 0 if seen.status in (*_UNPROCESSED, "failed") else images * price
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
    ids = [id for id, _ in seen.images]
    if len(set(ids)) < len(ids):
        yield Problem("wrong_images", ("GEN-11",), "two images have the same id", place="ids")


def mode(exchange: Exchange) -> Iterator[Problem]:
    """Check that a request gets the response of its mode."""
    request, seen = exchange.context.parsed_request, exchange.seen
    if request is None or exchange.status not in (_OK, _ACCEPTED):
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
        yield from _changed_after_end(known.final, seen)
    if known.created_here and seen.status == "succeeded":
        yield from _changed_properties(known.last, seen)


def _changed_after_end(final: Observation, seen: Observation) -> Iterator[Problem]:
    for name, before, now in (
        ("usage.credits", final.credits, seen.credits),
        ("images", [id for id, _ in final.images], [id for id, _ in seen.images]),
    ):
        if before != now:
            message = f"{name} has changed after the end, from {before} to {now}"
            yield Problem("changed_after_end", ("RET-4",), message, place=name)


def _changed_properties(before: Observation, seen: Observation) -> Iterator[Problem]:
    for name in ("model", "quality", "aspect_ratio"):
        old, new = getattr(before, name), getattr(seen, name)
        if old is not None and new is not None and old != new:
            message = f"{name} was {old!r} at the creation, and is {new!r} now"
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
            if name in model and model[name] != ours.get(name):
                message = f"{name} of {model['id']} is {model[name]}; expected {ours.get(name)}"
                yield Problem("other_models", (clause,), message, place=f"{model['id']} {name}")
    for id in expected:
        yield Problem("other_models", ("MOD-2",), f"the model {id!r} is not listed", place=id)


_MODEL_CLAUSES = {
    "credits_per_image": "MOD-3",
    "default_options": "MOD-4",
    "supported_qualities": "MOD-5",
    "supported_aspect_ratios": "MOD-6",
    "reference_image_limit": "MOD-7",
}

CHECKS: tuple[Callable[[Exchange], Iterator[Problem]], ...] = (
    documented_status,
    response_schema,
    content_type,
    error_code,
    authentication,
    key_in_response,
    validation,
    properties,
    usage,
    mode,
    poll_url,
    repeated_reads,
    ownership,
    catalog,
)


def _clauses(exchange: Exchange, place: tuple[str | int, ...]) -> tuple[str, ...]:
    return response_clauses(
        exchange.spec, exchange.operation, exchange.status, place, exchange.seen.status
    )


def _error_message(content: object) -> str:
    error = content.get("error") if isinstance(content, dict) else None
    return str(error.get("message") if isinstance(error, dict) else "")[:200]
