"""Compare recorded responses with those of the mock, in what the contract determines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from mockhub._text import format_value, plural
from mockhub.recording.files import BASE_URL
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.config_file import format_pointer
from mockhub.spec.operations import JSON, Operation, OperationId

Place = tuple[str | int, ...]

# Compared by their kind alone: what the service chooses.
_CHOSEN_VALUES = frozenset(
    ("id", "url", "poll_url", "created_at", "next_expiration", "account_type", "message")
)
_UNFINISHED = ("queued", "processing")
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
_UTC_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?(Z|\+00:00)")
_MISSING = object()


class Difference(NamedTuple):
    """A place where the service and the mock differ.

    Attributes:
        place: ``status``, ``Content-Type``, ``image size`` or a JSON pointer into the body.
        service: What the recorded response has.
        mock: What the mock has.
        clauses: The clauses that the place rests on.
    """

    place: str
    service: str
    mock: str
    clauses: tuple[str, ...]


def compare_json(
    spec: ApiSpec, operation: Operation | None, status: int, service: object, mock: object
) -> list[Difference]:
    """Return where two bodies of the same status differ."""
    is_catalog = operation is not None and operation.id == OperationId.LIST_MODELS
    state = mock.get("status") if isinstance(mock, dict) else None
    chosen: Set[str] = frozenset() if is_catalog else _CHOSEN_VALUES
    return [
        Difference(
            format_pointer(place),
            _show(place, one, chosen),
            _show(place, other, chosen),
            response_clauses(spec, operation, status, place, state),
        )
        for place, one, other in _walk((), service, mock)
        if not _is_same(place, one, other, chosen)
    ]


def _walk(place: Place, service: object, mock: object) -> Iterator[tuple[Place, object, object]]:
    """Yield each place that has a value in one of the two, or another number of items."""
    if isinstance(service, dict) and isinstance(mock, dict):
        for name in [*service, *(mock.keys() - service.keys())]:
            yield from _walk((*place, name), service.get(name, _MISSING), mock.get(name, _MISSING))
    elif isinstance(service, list) and isinstance(mock, list) and len(service) == len(mock):
        for index, pair in enumerate(zip(service, mock, strict=True)):
            yield from _walk((*place, index), *pair)
    else:
        yield place, service, mock


def _is_same(place: Place, service: object, mock: object, chosen: Set[str]) -> bool:
    name = place[-1] if place else ""
    if name in chosen and _MISSING not in (service, mock):
        return None in (service, mock) or _chosen_kind(service) == _chosen_kind(mock)
    if name == "status" and service in _UNFINISHED and mock in _UNFINISHED:
        return True
    return _kind(service) == _kind(mock) and service == mock


def _kind(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "a number" if is_number else _KINDS.get(type(value), "null")


def _chosen_kind(value: object) -> str:
    """Return the kind of a value that the service chooses, with the format of a text."""
    if not isinstance(value, str):
        return _kind(value)
    if _UTC_TIMESTAMP.fullmatch(value):
        return "a time in UTC"
    return "an absolute URL" if value.startswith(("http://", "https://")) else "a text"


def _show(place: Place, value: object, chosen: Set[str]) -> str:
    if value is _MISSING:
        return "no such field"
    if isinstance(value, list):
        return plural(len(value), "item")
    is_chosen = bool(place) and place[-1] in chosen
    return _chosen_kind(value) if is_chosen else format_value(value)


# -- parts of bodies -----------------------------------------------------------------------------


def balance_in(body: Any) -> tuple[dict[str, Any], int | None]:
    """Return the object that has the balance, and the credits in it, if there are any."""
    balance = body.get("balance", body) if isinstance(body, dict) else None
    balance = balance if isinstance(balance, dict) else {}
    credits = balance.get("credits")
    return balance, credits if type(credits) is int else None


def image_paths(body: Any) -> list[str | None]:
    """Return the path of each image in a body; None for one without a URL."""
    images = body.get("images") if isinstance(body, dict) else None
    urls = [
        image.get("url") if isinstance(image, dict) else None
        for image in (images if isinstance(images, list) else ())
    ]
    return [url.removeprefix(BASE_URL) if isinstance(url, str) else None for url in urls]


# -- clauses -------------------------------------------------------------------------------------


def response_clauses(
    spec: ApiSpec,
    operation: Operation | None,
    status: int,
    place: Place = (),
    state: str | None = None,
) -> tuple[str, ...]:
    """Return the clauses of a place in a response, or of the nearest one around it.

    Args:
        state: The status of the generation, by which its schema is chosen.
    """
    if operation is None or operation.path not in spec.document.root["paths"]:
        return ()
    node = spec.document.root["paths"][operation.path][operation.method.lower()]
    response = spec.document.inline_references(node["responses"].get(str(status), {}))
    clauses = response.get("x-clauses") or node.get("x-clauses", ())
    schemas = [response.get("content", {}).get(JSON, {}).get("schema", {})]
    for part in place:
        schemas = [inner for schema in schemas for inner in _inner_schemas(schema, part, state)]
        clauses = [one for schema in schemas for one in schema.get("x-clauses", ())] or clauses
    return tuple(dict.fromkeys(clauses))


def _inner_schemas(
    schema: Mapping[str, Any], part: str | int, state: str | None
) -> Iterator[Mapping[str, Any]]:
    inner = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
    if isinstance(inner, dict):
        yield inner
    branches = [branch for name in ("oneOf", "anyOf", "allOf") for branch in schema.get(name, ())]
    for branch in [one for one in branches if state in _states(one)] or branches:
        yield from _inner_schemas(branch, part, state)


def _states(schema: Mapping[str, Any]) -> Sequence[str]:
    states: Sequence[str] = schema.get("properties", {}).get("status", {}).get("enum", ())
    return states
