"""A discriminator in an API spec: accepted where const and enum say the same, else rejected."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockhub._resources import resource_path
from mockhub.exceptions import MockhubError
from mockhub.spec.api_spec import load_spec

TEXT = resource_path("openapi.yaml").read_text("utf-8")
LOG = """        - $ref: "#/components/schemas/FailedGeneration"
"""
PLACE = "#/components/schemas/GenerationLog"
MAPPING = """      discriminator:
        propertyName: status
        mapping:
          queued: "#/components/schemas/PendingGeneration"
          processing: PendingGeneration
          succeeded: "#/components/schemas/SavedGeneration"
          failed: "#/components/schemas/FailedGeneration"
"""


def write_spec(folder: Path, discriminator: str) -> Path:
    """Write a copy of openapi.yaml with a discriminator at the log of a generation."""
    assert TEXT.count(LOG) == 1
    file = folder / "openapi.yaml"
    file.write_text(TEXT.replace(LOG, LOG + discriminator), "utf-8")
    return file


@pytest.mark.parametrize("discriminator", [MAPPING, MAPPING.partition("        mapping")[0]])
def test_discriminator_that_repeats_the_schemas_is_accepted(
    tmp_path: Path, discriminator: str
) -> None:
    spec = load_spec(write_spec(tmp_path, discriminator))
    validator = spec.operations["get_generation"].responses[200]
    (queued, *_) = spec.operations["get_generation"].examples[200].values()
    assert validator.is_valid(queued)
    assert not validator.is_valid({**queued, "status": "succeeded"})


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (
            "propertyName: status",
            "propertyName: model",
            "/oneOf/0",
            "expected a required property 'model' with const or enum",
        ),
        (
            "propertyName: status",
            "propertyName: nothing",
            "/oneOf/0",
            "expected a required propert",
        ),
        ("propertyName: status", "description: x", "/discriminator/description", "not supported"),
        (
            "propertyName: status",
            "propertyName: 7",
            "/discriminator/propertyName",
            "expected the n",
        ),
        (
            'succeeded: "#/components/schemas/SavedGeneration"',
            'succeeded: "#/components/schemas/FailedGeneration"',
            "/discriminator/mapping/succeeded",
            "'succeeded' of 'status'; expected one of #/components/schemas/SavedGeneration",
        ),
        (
            "processing: PendingGeneration",
            "paused: PendingGeneration",
            "/discriminator/mapping/paused",
            "does not have the value 'paused' of 'status'",
        ),
        (
            "processing: PendingGeneration",
            "processing: Balance",
            "/discriminator/mapping/processing",
            "\"Balance\" does not have the value 'processing'",
        ),
    ],
)
def test_discriminator_that_adds_a_meaning_is_rejected(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    """mockhub validates by the schemas alone; the error names the line and the place."""
    assert old in MAPPING
    file = write_spec(tmp_path, MAPPING.replace(old, new))
    with pytest.raises(MockhubError) as caught:
        load_spec(file)
    assert f"{PLACE}{place}: " in str(caught.value)
    assert str(caught.value).startswith(f"{file}:")
    assert message in str(caught.value)


def test_discriminator_without_alternatives_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "openapi.yaml"
    balance = "    Balance:\n      type: object\n"
    assert balance in TEXT
    text = f"{balance}      discriminator: {{propertyName: account_type}}\n"
    file.write_text(TEXT.replace(balance, text), "utf-8")
    with pytest.raises(MockhubError, match="schemas/Balance/discriminator: .*oneOf or anyOf"):
        load_spec(file)


def test_property_named_discriminator_is_a_property(tmp_path: Path) -> None:
    file = tmp_path / "openapi.yaml"
    text = "        discriminator: {type: string, x-clauses: [ERR-1]}\n        message:\n"
    file.write_text(TEXT.replace("        message:\n", text, 1), "utf-8")
    load_spec(file)
