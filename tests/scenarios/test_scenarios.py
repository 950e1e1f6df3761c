"""Scenario files build hubs, and their errors are explained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mockhub._resources import resource_path
from mockhub.domain.accounts import Balance
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.keys import key_digest
from mockhub.domain.provider import Outcome
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import Directive
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import bundled_scenarios, load_scenario
from tests.support.live_server import PUBLISHED, read_spec

KEY = "gih_live_" + 32 * "k"
REQUEST = "{model: gpt-image-2, prompt: x}"

BuildHub = Callable[[str], HubBackend]


@pytest.fixture
def build(tmp_path: Path) -> BuildHub:
    """Build a hub from the text of a scenario."""

    def write(text: str) -> HubBackend:
        file = tmp_path / "own.yaml"
        file.write_text(text, "utf-8")
        return build_hub(load_scenario(file), "own", read_spec(resource_path("openapi.yaml")))

    return write


def test_scenario_sets_everything_of_a_hub(build: BuildHub) -> None:
    hub = build(f"""
description: A small hub
seed: 7
clock: {{manual: 2026-04-30T08:00:00Z, mode: hold}}
image_format: webp
prompt_faults: false
max_generations: 10
accounts:
  ada:
    account_type: FREE
    grants: [{{credits: 50}}, {{credits: 10, expires_at: "2026-05-01T10:00:00+02:00"}}]
    keys: [{{key: {KEY}, name: laptop, expires_at: "2026-06-01T00:00:00Z"}}]
generations: [{{id: first, account: ada, created_at: 2026-04-29T08:00:00Z, request: {REQUEST}}}]
provider: [fail, deliver=2 duration=3s]
faults: [reset@after x1, {{fault: status=503, prompt: cat}}]
""")
    ada, key = hub.accounts["ada"], hub.keys[key_digest(KEY.encode())]
    assert ada.balance_snapshot() == Balance(52, "FREE", 1777622400000)
    assert key[1:] == ("ada", "laptop", 1780272000000, False)
    assert isinstance(hub.clock, ManualClock)
    assert (hub.clock.now(), hub.clock.mode) == (PUBLISHED, "hold")
    assert (hub.ids.seed, hub.image_format, hub.max_generations) == (7, "webp", 10)
    assert not hub.prompt_faults
    assert (
        hub.generations["first"].status,
        hub.generations["first"].created_at,
    ) == ("succeeded", PUBLISHED - 86_400_000)
    assert [hub.provider.next() for _ in range(3)] == [
        Outcome(fail=True),
        *2 * [Outcome(deliver=2, duration=3000)],
    ]
    assert [armed.directive for armed in hub.faults.armed.values()] == [
        Directive("reset", phase="after", times=1),
        Directive("status", 503, prompt="cat"),
    ]
    assert hub.audit() == []


@pytest.mark.parametrize("name", sorted(bundled_scenarios()))
def test_bundled_scenario_is_valid(name: str) -> None:
    """It has a description, and the audit of its hub finds nothing."""
    scenario = load_scenario(bundled_scenarios()[name])
    assert scenario.description
    assert build_hub(scenario, name, read_spec(resource_path("openapi.yaml"))).audit() == []


ONE = "accounts: {a: {%s}}"
INVALID = [
    ("", 1, "#/", "null is not valid; expected a mapping with accounts"),
    ("[a]", 1, "#/", "an array of 1 is not valid"),
    ("description: x", 1, "#/", "'accounts' is missing"),
    ("acounts: {}", 1, "#/acounts", "did you mean 'accounts'?"),
    ("accounts: {}\nfoo: 1", 2, "#/foo", "known are description, seed"),
    ("accounts:\n  a:\n", 2, "#/accounts/a", "expected an account such as"),
    ("accounts: {1: {}}", 1, "#/accounts/1", "the key 1 is not a string; quote it"),
    ("accounts:\n  x/y: {}", 2, "#/accounts/x~1y", "expected at most 64 letters, digits, dots"),
    ("accounts:\n  '': {}", 2, "#/accounts/", "expected at most 64 letters, digits, dots"),
    (ONE % "keys: [{key: x, name: k/1}]", 1, "#/accounts/a/keys/0/name", "without a slash"),
    (ONE % "keys: [{key: x, name: ..}]", 1, "#/accounts/a/keys/0/name", "without a slash"),
    (
        ONE % "" + "\ngenerations: [{id: 'a/b c', account: a, request: {prompt: x}}]",
        2,
        "#/generations/0/id",
        "expected at most 64 letters, digits, dots",
    ),
    (
        ONE % "" + "\ngenerations: [{id: .., account: a, request: {prompt: x}}]",
        2,
        "#/generations/0/id",
        "expected at most 64 letters, digits, dots",
    ),
    ("accounts: {}\nseed: 1.5", 2, "#/seed", "1.5 is not valid; expected a whole number"),
    ("accounts: {}\nseed: 1" + 60 * "0", 2, "#/seed", "expected a whole number"),
    ("accounts: {}\nmax_generations: 0", 2, "#/max_generations", "expected a whole number from 1"),
    ("accounts: {}\nimage_format: gif", 2, "#/image_format", "expected one of png, jpeg, webp"),
    ("accounts: {}\nprompt_faults: 0", 2, "#/prompt_faults", "expected true or false"),
    ("accounts: {}\nclock: hold", 2, "#/clock", "expected system, or {manual: a time such as"),
    ("accounts: {}\nclock: {manual: now}", 2, "#/clock/manual", "expected one such as 2026-04-30"),
    (ONE % "grants: [{credits: -1}]", 1, "#/accounts/a/grants/0/credits", "-1 is not valid"),
    (ONE % "grants: [{credits: 1e30}]", 1, "#/accounts/a/grants/0/credits", "a whole number"),
    (ONE % "grants: [{credits: 1.0}]", 1, "#/accounts/a/grants/0/credits", "without a fraction"),
    (
        ONE % "grants: [{credits: 9007199254740991}, {credits: 1}]",
        1,
        "#/accounts/a/grants/1",
        "credits: 1 is not valid; expected a whole number from 0 to 0",
    ),
    (
        ONE % "grants: [{credits: 1, expires_at: '9999-12-31T23:59:59-23:59'}]",
        1,
        "#/accounts/a/grants/0/expires_at",
        "is out of range; expected a year from 1 to 9999",
    ),
    (
        "accounts: {}\nclock: {manual: 2026-13-45}",
        2,
        "#/clock/manual",
        "'2026-13-45' is not a time",
    ),
    (
        "accounts: {}\nclock: {manual: 9999-01-01T00:00:00Z}",
        2,
        "#/clock/manual",
        "cannot go beyond 9000-01-01",
    ),
    ("accounts: {}\nseed: 7.0", 2, "#/seed", "without a fraction"),
    (ONE % "grants: [{}]", 1, "#/accounts/a/grants/0", "'credits' is missing"),
    (
        ONE % "grants: [{credits: 1, expires_at: 2026-04-30}]",
        1,
        "#/accounts/a/grants/0/expires_at",
        "'2026-04-30' is not a time",
    ),
    (
        ONE % "keys: [{key: a b}]",
        1,
        "#/accounts/a/keys/0/key",
        "expected a string of visible",
    ),
    (ONE % "keys: [{key: k}, {key: k}]", 1, "#/accounts/a/keys/1/key", '"k" occurs twice'),
    ("accounts: {}\nprovider: fail", 2, "#/provider", "expected a list of outcomes"),
    ("accounts: {}\nprovider: [fial]", 2, "#/provider/0", "did you mean 'fail'?"),
    ("accounts: {}\nprovider: [reset]", 2, "#/provider/0", "not a provider outcome"),
    ("accounts: {}\nprovider: [fail x2]", 2, "#/provider/0", "takes no modifiers"),
    ("accounts: {}\nfaults: [reset@x]", 2, "#/faults/0", "expected @before or @after"),
    (
        "accounts: {}\nfaults: [{fault: reset, promt: x}]",
        2,
        "#/faults/0/promt",
        "mean 'prompt'",
    ),
    (
        "accounts: {}\nfaults: [{fault: reset on=get_credits, prompt: x}]",
        2,
        "#/faults/0",
        "has no prompt",
    ),
    (
        f"accounts: {{ada: {{}}}}\ngenerations: [{{account: adda, request: {REQUEST}}}]",
        2,
        "#/generations/0/account",
        "did you mean 'ada'?",
    ),
    (
        f"accounts: {{a: {{}}}}\ngenerations: [{{account: a, request: {REQUEST}}}]",
        2,
        "#/generations/0/request",
        "0 left, 8 needed",
    ),
    (
        "accounts: {a: {}}\ngenerations: [{account: a, request: {model: gpt, prompt: x}}]",
        2,
        "#/generations/0/request",
        'model: "gpt" is not listed; expected gpt-image-2',
    ),
    (
        f"accounts: {{a: {{}}}}\ngenerations:\n  - {{id: g, account: a, request: {REQUEST}}}\n"
        f"  - {{id: g, account: a, request: {REQUEST}}}",
        4,
        "#/generations/1/id",
        '"g" occurs twice',
    ),
]


@pytest.mark.parametrize(("text", "line", "pointer", "message"), INVALID)
def test_error_names_line_and_place(
    build: BuildHub, text: str, line: int, pointer: str, message: str
) -> None:
    """The error names the file, the line, the place, the value and what is allowed."""
    with pytest.raises(MockhubError) as caught:
        build(text)
    assert f"own.yaml:{line}: {pointer}: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "accounts: {a: {}}\naccounts: {b: {}}",
            "own.yaml:2: #/accounts: the key 'accounts' occurs",
        ),
        (
            "accounts: {a: {keys: [], keys: []}}",
            "own.yaml:1: #/accounts/a/keys: the key 'keys'",
        ),
        ("accounts: {", "not YAML"),
        ("accounts:\n\ta: {}", "not YAML"),
        ("accounts: !!python/object:os.system {}", "is not a JSON type"),
    ],
)
def test_invalid_yaml_is_rejected(build: BuildHub, text: str, message: str) -> None:
    """So are duplicate keys."""
    with pytest.raises(MockhubError) as caught:
        build(text)
    assert message in str(caught.value)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MockhubError, match=r"own\.yaml: cannot be read: No such file"):
        load_scenario(tmp_path / "own.yaml")
