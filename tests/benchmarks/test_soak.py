"""A short soak test; `make soak` and a step of `.ci/run` are longer."""

from __future__ import annotations

from benchmarks.soak import soak


def test_soak_finds_no_errors() -> None:
    """Under load and faults, responses match the spec and ledgers are consistent."""
    report = soak(2, seed=7)
    assert report.errors == []
    operations = {name.split()[0] for name in report.responses}
    assert {"list_models", "get_credits", "create_generation", "get_generation"} <= operations
