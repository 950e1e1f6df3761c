"""Command-line and ini options of the plugin and of the contract tests.

Every pytest session imports this module.
"""

from __future__ import annotations

import pytest


def add_options(parser: pytest.Parser) -> None:
    _add_hub_options(parser)
    _add_ini_options(parser)
    _add_suite_options(parser)


def server_port(config: pytest.Config) -> int:
    """Return the port of the server of this session or xdist worker; 0 for any."""
    port: int = config.getoption("--mockhub-port")
    worker: str = getattr(config, "workerinput", {}).get("workerid", "gw0")
    return port + int(worker.removeprefix("gw")) if port else 0


def _add_hub_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("mockhub", "mockhub: a hub for every test")
    group.addoption(
        "--mockhub-scenario",
        metavar="NAME|FILE",
        help="Scenario of hubs whose marker names none (ini: mockhub_scenario; default: plain).",
    )
    group.addoption(
        "--mockhub-credits",
        type=int,
        metavar="N",
        help="Balance of the first account of hubs whose marker sets none (ini: mockhub_credits).",
    )
    group.addoption(
        "--mockhub-clock",
        metavar="CLOCK",
        help="Clock of hubs whose marker names none: system, autojump, hold, or a start time "
        "(ini: mockhub_clock; default: autojump).",
    )
    group.addoption(
        "--mockhub-port",
        type=int,
        default=0,
        metavar="N",
        help="Port of the server, for the same URLs in every session; an xdist worker adds its "
        "number (default: a free port).",
    )
    group.addoption(
        "--mockhub-allow-live",
        action="store_true",
        help="Let tests reach the live service, which costs credits (ini: mockhub_allow_live).",
    )
    group.addoption(
        "--mockhub-report-html",
        metavar="FILE",
        help="Write an HTML report of the findings, the contract coverage and the journals.",
    )


def _add_ini_options(parser: pytest.Parser) -> None:
    parser.addini("mockhub_scenario", "Scenario of hubs: a name or a YAML file.")
    parser.addini("mockhub_credits", "Initial balance of the first account of hubs.")
    parser.addini("mockhub_clock", "Clock of hubs: system, autojump, hold, or a start time.")
    parser.addini("mockhub_seed", "Seed of ids, keys, random numbers and images of hubs.")
    parser.addini("mockhub_allow_live", "Let tests reach the live service.", type="bool")
    parser.addini(
        "mockhub_min_poll_interval", "Report polls that follow each other faster.", default="1s"
    )
    parser.addini(
        "mockhub_env",
        "Environment variables that the fixture mockhub_env sets: one NAME=value a line, with "
        "{url}, {base_url}, {server_url} and {key} in the value.",
        type="linelist",
        default=["OPENAI_BASE_URL={base_url}", "OPENAI_API_KEY={key}"],
    )


def _add_suite_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("mockhub verify", "mockhub: test an implementation (contract_tests)")
    group.addoption(
        "--mockhub-target",
        metavar="FILE",
        help="Profile of the implementation to test (default: a mock server of its own).",
    )
    group.addoption(
        "--mockhub-level",
        choices=["documented", "inferred"],
        default="documented",
        help="Check what the documentation says, or also what it implies (default: documented).",
    )
    group.addoption(
        "--mockhub-budget",
        type=int,
        metavar="CREDITS",
        help="Spend no more credits than this, instead of the profile's limit.",
    )
    group.addoption(
        "--mockhub-examples",
        type=int,
        metavar="N",
        help="Send this many random sequences, and generated bodies in proportion.",
    )
    group.addoption(
        "--mockhub-seed",
        type=int,
        metavar="N",
        help="Seed of generated examples, and of the ids and keys of hubs (ini: mockhub_seed).",
    )
