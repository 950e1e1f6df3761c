"""Tests of the synchronous client; every test has a hub of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flow import OutOfCredits, PaidButLost, PicturesError, WrongKey
from pictures import Pictures

from mockhub import Hub


@pytest.fixture
def pictures(mockhub: Hub) -> Iterator[Pictures]:
    """The client, told where the hub is; when it waits, the hub's time passes."""
    with Pictures(mockhub.base_url, mockhub.key, sleep=mockhub.clock.advance) as client:
        yield client


def test_draws_what_was_asked_for(mockhub: Hub, pictures: Pictures) -> None:
    """Two pictures, for the money of two."""
    files = pictures.draw("A lighthouse at dusk", n=2)
    assert mockhub.images() == files
    mockhub.assert_generated(prompt="A lighthouse at dusk", n=2, times=1)
    mockhub.assert_spent(16)


@pytest.mark.mockhub(provider="duration=2m")
def test_polls_politely(mockhub: Hub, pictures: Pictures) -> None:
    """A picture of two minutes takes a dozen polls and no time of the test's."""
    pictures.draw("A lighthouse at dusk")
    assert len(mockhub.journal.filter(operation="get_generation")) <= 13
    assert mockhub.report().findings == ()


@pytest.mark.mockhub(credits=7)
def test_does_not_ask_again_without_money(mockhub: Hub, pictures: Pictures) -> None:
    """402 is final."""
    with pytest.raises(OutOfCredits, match="insufficientCredits"):
        pictures.draw("A lighthouse at dusk")
    assert len(mockhub.journal.filter(status=402)) == 1


def test_does_not_ask_again_with_an_expired_key(mockhub: Hub, pictures: Pictures) -> None:
    """401 is final."""
    mockhub.keys.expire(mockhub.key)
    with pytest.raises(WrongKey, match="expiredApiKey"):
        pictures.credits()
    assert len(mockhub.journal) == 1


@pytest.mark.mockhub(faults="status=503 x2 on=create_generation")
def test_tries_again_when_the_service_is_busy(mockhub: Hub, pictures: Pictures) -> None:
    """A gateway that is down twice costs two tries and no money."""
    pictures.draw("A lighthouse at dusk")
    mockhub.assert_spent(8)


@pytest.mark.mockhub(faults="reset@before x1 on=create_generation")
def test_tries_again_what_was_lost_on_the_way_there(mockhub: Hub, pictures: Pictures) -> None:
    """A request that never arrived is sent again: the ledger shows that it was not paid."""
    pictures.draw("A lighthouse at dusk")
    mockhub.assert_spent(8)


@pytest.mark.parametrize("fault", ["reset@after", "truncate", "corrupt", "status=502@after"])
def test_never_pays_twice(mockhub: Hub, pictures: Pictures, fault: str) -> None:
    """An answer that is lost when it was paid for is not paid for again."""
    mockhub.arm(fault, times=1, on="create_generation")
    with pytest.raises(PaidButLost, match="8 credits were charged"):
        pictures.draw("A lighthouse at dusk")
    mockhub.assert_spent(8)
    mockhub.assert_no_double_charge()


@pytest.mark.mockhub(faults="reset@after x2 on=get_generation")
def test_a_lost_poll_loses_nothing(mockhub: Hub, pictures: Pictures) -> None:
    """Reads are free, and are sent again."""
    assert len(pictures.draw("A lighthouse at dusk")) == 1


@pytest.mark.mockhub(provider="deliver=3")
def test_takes_what_was_delivered(mockhub: Hub, pictures: Pictures) -> None:
    """Three of four pictures cost three."""
    assert len(pictures.draw("A lighthouse at dusk", n=4)) == 3
    mockhub.assert_spent(24)


@pytest.mark.mockhub(provider="fail")
def test_tells_of_a_failure(mockhub: Hub, pictures: Pictures) -> None:
    """A generation that failed is told, and has cost nothing."""
    with pytest.raises(PicturesError, match="refunded"):
        pictures.draw("A lighthouse at dusk")
    mockhub.assert_spent(0)


@pytest.mark.mockhub(provider="never")
def test_loses_its_patience(mockhub: Hub, pictures: Pictures) -> None:
    """A generation that never ends is given up after fifteen minutes of the hub's time."""
    with pytest.raises(PicturesError, match="still runs after 900 s"):
        pictures.draw("A lighthouse at dusk")
