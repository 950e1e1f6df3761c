"""Tests of the synchronous client; every test has a separate hub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flow import ImageError, InsufficientCreditsError, InvalidKeyError, ResponseLostError
from image_client import ImageClient

from mockhub import Hub


@pytest.fixture
def client(mockhub: Hub) -> Iterator[ImageClient]:
    """Return a client of the hub; when it waits, the hub's clock advances."""
    with ImageClient(mockhub.base_url, mockhub.key, sleep=mockhub.clock.advance) as client:
        yield client


def test_generates_the_requested_images(mockhub: Hub, client: ImageClient) -> None:
    files = client.generate("A lighthouse at dusk", n=2)
    assert files == mockhub.images()
    mockhub.assert_generated(prompt="A lighthouse at dusk", n=2, times=1)
    mockhub.assert_spent(16)


@pytest.mark.mockhub(provider="duration=2m")
def test_polls_at_growing_intervals(mockhub: Hub, client: ImageClient) -> None:
    """A generation of two minutes takes about a dozen polls, and no real time."""
    client.generate("A lighthouse at dusk")
    assert len(mockhub.journal.filter(operation="get_generation")) <= 13
    assert mockhub.report().findings == ()


@pytest.mark.mockhub(credits=7)
def test_does_not_retry_without_credits(mockhub: Hub, client: ImageClient) -> None:
    with pytest.raises(InsufficientCreditsError, match="insufficientCredits"):
        client.generate("A lighthouse at dusk")
    assert len(mockhub.journal.filter(status=402)) == 1


def test_does_not_retry_with_an_expired_key(mockhub: Hub, client: ImageClient) -> None:
    mockhub.keys.expire(mockhub.key)
    with pytest.raises(InvalidKeyError, match="expiredApiKey"):
        client.credits()
    assert len(mockhub.journal) == 1


@pytest.mark.mockhub(faults="status=503 x2 on=create_generation")
def test_retries_when_the_service_is_unavailable(mockhub: Hub, client: ImageClient) -> None:
    client.generate("A lighthouse at dusk")
    mockhub.assert_spent(8)


@pytest.mark.mockhub(faults="reset@before x1 on=create_generation")
def test_retries_a_request_that_was_not_charged(mockhub: Hub, client: ImageClient) -> None:
    """The request did not arrive, and the balance shows it, so the client sends it again."""
    client.generate("A lighthouse at dusk")
    mockhub.assert_spent(8)


@pytest.mark.parametrize("fault", ["reset@after", "truncate", "corrupt", "status=502@after"])
def test_never_pays_twice(mockhub: Hub, client: ImageClient, fault: str) -> None:
    """The response was lost after the charge, so the client does not send the request again."""
    mockhub.arm(fault, times=1, on="create_generation")
    with pytest.raises(ResponseLostError, match="8 credits were charged"):
        client.generate("A lighthouse at dusk")
    mockhub.assert_spent(8)
    mockhub.assert_no_double_charge()


@pytest.mark.mockhub(faults="reset@after x2 on=get_generation")
def test_retries_a_lost_poll(mockhub: Hub, client: ImageClient) -> None:
    assert len(client.generate("A lighthouse at dusk")) == 1


@pytest.mark.mockhub(provider="deliver=3")
def test_returns_the_delivered_images(mockhub: Hub, client: ImageClient) -> None:
    """If three of four images are delivered, three are charged."""
    assert len(client.generate("A lighthouse at dusk", n=4)) == 3
    mockhub.assert_spent(24)


@pytest.mark.mockhub(provider="fail")
def test_raises_for_a_failed_generation(mockhub: Hub, client: ImageClient) -> None:
    with pytest.raises(ImageError, match="refunded"):
        client.generate("A lighthouse at dusk")
    mockhub.assert_spent(0)


@pytest.mark.mockhub(provider="never")
def test_gives_up_after_the_poll_timeout(mockhub: Hub, client: ImageClient) -> None:
    """A generation that never completes is given up after 15 minutes of the hub's time."""
    with pytest.raises(ImageError, match="still running after 900 s"):
        client.generate("A lighthouse at dusk")
