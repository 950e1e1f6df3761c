"""ApiSpec: everything that mockhub uses of openapi.yaml, compiled once at start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import Any

from mockhub._resources import resource_path
from mockhub._text import suggest
from mockhub.exceptions import ApiError, MockhubError
from mockhub.spec.catalog import Catalog, build_model_catalog
from mockhub.spec.config_file import Pointer, format_pointer
from mockhub.spec.document import Document, load_document
from mockhub.spec.error_catalog import ErrorCatalog, build_error_catalog
from mockhub.spec.frozen_struct import FrozenStruct
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import FORM, JSON, Operation, OperationId, compile_operations
from mockhub.spec.request_validation import validate
from mockhub.spec.router import Router, build_router
from mockhub.spec.sizes import build_size_rules

_FIRST_ERROR_STATUS = 400
_UNAUTHORIZED = 401
_UNUSABLE = (  # what the code below raises where something is missing or of another type
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    StopIteration,
)


class KeyFormat(FrozenStruct, frozen=True):
    """The format of API keys (AUTH-2): a prefix and the number of characters after it."""

    prefix: str
    length: int


class RoutingError(FrozenStruct, frozen=True):
    """The error of a request that matches no operation."""

    status: int
    code: str

    def error(self, message: str, headers: Mapping[str, str] | None = None) -> ApiError:
        return ApiError(self.status, self.code, message, headers=headers)


class Assumption(FrozenStruct, frozen=True):
    """A place of the spec that the documentation leaves open, and the reason for our choice."""

    pointer: str
    clauses: tuple[str, ...]
    why: str


class ApiSpec(FrozenStruct, frozen=True):
    """The parsed and compiled `openapi.yaml`."""

    document: Document
    operations: Mapping[str, Operation]
    router: Router
    catalog: Catalog
    errors: ErrorCatalog
    model_list: Mapping[str, Any]
    key_format: KeyFormat
    unknown_path: RoutingError
    unknown_method: RoutingError
    timeout_seconds: float  # the limit of a synchronous generation (LIM-1)

    @property
    def base_path(self) -> str:
        """The common beginning of the paths of the operations, which SDKs want in a base URL."""
        return self.operations[OperationId.GET_CREDITS].path.rpartition("/")[0]

    def build_request(
        self, values: Mapping[str, Any], references: tuple[str, ...] = (), media_type: str = JSON
    ) -> GenerationRequest:
        """Validate a body, fill in its defaults, and make a request of it.

        The strings that most requests have in common are interned, which saves memory.

        Args:
            values: The fields.
            references: The digests of the reference images.
            media_type: By which the schema is chosen.

        Raises:
            ValidationError: naming the field, its value and what is allowed.
        """
        valid = validate(values, self.operations[OperationId.CREATE_GENERATION].bodies[media_type])
        self.catalog.check_request(valid, len(references))
        return GenerationRequest(
            intern(valid["model"]),
            valid["prompt"],
            intern(valid["size"]),
            intern(valid["quality"]),
            valid["n"],
            valid["async"],
            references,
        )

    def suggest_path(self, path: str, *, prefix: str) -> str:
        """Return ``; did you mean '/api/v1/models'?`` for an unknown path, or ``""``.

        Most often the base URL of a client has too much or too little before the path, or the
        path has a segment behind it that another API knows, as in ``/models/gpt-image-2``.
        """
        segments = path.split("/")[1:]
        for end in (len(segments), len(segments) - 1):
            for start in range(end):
                known = "/".join([self.base_path, *segments[start:end]])
                if self.router.match(known):
                    return f"; did you mean {prefix + known!r}?"
        known_paths = [prefix + operation.path for operation in self.operations.values()]
        return suggest(prefix + path, known_paths)

    def assumptions(self) -> list[Assumption]:
        """Return every `x-assumed`, in the order of the file."""
        return list(_assumptions(self.document.root, ()))


def load_spec(path: Path | None = None) -> ApiSpec:
    """Load the API spec from an OpenAPI file, the bundled one unless another one is given.

    Raises:
        MockhubError: naming the file and the place, if something in it cannot be used.
    """
    path = path or resource_path("openapi.yaml")
    document = load_document(path)
    try:
        return build_spec(document)
    except MockhubError as error:
        raise error if str(path) in str(error) else MockhubError(f"{path}: {error}") from None
    except _UNUSABLE as error:
        problem = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise MockhubError(f"{path}: not a GPT Image Hub API description: {problem}") from None


def build_spec(document: Document) -> ApiSpec:
    """Build the API spec from a checked document; raises MockhubError."""
    operations = compile_operations(document)
    _check_operations(document, operations)
    _check_security(document, operations)
    size_rules = document.inline_references(document.lookup("#/components/schemas/Size/x-sizes"))
    model_list = _model_list(document, operations)
    unrouted = document.root["x-unrouted"]
    catalog = build_model_catalog(model_list, build_size_rules(size_rules))
    _check_default_options(document, model_list, catalog)
    return ApiSpec(
        document=document,
        operations={operation.id: operation for operation in operations},
        router=build_router(operations),
        catalog=catalog,
        errors=build_error_catalog(_error_examples(operations)),
        model_list=model_list,
        key_format=_key_format(document),
        unknown_path=RoutingError(int(unrouted["path"]["status"]), unrouted["path"]["code"]),
        unknown_method=RoutingError(int(unrouted["method"]["status"]), unrouted["method"]["code"]),
        timeout_seconds=_timeout_seconds(document, operations),
    )


def _check_operations(document: Document, operations: tuple[Operation, ...]) -> None:
    found = {operation.id for operation in operations}
    if unexpected := sorted(found ^ (set(OperationId) - {OperationId.GET_IMAGE})):
        problem = "is not implemented" if unexpected[0] in found else "is missing"
        raise MockhubError(f"{document.path}: #/paths: the operation {unexpected[0]!r} {problem}")
    schemes = document.root["components"]["securitySchemes"]
    for name, scheme in schemes.items():
        if (scheme.get("type"), scheme.get("scheme")) != ("http", "bearer"):
            pointer: Pointer = ("components", "securitySchemes", name)
            raise document.error(pointer, "expected type http and scheme bearer")
    for operation in operations:
        if unexpected := sorted(operation.bodies.keys() - {JSON, FORM}):
            pointer = ("paths", operation.path, operation.method.lower(), "requestBody", "content")
            raise document.error((*pointer, unexpected[0]), f"expected {JSON} or {FORM}")


def _check_security(document: Document, operations: tuple[Operation, ...]) -> None:
    """Check that an operation that works on an account requires a key, and documents the 401."""
    for operation in operations:
        pointer = ("paths", operation.path, operation.method.lower())
        if operation.requires_auth and _UNAUTHORIZED not in operation.responses:
            message = f"expected a response 401: {operation.id} requires an API key"
            raise document.error((*pointer, "responses"), message)
        if not operation.requires_auth and operation.id != OperationId.LIST_MODELS:
            node = document.root["paths"][operation.path][operation.method.lower()]
            place = (*pointer, "security") if "security" in node else pointer
            message = f"expected a security requirement: {operation.id} needs the account of a key"
            raise document.error(place, message)


def _model_list(document: Document, operations: tuple[Operation, ...]) -> Mapping[str, Any]:
    """Return the example of the model list, which is the catalog."""
    list_models = next(
        operation for operation in operations if operation.id == OperationId.LIST_MODELS
    )
    for model_list in list_models.examples[200].values():
        for error in list_models.responses[200].iter_errors(model_list):
            pointer: Pointer = ("components", "examples", "Models", "value", *error.instance_path)
            raise document.error(pointer, f"{error.message} (quote it?)")
        return dict(model_list)
    raise MockhubError(f"{document.path}: the response of list_models has no example")


def _check_default_options(
    document: Document, model_list: Mapping[str, Any], catalog: Catalog
) -> None:
    for index, entry in enumerate(model_list["data"]):
        options, model = entry["default_options"], catalog.models[entry["id"]]
        pointer = ("components", "examples", "Models", "value", "data", index, "default_options")
        for name, known in (("aspect_ratio", model.aspect_ratios), ("quality", model.prices)):
            if options[name] not in known:
                raise document.error((*pointer, name), f"expected one of {list(known)}")


def _error_examples(
    operations: tuple[Operation, ...],
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for operation in operations:
        for status, examples in operation.examples.items():
            if status >= _FIRST_ERROR_STATUS:
                for example in examples.values():
                    yield status, example


def _timeout_seconds(document: Document, operations: tuple[Operation, ...]) -> float:
    for operation in operations:
        if operation.timeout_seconds:
            return operation.timeout_seconds
    raise MockhubError(f"{document.path}: no operation has an x-timeout-seconds")


def _key_format(document: Document) -> KeyFormat:
    schemes = document.root["components"]["securitySchemes"]
    key_rules = next(scheme["x-key"] for scheme in schemes.values() if "x-key" in scheme)
    return KeyFormat(key_rules["prefix"], key_rules["length"])


def _assumptions(node: Any, pointer: Pointer) -> Iterator[Assumption]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _assumptions(item, (*pointer, index))
    if not isinstance(node, dict):
        return
    if "x-assumed" in node:
        clauses = tuple(node.get("x-clauses", ()))
        yield Assumption(format_pointer(pointer), clauses, node["x-assumed"])
    for name, value in node.items():
        if name != "value":
            yield from _assumptions(value, (*pointer, name))
