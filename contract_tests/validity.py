"""Whether a generated body is valid: by the documentation, or by the natural reading of it."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TypeGuard

from mockhub.exceptions import ValidationError
from mockhub.spec.operations import JSON, OperationId
from mockhub.verify import oracle
from mockhub.verify.exchange import JsonObject
from mockhub.verify.fixtures import QUALITIES

_SIZE_PATTERN = re.compile(r"auto|[1-9][0-9]{0,3}x[1-9][0-9]{0,3}")
_SAFE_PROMPT_LENGTH = 1000  # characters that every implementation accepts
_REQUIRED_FIELDS = {"model", "prompt", "size"}
_DOCUMENTED_FIELDS = _REQUIRED_FIELDS | {"quality", "n"}  # that every example has
_OPTIONAL_FIELDS = {"size", "quality", "n", "async"}
_CLAUSES_OF_FIELDS = {"model": "REQ-1", "prompt": "REQ-11"}  # the others may be missing
KNOWN_FIELDS = {"model", "prompt", *_OPTIONAL_FIELDS}


def is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


class Validity(StrEnum):
    """Whether an implementation must accept or reject a body, or may do either."""

    VALID = "valid"
    INVALID = "invalid"
    UNSPECIFIED = "unspecified"


def classify(body: object, *, documented: bool) -> Validity:
    """Return whether *body* is valid; `documented` leaves more open than `inferred` does."""
    if isinstance(body, bytes) or type(body).__name__ == "NotSet":
        return Validity.UNSPECIFIED
    if not isinstance(body, dict):
        return Validity.INVALID
    if _is_ambiguous(body):
        return Validity.UNSPECIFIED
    if _violated_documented_clause(body):
        return Validity.INVALID
    if _violated_inferred_clause(body):
        return Validity.UNSPECIFIED if documented else Validity.INVALID
    required = _DOCUMENTED_FIELDS if documented else _REQUIRED_FIELDS
    if required <= body.keys() <= KNOWN_FIELDS and (not documented or _has_plain_prompt(body)):
        return Validity.VALID
    return Validity.UNSPECIFIED


def _has_plain_prompt(body: JsonObject) -> bool:
    prompt = body["prompt"]
    return isinstance(prompt, str) and bool(prompt.strip()) and len(prompt) <= _SAFE_PROMPT_LENGTH


def _is_ambiguous(body: JsonObject) -> bool:
    """Return whether implementations may differ: null for an optional field, 4.0, NUL and more."""
    text = json.dumps(body, ensure_ascii=False)
    n = body.get("n")
    unusual_number = isinstance(n, float) or (isinstance(n, int) and abs(n) > 5)
    has_null = any(body.get(name, "") is None for name in _OPTIONAL_FIELDS)
    return has_null or unusual_number or not all(char.isprintable() for char in text)


def violated_clause(body: object) -> str:
    """Return the clause that a body violates, or ""."""
    if not isinstance(body, dict):
        return ""
    return _violated_documented_clause(body) or _violated_inferred_clause(body)


def _violated_documented_clause(body: JsonObject) -> str:
    """Return the documented clause that a body violates; white space and case are left open."""
    texts = {name: value.strip() for name, value in body.items() if isinstance(value, str)}
    size, n = "".join(texts.get("size", "").split()).lower(), body.get("n", 1)
    models = oracle.api_spec().catalog.models
    violated = {
        "REQ-1": "model" not in body or texts.get("model", oracle.MODEL) not in models,
        "REQ-5": is_integer(n) and not 1 <= n <= 4,
        "REQ-3": bool(size) and not _SIZE_PATTERN.fullmatch(size),
        "REQ-4": texts.get("quality", "") not in ("", *QUALITIES),
        "REQ-6": bool(texts.get("reference_image", body.get("reference_image"))),
    }
    return next((clause for clause, is_violated in violated.items() if is_violated), "")


def _violated_inferred_clause(body: JsonObject) -> str:
    """Return the clause of the first field that the spec does not accept."""
    rules = oracle.api_spec().operations[OperationId.CREATE_GENERATION].bodies[JSON]
    for error in rules.validator.iter_errors(body):
        field = str(next(iter(error.instance_path), "prompt"))  # the only required one
        return _CLAUSES_OF_FIELDS.get(field, "REQ-12")
    try:
        oracle.api_spec().catalog.check_request({**rules.defaults, **body}, 0)
    except ValidationError:
        return "REQ-13"
    return ""
