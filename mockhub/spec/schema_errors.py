"""Find the errors of a value against a JSON Schema that say what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

from jsonschema_rs import Draft202012Validator, ValidationError


def schema_errors(validator: Draft202012Validator, value: object) -> Iterator[ValidationError]:
    """Yield the errors of *value*; of `oneOf` and `anyOf`, those of the alternative it is like.

    That is the one whose const and enum values it has, such as the status of a generation, and
    then the one with the fewest errors.
    """
    for error in validator.iter_errors(value):
        yield from _specific_errors(error)


def is_extra_property(error: ValidationError) -> bool:
    """Return whether the error is a property that the schema does not have."""
    return type(error.kind).__name__ in ("AdditionalProperties", "UnevaluatedProperties")


def _specific_errors(error: ValidationError) -> Iterator[ValidationError]:
    alternatives = getattr(error.kind, "context", ())
    if not alternatives:
        yield error
        return
    closest = min(
        alternatives,
        key=lambda errors: (
            sum(type(one.kind).__name__ in ("Constant", "Enum") for one in errors),
            sum(not is_extra_property(one) for one in errors),
        ),
    )
    for one in closest:
        yield from _specific_errors(one)
