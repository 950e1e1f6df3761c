"""The options of the plugin and of the contract suite; every session imports this."""

from __future__ import annotations

import pytest


def add_options(parser: pytest.Parser) -> None:
    """Declare all of them, for the command line and for ini files."""
    _add_hub_options(parser)
    _add_ini_options(parser)
    _add_suite_options(parser)


def _add_hub_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("mockhub", "mockhub: a hub for every test")
    group.addoption(
        "--mockhub-scenario",
        metavar="NAME|FILE",
        help="The world that hubs begin with where no mark says otherwise (ini: mockhub_scenario).",
    )
    group.addoption(
        "--mockhub-clock",
        metavar="CLOCK",
        help="Their clock: system, autojump, hold, or a time (ini: mockhub_clock).",
    )
    group.addoption(
        "--mockhub-allow-live",
        action="store_true",
        help="Let tests reach the paid service (ini: mockhub_allow_live).",
    )
    group.addoption(
        "--mockhub-report-html",
        metavar="FILE",
        help="Write a page about what the client did: its mistakes, and what it met.",
    )


def _add_ini_options(parser: pytest.Parser) -> None:
    parser.addini("mockhub_scenario", "The world that hubs begin with: a name, or a YAML file.")
    parser.addini("mockhub_credits", "The balance that hubs begin with.")
    parser.addini("mockhub_clock", "The clock of hubs: system, autojump, hold, or a time.")
    parser.addini("mockhub_seed", "What the ids and keys of hubs are made from.")
    parser.addini("mockhub_allow_live", "Let tests reach the paid service.", type="bool")
    parser.addini("mockhub_min_poll_interval", "The shortest pause between polls.", default="1s")
    parser.addini(
        "mockhub_env",
        "What mockhub_env sets, a line NAME=value each, with {url}, {base_url} and {key} in it.",
        type="linelist",
        default=["OPENAI_BASE_URL={base_url}", "OPENAI_API_KEY={key}"],
    )


def _add_suite_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("mockhub verify", "mockhub: judging an implementation (contract_tests)")
    group.addoption(
        "--mockhub-target",
        metavar="FILE",
        help="The profile of the implementation to judge; without it our own mock is judged.",
    )
    group.addoption(
        "--mockhub-level",
        choices=["documented", "inferred"],
        default="documented",
        help="How much is asked of it (default: documented).",
    )
    group.addoption(
        "--mockhub-budget",
        type=int,
        metavar="CREDITS",
        help="Spend no more than this, instead of the profile's limit.",
    )
    group.addoption(
        "--mockhub-seed",
        type=int,
        metavar="N",
        help="What examples, and the ids and keys of hubs, are made from (ini: mockhub_seed).",
    )
