"""openapi.yaml covers the documentation, and unsupported content of such a file is rejected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockhub._resources import resource_path
from mockhub.exceptions import MockhubError
from mockhub.spec.api_spec import ApiSpec, load_spec

TEXT = resource_path("openapi.yaml").read_text("utf-8")
TIERS = "          1K: 1536x1024\n          2K: 2048x2048\n          4K: 3840x2160\n"
CLAUSES = yaml.safe_load((resource_path("contract_tests") / "clauses.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def spec() -> ApiSpec:
    return load_spec(resource_path("openapi.yaml"))


def edit_spec(folder: Path, old: str, new: str) -> Path:
    """Write a copy of openapi.yaml with one change."""
    assert old in TEXT
    file = folder / "openapi.yaml"
    file.write_text(TEXT.replace(old, new, 1), "utf-8")
    return file


def operations(spec: ApiSpec) -> Iterator[Any]:
    for item in spec.document.root["paths"].values():
        yield from (node for method, node in item.items() if method != "parameters")


def properties(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "properties":
                yield from value.items()
            if name != "value":
                yield from properties(value)
    elif isinstance(node, list):
        for item in node:
            yield from properties(item)


def test_spec_names_every_clause() -> None:
    """The file names all clauses of the documentation, and no others."""
    known = {clause for group in CLAUSES.values() for clause in group}
    named = set(re.findall(r"\b[A-Z]{3,4}-[0-9]+\b", TEXT))
    assert len(known) == 87
    assert named == known


def test_every_part_of_the_spec_has_clauses(spec: ApiSpec) -> None:
    """Every operation, response, schema and property has `x-clauses`."""
    places: list[tuple[str, Any]] = [(node["operationId"], node) for node in operations(spec)]
    for node in operations(spec):
        places += [(key, spec.document.resolve(value)) for key, value in node["responses"].items()]
    places += spec.document.root["components"]["schemas"].items()
    places += properties(spec.document.root["components"]["schemas"])
    without_clauses = [name for name, node in places if not node.get("x-clauses")]
    assert without_clauses == []


def test_examples_of_requests_and_responses_have_the_same_names(spec: ApiSpec) -> None:
    """Tools such as Specmatic pair them by name."""
    paired = 0
    for item in spec.document.root["paths"].values():
        for method, node in item.items():
            if method == "parameters":
                continue
            inputs = [*item.get("parameters", ()), *node.get("parameters", ())]
            inputs += node.get("requestBody", {}).get("content", {}).values()
            requests = {name for one in inputs for name in one.get("examples", ())}
            responses = {
                name
                for status, response in node["responses"].items()
                if status.startswith("2")
                for name in response["content"]["application/json"]["examples"]
            }
            assert responses == requests or not inputs
            paired += len(requests)
    assert paired == 6


def test_each_number_of_the_documentation_occurs_once() -> None:
    """Prices and limits are written in one place of the file."""
    rules = TEXT[: TEXT.index("    # Published requests.")]
    for number in ("32000", "52428800", "800", "reference_image_limit: 16", "maximum: 4\n"):
        assert len(re.findall(rf"(?<![0-9]){re.escape(number)}", rules)) == 1, number
    for tier, price in (("1K", 8), ("2K", 10), ("4K", 12)):
        assert rules.count(f"{tier}: {price}\n") == 1


def test_catalog_has_the_documented_model(spec: ApiSpec) -> None:
    """gpt-image-2 costs 8, 10 and 12 credits, and has 16 ratios and 16 reference images."""
    model = spec.catalog.models["gpt-image-2"]
    assert model.prices == {"1K": 8, "2K": 10, "4K": 12}
    assert (len(model.aspect_ratios), model.max_reference_images) == (16, 16)
    assert spec.timeout_seconds == 800


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("      minimum: 1\n", "      minimun: 1\n", "did you mean 'minimum'"),
        ("      minimum: 1\n", "      minimum: 1\n      if: {}\n", "'if'"),
        ("x-max-bytes: ", "x-maximum-bytes: ", "x-maximum-bytes"),
        ('- "16:9"', "- 16:9", "YAML 1.1 reads 16:9 as 969; quote it"),
        ("enum: [auto, low, medium, high]", "enum: [auto, NO, medium]", "reads NO as false"),
        ('        "400":\n', "        400:\n", "quote it"),
        ("operationId: get_credits", "operationId: read_credits", "get_credits"),
        ("      - name: generationId\n", "      - nam: generationId\n", "'nam'"),
        ("#/components/schemas/Balance", "#/components/schemas/Balans", "Balans"),
        ("image/png, image/jpeg, image/webp", "image/png, image/tiff", "image/tiff"),
        ("  1K: 8\n", "  8K: 8\n", "8K"),
        (TIERS, "", "x-sizes: tiers is empty"),
        ("      type: http\n", "      type: apiKey\n", "http"),
        ("      aspect_ratio: auto\n", '      aspect_ratio: "7:4"\n', "aspect_ratio"),
        ("          code: notFound\n", "          code: invalid_request\n", "invalid_request"),
        ("openapi: 3.1.0", "openapi: 2.0.0", "3.1"),
        ("x-max-bytes: 52428800", "x-max-bytes: 1.5", "1.5 is not valid; expected a whole number"),
        ("x-timeout-seconds: 800", "x-timeout-seconds: .inf", ".inf is not a JSON number"),
        ("x-timeout-seconds: 800", "x-timeout-seconds: 86401", "and at most a day"),
        ("        length: 32", "        length: 81", "81 is not valid; expected a whole number"),
        ("        multiple: 16", "        multiple: 0", "0 is not valid; expected a whole number"),
        ('        widest: "3:1"', '        widest: "3:0"', "Fraction(3, 0)"),
        ("  1K: 8\n", "  1K: 8.0\n", "credits_per_image: 1K: 8.0 is not valid; expected a whole"),
        ("  1K: 8\n", "  1K: 1000000001\n", "expected a whole number from 0 to 1000000000"),
        ("reference_image_limit: 16", "reference_image_limit: 16.0", "16.0 is not valid"),
        ("      minimum: 1\n", "      minimum: 1" + 400 * "0" + "\n", "is too large"),
        ("openapi: 3.1.0", "openapi: [3.1.0", "not YAML"),
    ],
)  # fmt: skip
def test_unsupported_spec_is_rejected(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The error names the file."""
    file = edit_spec(tmp_path, old, new)
    with pytest.raises(MockhubError, match=re.escape(message)) as caught:
        load_spec(file)
    assert str(file) in str(caught.value)


def test_unsupported_keyword_is_reported_with_its_line(tmp_path: Path) -> None:
    line = next(
        number
        for number, text in enumerate(TEXT.splitlines(), 1)
        if text.strip().startswith("x-max-bytes:")
    )
    file = tmp_path / "openapi.yaml"
    file.write_text(TEXT.replace("      x-max-bytes:", "      x-most-bytes:"), "utf-8")
    with pytest.raises(MockhubError) as caught:
        load_spec(file)
    assert f"{file}:{line}: #/components/schemas/ReferenceImage/x-most-bytes" in str(caught.value)


BALANCE = '$ref: "#/components/schemas/Balance"'


@pytest.mark.parametrize(
    ("schemas", "message"),
    [
        ("Odd: {$ref: '#/components/schemas/Odd'}", "'#/components/schemas/Odd' leads to itself"),
        (
            "Odd: {$ref: '#/components/schemas/Own'}\n    Own: {$ref: '#/components/schemas/Own'}",
            "the reference '#/components/schemas/Own' leads to itself",
        ),
        ("Odd: {not: {$ref: '#/components/schemas/Odd'}}", "Odd' contains itself"),
        ("Odd: {$ref: '#/info/title'}", "the target of '#/info/title' is not a mapping"),
        ("Odd: {$ref: 5}", "#/components/schemas/Odd/$ref: 5 is not valid; expected a reference"),
        (
            "Odd: {not: {$ref: '#/components/schemas/Odd0'}}\n    "
            + "\n    ".join(
                f"Odd{n}: {{allOf: [{{$ref: '#/components/schemas/Odd{n + 1}'}}, "
                f"{{$ref: '#/components/schemas/Odd{n + 1}'}}]}}"
                for n in range(30)
            )
            + "\n    Odd30: {}",
            "a schema expands to more than 100000 values",
        ),
    ],
    ids=["itself", "chain", "nested", "text", "number", "doubling"],
)
def test_references_that_cannot_be_resolved_are_rejected(
    tmp_path: Path, schemas: str, message: str
) -> None:
    """A reference that leads to itself, or doubles thirty times, is an error and no hang."""
    text = TEXT.replace("    ModelId:\n", f"    {schemas}\n    ModelId:\n", 1)
    file = tmp_path / "openapi.yaml"
    file.write_text(text.replace(BALANCE, BALANCE.replace("Balance", "Odd"), 1), "utf-8")
    with pytest.raises(MockhubError, match=re.escape(message)) as caught:
        load_spec(file)
    assert str(file) in str(caught.value)


def test_missing_spec_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MockhubError, match="cannot be read"):
        load_spec(tmp_path / "nowhere.yaml")


def test_every_inferred_clause_is_an_assumption(spec: ApiSpec) -> None:
    """What is not documented is marked with `x-assumed`."""
    levels = {id: clause["level"] for group in CLAUSES.values() for id, clause in group.items()}
    inferred = {id for id, level in levels.items() if level == "inferred"}
    assumed = {clause for assumption in spec.assumptions() for clause in assumption.clauses}
    assert inferred - assumed == set()


def test_assumptions_have_reasons_and_clauses(spec: ApiSpec) -> None:
    """Every `x-assumed` has a reason and names a clause."""
    for assumption in spec.assumptions():
        assert assumption.why
        assert assumption.clauses, assumption.pointer
    assert len(spec.assumptions()) > 20
