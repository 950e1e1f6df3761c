"""The pytest plugin: a clean, isolated mock for every test, and the options of the contract suite.

The entry point imports this in every session, before coverage starts, so it imports nothing but
pytest; the rest of mockhub is imported by the first test that asks for it.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare every option, also those of the suite: its conftest would be read too late (T8)."""
    suite = parser.getgroup("mockhub verify", "mockhub: judging an implementation (contract_tests)")
    suite.addoption(
        "--mockhub-target",
        metavar="FILE",
        help="The profile of the implementation to judge; without it our own mock is judged.",
    )
    suite.addoption(
        "--mockhub-level",
        choices=["documented", "inferred"],
        default="documented",
        help="How much is asked of it (default: documented).",
    )
    suite.addoption(
        "--mockhub-budget",
        type=int,
        metavar="CREDITS",
        help="Spend no more than this, instead of the profile's limit.",
    )
    suite.addoption(
        "--mockhub-seed",
        type=int,
        metavar="N",
        help="What examples, and the ids and keys of hubs, are made from.",
    )
