"""The law: everything that the OpenAPI file says, read once when the program starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockhub.spec.catalog import Catalog, read_catalog
from mockhub.spec.document import Document, Pointer, load
from mockhub.spec.errors import ErrorCatalog, MockhubError
from mockhub.spec.errors import read_catalog as read_errors
from mockhub.spec.operations import (
    FORM,
    JSON,
    Operation,
    Routes,
    read_operations,
    read_routes,
)
from mockhub.spec.sizes import read_sizes

OPERATIONS = frozenset({"list_models", "get_credits", "create_generation", "get_generation"})

_FIRST_ERROR_STATUS = 400


@dataclass(frozen=True)
class KeyFormat:
    """How an API key looks (AUTH-2): the prefix, and how many characters follow."""

    prefix: str
    length: int


@dataclass(frozen=True)
class Unrouted:
    """What a request meets that finds no operation."""

    status: int
    code: str


@dataclass(frozen=True)
class Assumption:
    """A place of the law that the documentation leaves open, and why it reads as it does."""

    pointer: str
    clauses: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Law:
    """The whole of the documentation, as this package uses it."""

    document: Document
    operations: Mapping[str, Operation]
    routes: Routes
    catalog: Catalog
    errors: ErrorCatalog
    listing: Mapping[str, Any]
    key_format: KeyFormat
    unknown_path: Unrouted
    unknown_method: Unrouted
    timeout_seconds: float  # the longest that a synchronous generation may take (LIM-1)

    def assumptions(self) -> list[Assumption]:
        """Every reading of an open point, in the order of the file."""
        return list(_assumptions(self.document.root, ()))


def load_law(path: Path) -> Law:
    """Read the law from an OpenAPI file.

    Raises:
        MockhubError: naming the file and the place, if anything in it cannot be used.
    """
    document = load(path)
    try:
        return read_law(document)
    except MockhubError as error:
        raise error if str(path) in str(error) else MockhubError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise MockhubError(f"{path}: not the law of a GPT Image Hub: {what}") from None


def read_law(document: Document) -> Law:
    """Read the law from a document that was loaded and checked; raises MockhubError."""
    operations = read_operations(document)
    _check_operations(document, operations)
    listed = document.inline(document.at("#/components/schemas/Size/x-sizes"))
    listing = _listing(document, operations)
    unrouted = document.root["x-unrouted"]
    catalog = read_catalog(listing, read_sizes(listed))
    _check_default_options(document, listing, catalog)
    return Law(
        document=document,
        operations={operation.id: operation for operation in operations},
        routes=read_routes(operations),
        catalog=catalog,
        errors=read_errors(_error_examples(operations)),
        listing=listing,
        key_format=_key_format(document),
        unknown_path=Unrouted(int(unrouted["path"]["status"]), unrouted["path"]["code"]),
        unknown_method=Unrouted(int(unrouted["method"]["status"]), unrouted["method"]["code"]),
        timeout_seconds=_timeout(document, operations),
    )


def _check_operations(document: Document, operations: tuple[Operation, ...]) -> None:
    found = {operation.id for operation in operations}
    if odd := sorted(found ^ OPERATIONS):
        does = "is not implemented" if odd[0] in found else "is missing"
        raise MockhubError(f"{document.path}: #/paths: the operation {odd[0]!r} {does}")
    schemes = document.root["components"]["securitySchemes"]
    for name, scheme in schemes.items():
        if (scheme.get("type"), scheme.get("scheme")) != ("http", "bearer"):
            at: Pointer = ("components", "securitySchemes", name)
            raise document.error(at, "expected type http and scheme bearer")
    for operation in operations:
        if odd := sorted(operation.bodies.keys() - {JSON, FORM}):
            at = ("paths", operation.path, operation.method.lower(), "requestBody", "content")
            raise document.error((*at, odd[0]), f"expected {JSON} or {FORM}")


def _listing(document: Document, operations: tuple[Operation, ...]) -> Mapping[str, Any]:
    """The catalogue is the example of the model list, held to the list's own schema."""
    models = next(operation for operation in operations if operation.id == "list_models")
    for listing in models.examples[200].values():
        for error in models.answers[200].iter_errors(listing):
            at: Pointer = ("components", "examples", "Models", "value", *error.instance_path)
            raise document.error(at, f"{error.message} (is it quoted?)")
        return dict(listing)
    raise MockhubError(f"{document.path}: the answer of list_models has no example")


def _check_default_options(
    document: Document, listing: Mapping[str, Any], catalog: Catalog
) -> None:
    for index, entry in enumerate(listing["data"]):
        options, model = entry["default_options"], catalog.models[entry["id"]]
        at = ("components", "examples", "Models", "value", "data", index, "default_options")
        if options["aspect_ratio"] not in model.ratios:
            raise document.error((*at, "aspect_ratio"), f"expected one of {list(model.ratios)}")
        if options["quality"] not in model.prices:
            raise document.error((*at, "quality"), f"expected one of {list(model.prices)}")


def _error_examples(
    operations: tuple[Operation, ...],
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for operation in operations:
        for status, examples in operation.examples.items():
            if status >= _FIRST_ERROR_STATUS:
                for example in examples.values():
                    yield status, example


def _timeout(document: Document, operations: tuple[Operation, ...]) -> float:
    for operation in operations:
        if operation.timeout_seconds:
            return operation.timeout_seconds
    raise MockhubError(f"{document.path}: no operation has an x-timeout-seconds")


def _key_format(document: Document) -> KeyFormat:
    schemes = document.root["components"]["securitySchemes"]
    rules = next(scheme["x-key"] for scheme in schemes.values() if "x-key" in scheme)
    return KeyFormat(rules["prefix"], rules["length"])


def _assumptions(node: Any, at: Pointer) -> Iterator[Assumption]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _assumptions(item, (*at, index))
    if not isinstance(node, dict):
        return
    if "x-assumed" in node:
        place = "#/" + "/".join(str(part).replace("/", "~1") for part in at)
        yield Assumption(place, tuple(node.get("x-clauses", ())), node["x-assumed"])
    for name, value in node.items():
        if name != "value":
            yield from _assumptions(value, (*at, name))
