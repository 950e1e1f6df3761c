"""Profiles: every field is read, and every error names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.profile import Acceptance, Partial, Timeouts, read_profile

COMPLETE = """
base_url: http://127.0.0.1:9911/
keys:
  valid: ${KEY}
  other: gih_live_other
triggers:
  provider_failure: "fail: yes"
  partial: {prompt: "some of ${KEY}", n: 4, delivered: 3}
limits:
  max_credits: 400
  poll_timeout: 2.5
headers: {X-Tenant: staging}
ca_file: ca.pem
proxy: http://127.0.0.1:3128
timeouts: {read: 2, generation: 800}
rate: 5
checks: my_checks.py
accept:
  - {clause: ERR-2, reason: legacy}
  - {clause: ERR-3, reason: legacy, until: 2027-01-31}
"""


def _read(tmp_path: Path, text: str) -> object:
    file = tmp_path / "target.yaml"
    file.write_text(text, "utf-8")
    return read_profile(file, {"KEY": "gih_live_secret"})


def test_complete_profile_is_read(tmp_path: Path) -> None:
    """Every field is read, and ${KEY} is replaced by the environment variable."""
    file = tmp_path / "target.yaml"
    file.write_text(COMPLETE, "utf-8")
    for name in ("ca.pem", "my_checks.py"):
        (tmp_path / name).touch()
    profile = read_profile(file, {"KEY": "gih_live_secret"})
    assert profile.base_url == "http://127.0.0.1:9911"
    assert profile.keys == {"valid": "gih_live_secret", "other": "gih_live_other"}
    assert profile.provider_failure == "fail: yes"
    assert profile.partial == Partial("some of gih_live_secret", 4, 3)
    assert (profile.max_credits, profile.poll_timeout) == (400, 2.5)
    assert (profile.headers, profile.proxy) == ({"X-Tenant": "staging"}, "http://127.0.0.1:3128")
    assert (profile.ca_file, profile.checks) == (tmp_path / "ca.pem", tmp_path / "my_checks.py")
    assert (profile.timeouts, profile.rate) == (Timeouts(None, 2, 800), 5)
    assert profile.accepted == (
        Acceptance("ERR-2", "legacy"),
        Acceptance("ERR-3", "legacy", "2027-01-31"),
    )


def test_base_url_may_end_in_api_path(tmp_path: Path) -> None:
    """A URL that ends in /api/v1, as SDKs expect it, is accepted."""
    file = tmp_path / "target.yaml"
    file.write_text("base_url: https://a.example/api/v1\nkeys: {valid: a}\n", "utf-8")
    assert read_profile(file, {}).base_url == "https://a.example"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "expected a mapping"),
        ("base_url: [", "not YAML"),
        ("keys: {valid: a}", "#/: 'base_url' is missing"),
        ("base_url: localhost\nkeys: {valid: a}", "'localhost' is not an address"),
        ("base_url: http://a:0x\nkeys: {valid: a}", "is not an address"),
        ("base_url: http://a", "#/: 'keys' is missing"),
        (
            "base_url: http://a\nkeys: {other: a}",
            "'valid' is missing; expected",
        ),
        (
            "base_url: http://a\nkeys: {valid: ''}",
            "valid: the value is not valid; expected a key",
        ),
        (
            "base_url: http://a\nkeys: {valid: 7}",
            ":2: #/keys/valid: the value is not valid",
        ),
        ("base_url: http://a\nkeys: {valid: '${NO}'}", "the environment has no NO"),
        ("base_url: http://a\nkeys: {valid: a, revoekd: b}", "did you mean 'revoked'"),
        ("base_url: http://a\nkeys: {valid: a, other: a}", "the key of other is that of valid"),
        ("base_url: http://a\nkeys: {valid: a}\ntriggers: {fail: b}", "'fail' is not known"),
        (
            "base_url: http://a\nkeys: {valid: a}\n"
            "triggers: {partial: {prompt: b, n: 9, delivered: 8}}",
            "partial/n: 9 is not valid; expected a whole number from 2 to 4",
        ),
        (
            "base_url: http://a\nkeys: {valid: a}\n"
            "triggers: {partial: {prompt: b, n: 2, delivered: 2}}",
            "delivered: 2 is not valid; expected a whole number from 1 to 1",
        ),
        ("base_url: http://a\nkeys: {valid: a}\nlimits: {max_credits: 1.5}", "a whole number"),
        (
            "base_url: http://a\nkeys: {valid: a}\nlimits: {poll_timeout: true}",
            "a number of seconds",
        ),
        ("base_url: http://a\nkeys: {valid: a}\nstate_handlers: no.py", "is not a file"),
        ("base_url: http://a\nkeys: {valid: a}\nchecks: no.py", "#/checks: .* is not a file"),
        ("base_url: http://a\nkeys: {valid: a}\nca_file: no.pem", "#/ca_file: .* is not a file"),
        ("base_url: http://a\nkeys: {valid: a}\nproxy: a", "'a' is not an address"),
        ("base_url: http://a\nkeys: {valid: a}\nrate: 0", "rate: 0 is not valid"),
        ("base_url: http://a\nkeys: {valid: a}\ntimeouts: {read: 0}", "timeouts/read: 0 is not"),
        (
            "base_url: http://a\nkeys: {valid: a}\nheaders:\n  X: y\n  'a b': c",
            ':5: #/headers/a b: "a b" is not valid; expected the name of a header',
        ),
        ('base_url: http://a\nkeys: {valid: a}\nheaders: {X: "a\\nb"}', "headers/X: the value is"),
        ("base_url: http://a\nkeys: {valid: a}\nheaders: {X: é}", "headers/X: the value is not"),
        (
            'base_url: http://a\nkeys: {valid: "a\\n"}',
            ":2: #/keys/valid: .* without .* line breaks",
        ),
        ("base_url: http://a\nkeys: {valid: a, low: ключ}", "#/keys/low: the value is not valid"),
        ('base_url: "http://a\\n"\nkeys: {valid: a}', "is not an address"),
        (
            "base_url: http://a\nkeys: {valid: a}\naccept: [{clause: ERR2, reason: b}]",
            "accept/0/clause: 'ERR2' is not a clause; did you mean 'ERR-2'",
        ),
        ("base_url: http://a\nkeys: {valid: a}\naccept: [{clause: ERR-2}]", "'reason' is missing"),
        (
            "base_url: http://a\nkeys: {valid: a}\n"
            "accept: [{clause: ERR-2, reason: b, until: 2027-02-31}]",
            "accept/0/until: '2027-02-31' is not a date",
        ),
    ],
)
def test_invalid_profile_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file, the key and its value, and what is allowed."""
    with pytest.raises(MockhubError, match=message) as caught:
        _read(tmp_path, text)
    assert "target.yaml" in str(caught.value)
