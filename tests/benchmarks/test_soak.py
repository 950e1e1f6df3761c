"""A short soak; `make soak` and a step of `.ci/run` are longer."""

from __future__ import annotations

from benchmarks.soak import soak


def test_many_clients_leave_the_books_in_order() -> None:
    """Under load and faults nothing breaks the law, the books agree, and memory stays."""
    found = soak(5, seed=7)
    assert found.wrong == []
    operations = {name.split()[0] for name in found.answers}
    assert {"list_models", "get_credits", "create_generation", "get_generation"} <= operations
