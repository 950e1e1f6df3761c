"""Only loopback addresses and `localhost` lead to this machine."""

from __future__ import annotations

import pytest

from mockhub._loopback import is_loopback_host, is_loopback_url
from mockhub.control.security import AccessPolicy
from mockhub.exceptions import ApiError
from mockhub.verify.budget import Budget
from mockhub.verify.client import BudgetedClient
from mockhub.verify.polling import is_own_url
from tests.support.scripted_server import build_profile

LOCAL = ("127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST")
FOREIGN = (
    *("127.evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1x", ""),
    *("0.0.0.0", "128.0.0.1", "evil.example", "::2", "127.1"),
)


@pytest.mark.parametrize("host", LOCAL)
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_other_hosts_are_not(host: str) -> None:
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080/a", True),
        ("http://[::1]:8080", True),
        ("http://user:pw@localhost", True),
        ("http://127.0.0.1@evil.example", False),
        ("http://127.evil.example", False),
        ("nonsense", False),
    ],
)
def test_url_leads_to_its_host(url: str, expected: bool) -> None:
    assert is_loopback_url(url) is expected


def test_budget_is_required_for_a_name_that_looks_like_loopback() -> None:
    """Its credits may be real, its proxy is used, and it gets no keys in a poll_url."""
    profile = build_profile("http://127.evil.example")
    client = BudgetedClient(profile, Budget(0))
    assert not client.loopback
    local_client = BudgetedClient(build_profile("http://127.0.0.1:80"), Budget(0))
    assert not is_own_url(local_client, "http://127.evil.example:80/api/v1/generations/a")
    assert is_own_url(local_client, "http://localhost:80/api/v1/generations/a")


def test_control_plane_rejects_a_name_that_looks_like_loopback() -> None:
    policy = AccessPolicy(None, ())
    policy.check({b"host": b"127.0.0.2:8080"})
    with pytest.raises(ApiError, match="is not this server"):
        policy.check({b"host": b"127.evil.example:8080"})
